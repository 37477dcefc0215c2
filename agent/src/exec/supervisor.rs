//! The supervisor of one job: a process of its own that watches over the job's tree, ends it when
//! told to, and reaps it.
//!
//! It never touches a path or a user of the request, so it never hangs.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use dtx_proto_types::outcome::Ending;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, dup2_stderr, dup2_stdin, dup2_stdout, setsid, unlink};

use super::failure::{Failure, Stage};
use super::kill::{Tree, kill_until_gone, terminate};
use super::main_process;
use super::marks::{MarkReader, MarkWriter, marks};
use super::plan::{LaunchPlan, ProgramToRun};
use super::process::{Process, descendants, name_all};
use super::running::Stop;
use super::start::Stdio;
use super::words::{Heard, Line, ORDER_MAX, Order, Report};
use crate::sys;

/// How long a kill may take before what is left is called unkillable.
const KILL_MAX: Duration = Duration::from_secs(5);
/// What still ends when the main process has: the other parts of a pipeline.
const SETTLE: Duration = Duration::from_millis(5);

/// Runs in the forked supervisor, up to its end. Nothing of the executor's may be touched any more
/// when it returns.
pub(super) fn supervise(plan: &LaunchPlan, line: &Line, stdio: &Stdio) {
    let last = match Supervisor::begin(plan, line, stdio) {
        Ok(supervisor) => supervisor.watch(),
        Err(failure) => Some(failure.into_report()),
    };
    if let ProgramToRun::Script { path, .. } = &plan.program {
        // It may not have been written.
        let _missing = unlink(path);
    }
    if let Some(last) = last {
        // Without an executor nobody is left to be told.
        let _gone = line.send(&last);
    }
    sys::exit_now(0);
}

struct Supervisor<'a> {
    plan: &'a LaunchPlan,
    line: &'a Line,
    children: SignalFd,
    marks: MarkReader,
    deadline: Instant,
    failure: Option<Report>,
    main: Pid,
    started: Option<Instant>,
    exit: Option<(ExitStatus, Instant)>,
    stop: Option<(Stop, Instant)>,
}

impl<'a> Supervisor<'a> {
    /// Leaves the executor's session, signals and descriptors behind, and forks the main process.
    fn begin(plan: &'a LaunchPlan, line: &'a Line, stdio: &Stdio) -> Result<Self, Failure> {
        let failed = |error: Errno| {
            Failure::resources(format!(
                "the job's supervisor cannot be set up: {}",
                error.desc()
            ))
        };
        // Blocked, not ignored: a signal meant for the agent must not end the one who sees to it
        // that jobs end.
        SigSet::all().thread_set_mask().map_err(failed)?;
        sys::reset_signals();
        dup2_stdin(&stdio.stdin).map_err(failed)?;
        dup2_stdout(&stdio.stdout).map_err(failed)?;
        dup2_stderr(&stdio.stderr).map_err(failed)?;
        sys::close_all_but(line.as_fd());
        setsid().map_err(failed)?;
        prctl::set_name(c"dtx-job").map_err(failed)?;
        prctl::set_child_subreaper(true).map_err(failed)?;

        let mut ended = SigSet::empty();
        ended.add(Signal::SIGCHLD);
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let children = SignalFd::with_flags(&ended, flags).map_err(failed)?;
        let (marks, main_end) = marks().map_err(failed)?;
        let main = fork_main(plan, main_end).map_err(|error| {
            Failure::resources(format!(
                "the node has no room for another process: {}",
                error.desc()
            ))
        })?;
        let_go_of_stdio();
        Ok(Self {
            plan,
            line,
            children,
            marks,
            deadline: Instant::now() + plan.setup_max,
            failure: None,
            main,
            started: None,
            exit: None,
            stop: None,
        })
    }

    /// Watches until the job is over; returns the last word. `None`: the executor is gone.
    fn watch(mut self) -> Option<Report> {
        loop {
            self.listen();
            let alone = !self.reap();
            if self.exit.is_some() {
                // It ended between the two, and its last mark says whether it ran.
                self.listen();
            }
            if self.failure.is_some() {
                self.kill(KILL_MAX);
                return self.failure;
            }
            let now = Instant::now();
            match (&self.stop, self.exit) {
                (None, Some((status, _))) => return Some(self.ended_by_itself(status)),
                (Some(_), _) if alone => return Some(self.ended_by_stop(&[])),
                (Some((_, kill_at)), _) if now >= *kill_at => {
                    let left = self.kill(KILL_MAX);
                    return Some(self.ended_by_stop(&left));
                }
                (None, None) if self.started.is_none() && now >= self.deadline => {
                    return Some(self.too_slow());
                }
                _ => {}
            }
            if !self.wait(None) {
                continue;
            }
            match self.line.receive(&mut [0; ORDER_MAX]) {
                Ok(Heard::Word(Order::Stop(why))) => self.begin_stop(why),
                Ok(Heard::Nothing) => {}
                // Jobs die with the executor.
                Ok(Heard::End) | Err(_) => {
                    self.kill(KILL_MAX);
                    return None;
                }
            }
        }
    }

    /// Hears whether the main process is the program by now, or gone.
    fn listen(&mut self) {
        if !self.marks.read_to_end() {
            return;
        }
        self.failure = self.marks.failure();
        if self.failure.is_some() {
            return;
        }
        let stage = self.marks.stage();
        if stage == Stage::Execute {
            self.has_started();
        } else if self.stop.is_none() {
            self.failure = Some(Failure::died(stage).into_report());
        }
    }

    fn has_started(&mut self) {
        self.started = Some(Instant::now());
        // Not reaped yet, so the number is still its own, even if it has ended.
        let start_time = Process::read(self.main).map_or(0, |main| main.start_time);
        let _gone = self.line.send(&Report::Started {
            pid: self.main.as_raw(),
            start_time,
        });
    }

