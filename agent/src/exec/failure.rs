//! How a start can fail on its last steps, and what is said about it.

use std::path::Path;

use dtx_proto_types::message::{Refusal, RefusalCode};
use dtx_proto_types::outcome::Ending;
use nix::errno::Errno;

use super::words::Report;

/// Longest text about a failure: it names a path, and paths have a limit.
const REASON_MAX: usize = 6 * 1024;

/// The steps of a start that may take long, or fail in their own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Before anything.
    Begin,
    /// The user database is asked, which may be on a network.
    LookUp,
    /// Limits, script, groups and ids are set.
    Prepare,
    /// The working directory is entered, which may be on a network.
    Enter,
    /// The program is about to run: from here on it may have.
    Execute,
}

impl Stage {
    const ALL: [Self; 5] = [
        Self::Begin,
        Self::LookUp,
        Self::Prepare,
        Self::Enter,
        Self::Execute,
    ];

    /// As one byte.
    pub(super) const fn mark(self) -> u8 {
        self as u8
    }

    /// The stage that a byte stands for.
    pub(super) fn from_mark(mark: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.mark() == mark)
    }
}

/// Why the program does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The node is not able to, whatever the program.
    Refused(RefusalCode, String),
    /// What was asked for cannot be set up. The code is what a shell would have reported.
    Setup(Option<i32>, String),
}

impl Failure {
    pub(super) fn resources(text: impl Into<String>) -> Self {
        Self::Refused(RefusalCode::Resources, text.into())
    }

    pub(super) fn setup(text: impl Into<String>) -> Self {
        Self::Setup(None, text.into())
    }

    /// What a failed `execve` of `path` means.
    pub(super) fn exec(path: &Path, error: Errno) -> Self {
        let shown = path.display();
        match error {
            Errno::ENOENT if path.exists() => Self::Setup(
                Some(127),
                format!("{shown} cannot run: the interpreter or loader that it names is missing"),
            ),
            Errno::ENOENT | Errno::ENOTDIR => {
                Self::Setup(Some(127), format!("{shown}: no such program"))
            }
            Errno::ENOEXEC => Self::Setup(
                Some(126),
                format!(
                    "{shown} is not a program: if it is a script, its first line must begin with #!"
                ),
            ),
            Errno::E2BIG => Self::Setup(
                Some(126),
                "the command line and its environment are too long for the node (128 KiB for one \
                 argument, a quarter of the stack limit for all); send it as a file with --script"
                    .to_owned(),
            ),
            Errno::EAGAIN => Self::resources(format!(
                "the user has as many processes as its limit allows; {shown} was not started"
            )),
            Errno::ENOMEM => Self::resources(format!("no memory to start {shown}")),
            other => Self::Setup(Some(126), format!("{shown} cannot run: {}", other.desc())),
        }
    }

    /// The deadline passed while the main process was at `stage`.
    pub(super) fn too_slow(stage: Stage, user: &str, seconds: u64) -> Self {
        let within = format!("did not succeed within {seconds} s");
        match stage {
            Stage::Begin | Stage::Prepare => Self::resources(format!(
                "setting up the job {within}; the node may be overloaded"
            )),
            Stage::LookUp => Self::resources(format!(
                "looking up the user {user:?} {within}; is the node's directory service (LDAP, \
                 SSSD, NIS) up?"
            )),
            Stage::Enter => Self::setup(format!(
                "entering the working directory {within}; does its file server answer?"
            )),
            Stage::Execute => Self::setup(format!(
                "starting the program {within}; does its file server answer?"
            )),
        }
    }

    /// The main process ended at `stage` without a word.
    pub(super) fn died(stage: Stage) -> Self {
        let text = "the job's process was killed while it was set up; see the kernel's log";
        if stage < Stage::Enter {
            Self::resources(text)
        } else {
            Self::setup(text)
        }
    }

    pub(super) fn into_report(self) -> Report {
        match self {
            Self::Refused(code, mut text) => {
                cut(&mut text);
                Report::NotStarted(Refusal { code, text })
            }
            Self::Setup(code, mut reason) => {
                cut(&mut reason);
                Report::Ended {
                    ending: Ending::SetupFailed { code, reason },
                    duration_us: 0,
                    notes: Vec::new(),
                }
            }
        }
    }
}

fn cut(text: &mut String) {
    text.truncate(text.floor_char_boundary(REASON_MAX));
}
