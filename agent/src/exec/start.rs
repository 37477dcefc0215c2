//! From a plan to a supervisor: the executor's side of a start.

use std::fs::OpenOptions;
use std::io::{self, Seek};
use std::os::fd::OwnedFd;

use dtx_proto_types::message::{Refusal, RefusalCode};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use super::become_user::load_databases;
use super::children::Child;
use super::plan::{ExecSettings, LaunchPlan, LaunchStdin, ProgramToRun};
use super::running::Running;
use super::script::{draw_script_path, prepare_script_dir};
use super::supervisor::supervise;
use super::words::Line;

/// The executor's ends of a job's pipes.
#[derive(Debug)]
pub struct Pipes {
    /// What the command writes to standard output.
    pub stdout: OwnedFd,
    /// What it writes to standard error.
    pub stderr: OwnedFd,
    /// What it reads, if its input is a pipe. It ends when every copy is closed.
    pub stdin: Option<OwnedFd>,
}

/// What the main process gets as descriptors 0 to 2.
#[derive(Debug)]
pub(super) struct Stdio {
    pub(super) stdin: OwnedFd,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

/// Why nothing could be started. Nothing ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// No descriptor left for a pipe.
    #[error("the agent cannot open a pipe for the job: {0}; raise its limit of open files")]
    Pipe(Errno),
    /// No process left.
    #[error("the node has no room for another process: {0}")]
    Fork(Errno),
    /// The standard input cannot be read from its beginning.
    #[error("the job's standard input cannot be opened: {0}")]
    Stdin(Errno),
    /// No random bits for the name of a script.
    #[error("the kernel gives no random bits for the name of the job's script: {0}")]
    Random(Errno),
}

impl From<StartError> for Refusal {
    fn from(error: StartError) -> Self {
        Self {
            code: RefusalCode::Resources,
            text: error.to_string(),
        }
    }
}

/// Called once, before the first job: makes the scripts' directory, and loads what each job would
/// otherwise load anew.
///
/// # Errors
///
/// If the directory cannot be made, or belongs to somebody else.
pub fn prepare(settings: &ExecSettings) -> io::Result<()> {
    prepare_script_dir(&settings.scripts)?;
    load_databases();
    Ok(())
}

/// Starts a job: forks its supervisor, which does everything else. Returns at once; how it went
/// comes by [`Running::receive`].
///
/// # Errors
///
/// If the node has no pipe or no process left. Then nothing ran.
pub fn start(plan: LaunchPlan) -> Result<(Running, Pipes), StartError> {
    let mut plan = plan;
    if let ProgramToRun::Script { path, .. } = &mut plan.program {
        *path = draw_script_path(&plan.script_dir).map_err(StartError::Random)?;
    }
    let (stdout, stdout_end) = pipe2(OFlag::O_CLOEXEC).map_err(StartError::Pipe)?;
    let (stderr, stderr_end) = pipe2(OFlag::O_CLOEXEC).map_err(StartError::Pipe)?;
    let (stdin_end, stdin) = open_stdin(std::mem::replace(&mut plan.stdin, LaunchStdin::Null))?;
    let (line, supervisor_line) = Line::pair().map_err(StartError::Pipe)?;
    let stdio = Stdio {
        stdin: stdin_end,
        stdout: stdout_end,
        stderr: stderr_end,
    };
    let supervisor =
        Child::fork(|| supervise(&plan, &supervisor_line, &stdio)).map_err(StartError::Fork)?;
    let pipes = Pipes {
        stdout,
        stderr,
        stdin,
    };
    Ok((Running::new(plan.job, plan.run, supervisor, line), pipes))
}

/// The command's end of its input, and ours if there is one.
fn open_stdin(stdin: LaunchStdin) -> Result<(OwnedFd, Option<OwnedFd>), StartError> {
    match stdin {
        LaunchStdin::Null => {
            let null = OpenOptions::new().read(true).write(true).open("/dev/null");
            Ok((null.map_err(stdin_error)?.into(), None))
        }
        LaunchStdin::Memfd(memfd) => {
            let mut file = std::fs::File::from(memfd);
            file.rewind().map_err(stdin_error)?;
            Ok((file.into(), None))
        }
        LaunchStdin::Pipe => {
            let (read, write) = pipe2(OFlag::O_CLOEXEC).map_err(StartError::Pipe)?;
            Ok((read, Some(write)))
        }
    }
}

fn stdin_error(error: io::Error) -> StartError {
    StartError::Stdin(error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
}
