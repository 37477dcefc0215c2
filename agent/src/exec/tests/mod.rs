//! Real processes. Each test starts what it needs and waits for what it expects, never for time.

mod ends;
mod hangs;
mod identity;
mod many;
mod stops;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use dtx_policy::Shell;
use dtx_proto_types::id::{JobId, RunId};
use dtx_proto_types::message::{Refusal, RefusalCode};
use dtx_proto_types::outcome::Ending;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::wait::waitpid;
use nix::unistd::{User, geteuid, pipe2};

use super::plan::{LaunchPlan, LaunchStdin, ProcessLimits, ProgramToRun};
use super::process::Process;
use super::running::{Progress, Running};
use super::start::{Pipes, start};
use crate::sys;

/// Nothing here may take longer.
const PATIENCE: Duration = Duration::from_secs(30);

fn plan(program: ProgramToRun) -> LaunchPlan {
    let user = User::from_uid(geteuid()).unwrap().unwrap();
    let mut random = [0; 16];
    File::open("/dev/urandom")
        .unwrap()
        .read_exact(&mut random)
        .unwrap();
    LaunchPlan {
        job: JobId::from_bytes(random),
        run: RunId::from_bytes([7; 16]),
        node: "n1".parse().unwrap(),
        rank: 3,
        count: 16,
        user: user.name,
        switch_user: geteuid().is_root(),
        reset_oom_score: false,
        program,
        env: BTreeMap::new(),
        cwd: Some("/".into()),
        setup_max: PATIENCE,
        kill_grace: Duration::from_secs(2),
        limits: ProcessLimits::default(),
        stdin: LaunchStdin::Null,
        script_dir: "/nonexistent".into(),
    }
}

fn shell(line: &str) -> LaunchPlan {
    plan(ProgramToRun::Shell {
        shell: Shell::BinSh,
        line: line.to_owned(),
    })
}

fn argv(words: &[&str]) -> LaunchPlan {
    plan(ProgramToRun::Argv(
        words.iter().map(ToString::to_string).collect(),
    ))
}

fn script(text: &str, args: &[&str], directory: &Path) -> LaunchPlan {
    let mut plan = plan(ProgramToRun::Script {
        text: text.into(),
        args: args.iter().map(ToString::to_string).collect(),
        path: PathBuf::new(),
    });
    plan.script_dir = directory.to_owned();
    plan
}

/// A job that was started.
struct Job {
    running: Running,
    pipes: Pipes,
    progress: Vec<Progress>,
}

impl Job {
    fn start(plan: LaunchPlan) -> Self {
        let (running, pipes) = start(plan).unwrap();
        Self {
            running,
            pipes,
            progress: Vec::new(),
        }
    }

    /// Waits for something to happen.
    fn wait(&mut self) {
        let mut descriptors = [PollFd::new(self.running.as_fd(), PollFlags::POLLIN)];
        let timeout = u16::try_from(PATIENCE.as_millis()).unwrap();
        assert_eq!(poll(&mut descriptors, timeout), Ok(1), "nothing happens");
        self.progress.extend(self.running.receive());
    }

    /// Waits until the program runs; returns its pid.
    fn wait_for_start(&mut self) -> u32 {
        loop {
            match self.progress.first() {
                Some(Progress::Started { pid, .. }) => return *pid,
                Some(other) => panic!("{other:?}"),
                None => self.wait(),
            }
        }
    }

    /// Waits for the last word.
    fn wait_for_end(&mut self) -> Progress {
        loop {
            match self.progress.last() {
                Some(last @ (Progress::NotStarted(_) | Progress::Ended { .. })) => {
                    return last.clone();
                }
                _ => self.wait(),
            }
        }
    }

    /// How it ended, and the notes.
    fn ending(&mut self) -> (Ending, Vec<String>) {
        match self.wait_for_end() {
            Progress::Ended { ending, notes, .. } => (ending, notes),
            other => panic!("{other:?}"),
        }
    }

    /// What it wrote, up to the end of the pipe.
    fn output(&mut self) -> String {
        let mut text = String::new();
        let stdout = self.pipes.stdout.try_clone().unwrap();
        File::from(stdout).read_to_string(&mut text).unwrap();
        text
    }

    /// What it wrote so far.
    fn output_so_far(&mut self) -> String {
        fcntl(&self.pipes.stdout, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        let mut bytes = vec![0; 65536];
        let mut stdout = File::from(self.pipes.stdout.try_clone().unwrap());
        let count = stdout.read(&mut bytes).unwrap_or(0);
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }
}

/// Runs a job to its end: how it ended, and all that it wrote to standard output.
fn run(plan: LaunchPlan) -> (Ending, String) {
    let mut job = Job::start(plan);
    let (ending, _) = job.ending();
    (ending, job.output())
}

/// Runs what must not be started.
fn refused(plan: LaunchPlan) -> Refusal {
    match Job::start(plan).wait_for_end() {
        Progress::NotStarted(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

/// Waits until `condition` holds.
fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "still waiting for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether exactly this process still runs.
fn lives(process: &Process) -> bool {
    Process::read(process.pid)
        .is_some_and(|now| now.start_time == process.start_time && !now.zombie)
}

/// Runs something in a process of its own, where children and descriptors can be counted and ids
/// given up.
fn in_own_process(body: impl FnOnce()) {
    let (read, write) = pipe2(OFlag::O_CLOEXEC).unwrap();
    let mut write = Some(write);
    let child = sys::fork(|| {
        let mut write = File::from(write.take().unwrap());
        let Err(panic) = catch_unwind(AssertUnwindSafe(body)) else {
            sys::exit_now(0);
        };
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        write
            .write_all(text.unwrap_or_default().as_bytes())
            .unwrap();
    })
    .unwrap();
    drop(write);
    let mut text = String::new();
    File::from(read).read_to_string(&mut text).unwrap();
    let status = waitpid(child, None).unwrap();
    let good = nix::sys::wait::WaitStatus::Exited(child, 0);
    assert_eq!(status, good, "{text}");
}

/// Says why a test does nothing here.
fn skip_unless_root(what: &str) -> bool {
    let root = geteuid().is_root();
    if !root {
        println!("skipped: {what} needs root");
    }
    !root
}

fn is_setup_failure(ending: &Ending, expected: Option<i32>, words: &str) {
    match ending {
        Ending::SetupFailed { code, reason } => {
            assert_eq!(*code, expected, "{reason}");
            assert!(reason.contains(words), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

fn script_dir() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    super::script::prepare_script_dir(directory.path()).unwrap();
    directory
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).unwrap().next().is_none()
}

fn memfd(content: &[u8]) -> OwnedFd {
    let flags = nix::sys::memfd::MFdFlags::MFD_CLOEXEC;
    let fd = nix::sys::memfd::memfd_create(c"stdin", flags).unwrap();
    let mut file = File::from(fd);
    file.write_all(content).unwrap();
    file.into()
}

/// The code of a refusal, with its text shown where it is another one.
fn code(refusal: &Refusal) -> RefusalCode {
    println!("{}", refusal.text);
    refusal.code
}