    /// Reaps whatever has ended. Returns whether any child is left.
    fn reap(&mut self) -> bool {
        loop {
            match sys::reap_any() {
                Ok(Some((pid, status))) if pid == self.main => {
                    self.exit = Some((status, Instant::now()));
                }
                Ok(Some(_)) | Err(Errno::EINTR) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }

    /// Waits for something to happen: at most until the next deadline, or for `at_most`. Returns
    /// whether the executor says something.
    fn wait(&self, at_most: Option<Duration>) -> bool {
        let next = match (&self.stop, self.started) {
            (Some((_, kill_at)), _) => Some(*kill_at),
            (None, None) => Some(self.deadline),
            (None, Some(_)) => None,
        };
        let rest = at_most.or(next.map(|next| next.saturating_duration_since(Instant::now())));
        let marks = self.marks.pipe().unwrap_or(self.children.as_fd());
        let mut descriptors = [
            PollFd::new(self.children.as_fd(), PollFlags::POLLIN),
            PollFd::new(marks, PollFlags::empty()),
            PollFd::new(self.line.as_fd(), PollFlags::POLLIN),
        ];
        let count = if at_most.is_some() { 1 } else { 3 };
        let timeout = rest.map_or(PollTimeout::NONE, poll_timeout);
        if poll(&mut descriptors[..count], timeout).is_err() {
            // Interrupted; the caller looks at everything again.
            return false;
        }
        if descriptors[0].any() == Some(true) {
            while let Ok(Some(_)) = self.children.read_signal() {}
        }
        descriptors[2].any() == Some(true)
    }

    fn begin_stop(&mut self, why: Stop) {
        if self.stop.is_some() {
            return;
        }
        terminate(&descendants(Pid::this()));
        self.stop = Some((why, Instant::now() + self.plan.kill_grace));
    }

    fn kill(&mut self, at_most: Duration) -> Vec<Process> {
        kill_until_gone(self, Instant::now() + at_most)
    }

    /// The main process ended; whatever it left in the background goes on, as with `ssh`.
    fn ended_by_itself(&mut self, status: ExitStatus) -> Report {
        let settled = Instant::now() + SETTLE;
        while self.reap() && Instant::now() < settled {
            self.wait(Some(SETTLE));
        }
        let mut left = self.collect();
        left.retain(|process| !process.zombie);
        let mut notes = self.notes();
        if !left.is_empty() {
            notes.push(format!(
                "left running in the background: {}",
                name_all(&left)
            ));
        }
        let ending = match (status.code(), status.signal()) {
            (Some(code), _) => Ending::Exited(code),
            (None, signal) => Ending::Signaled(signal.unwrap_or_default()),
        };
        self.ended(ending, notes)
    }

    fn ended_by_stop(&self, left: &[Process]) -> Report {
        let mut notes = self.notes();
        if !left.is_empty() {
            notes.push(format!("cannot be killed: {}", name_all(left)));
        }
        let why = self.stop.as_ref().map(|(why, _)| why.clone());
        let ending = why.map_or(Ending::TimedOut, Stop::into_ending);
        self.ended(ending, notes)
    }

    fn ended(&self, ending: Ending, notes: Vec<String>) -> Report {
        let end = self.exit.map_or_else(Instant::now, |(_, at)| at);
        let duration = self
            .started
            .map(|start| end.saturating_duration_since(start));
        let duration = duration.unwrap_or_default();
        Report::Ended {
            ending,
            duration_us: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            notes,
        }
    }

    fn notes(&self) -> Vec<String> {
        let text = || format!("{} has no home directory here; it ran in /", self.plan.user);
        self.marks.has_no_home().then(text).into_iter().collect()
    }

    /// The main process hangs in a look-up, a directory or a file. It is killed, and with that
    /// proven never to run if it had not come to the last stage; if it hangs in the kernel, it is
    /// left to it.
    fn too_slow(&mut self) -> Report {
        self.kill(Duration::ZERO);
        self.marks.read_to_end();
        let (stage, seconds) = (self.marks.stage(), self.plan.setup_max.as_secs());
        let too_slow = || Failure::too_slow(stage, &self.plan.user, seconds).into_report();
        self.marks.failure().unwrap_or_else(too_slow)
    }
}

impl Tree for Supervisor<'_> {
    fn collect(&mut self) -> Vec<Process> {
        if self.reap() {
            descendants(Pid::this())
        } else {
            Vec::new()
        }
    }

    fn pause(&mut self, at_most: Duration) {
        self.wait(Some(at_most));
    }
}

/// Forks the main process. `marks` is all that it keeps beside its input and outputs.
fn fork_main(plan: &LaunchPlan, marks: MarkWriter) -> Result<Pid, Errno> {
    let supervisor = Pid::this();
    let mut marks = Some(marks);
    sys::fork(|| {
        if let Some(marks) = marks.take() {
            sys::close_all_but(marks.as_fd());
            main_process::run(plan, supervisor, marks);
        }
    })
}

/// The pipes are the job's alone: held here, too, they would never end.
fn let_go_of_stdio() {
    if let Ok(null) = File::options().read(true).write(true).open("/dev/null") {
        let _held = dup2_stdin(&null);
        let _held = dup2_stdout(&null);
        let _held = dup2_stderr(&null);
    }
}

/// Rounded up, so that the moment has passed when the wait ends.
fn poll_timeout(rest: Duration) -> PollTimeout {
    let millis = (rest + Duration::from_micros(999)).as_millis();
    PollTimeout::try_from(i32::try_from(millis).unwrap_or(i32::MAX)).unwrap_or(PollTimeout::MAX)
}
