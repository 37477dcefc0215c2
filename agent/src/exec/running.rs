//! A job's processes as the executor sees them: a supervisor at the other end of a socket.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use dtx_proto_types::id::JobId;
use dtx_proto_types::message::Refusal;
use dtx_proto_types::outcome::Ending;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::leftovers::kill_orphans;
use super::words::{Heard, Line, ORDER_MAX, Order, REPORT_MAX, Report};

/// A job's processes. Poll [`AsFd`] for reading, then call [`Running::receive`]. Keep it until
/// that has brought `NotStarted` or `Ended`, then drop it.
///
/// Dropped earlier, or left behind by an executor that dies, the job's whole tree is killed at
/// once: the supervisor sees its socket end.
#[derive(Debug)]
#[must_use = "dropping it kills the job"]
pub struct Running {
    job: JobId,
    supervisor: Pid,
    line: Line,
    over: bool,
}

/// What became of a job's processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// The program runs.
    Started {
        /// The main process.
        pid: u32,
        /// When it started, in clock ticks since boot: with the pid, a name for it that no later
        /// process has.
        start_time: u64,
    },
    /// The program provably never ran. The last word.
    NotStarted(Refusal),
    /// The program ended, or failed on the last steps to its start. The last word.
    Ended {
        /// How.
        ending: Ending,
        /// From its start to its end.
        duration: Duration,
        /// What else a person should know: processes left over.
        notes: Vec<String>,
    },
}

/// Why a tree is ended; it becomes the job's [`Ending`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stop {
    /// The timeout hit.
    TimedOut,
    /// Anything else; the text says what.
    Cancelled(String),
}

impl Stop {
    /// How a job that was ended so ended.
    #[must_use]
    pub fn into_ending(self) -> Ending {
        match self {
            Self::TimedOut => Ending::TimedOut,
            Self::Cancelled(text) => Ending::Cancelled(text),
        }
    }
}

impl Running {
    pub(super) const fn new(job: JobId, supervisor: Pid, line: Line) -> Self {
        Self {
            job,
            supervisor,
            line,
            over: false,
        }
    }

    /// What has happened since the last call, in order. Never blocks.
    pub fn receive(&mut self) -> Vec<Progress> {
        let mut progress = Vec::new();
        let mut bytes = vec![0; REPORT_MAX];
        while !self.over {
            match self.line.receive(&mut bytes) {
                Ok(Heard::Word(report)) => {
                    self.over = !matches!(report, Report::Started { .. });
                    progress.push(report.into());
                }
                Ok(Heard::Nothing) => break,
                Ok(Heard::End) => progress.push(self.lost("it was killed")),
                Err(error) => progress.push(self.lost(&error.to_string())),
            }
        }
        progress
    }

    /// Ends the whole tree: SIGTERM, the plan's grace, SIGKILL. `Ended` follows with the reason of
    /// the first stop that came before the program ended by itself.
    pub fn stop(&self, mut why: Stop) {
        if let Stop::Cancelled(text) = &mut why {
            text.truncate(text.floor_char_boundary(ORDER_MAX / 2));
        }
        // A supervisor that is gone is noticed by `receive`.
        let _gone = self.line.send(&Order::Stop(why));
    }

    /// The supervisor's process id, for [`super::reap_strays`].
    #[must_use]
    pub fn supervisor(&self) -> u32 {
        self.supervisor.as_raw().unsigned_abs()
    }

    /// The supervisor went without a last word: somebody killed it. What it watched over has lost
    /// its subreaper, so it is found by the job's id in its environment.
    fn lost(&mut self, cause: &str) -> Progress {
        self.over = true;
        let notes = kill_orphans(self.job);
        Progress::Ended {
            ending: Ending::Lost(format!(
                "the process that watched over the job on the node failed: {cause}"
            )),
            duration: Duration::ZERO,
            notes,
        }
    }
}

impl From<Report> for Progress {
    fn from(report: Report) -> Self {
        match report {
            Report::Started { pid, start_time } => Self::Started {
                pid: pid.unsigned_abs(),
                start_time,
            },
            Report::NotStarted(refusal) => Self::NotStarted(refusal),
            Report::Ended {
                ending,
                duration_us,
                notes,
            } => Self::Ended {
                ending,
                duration: Duration::from_micros(duration_us),
                notes,
            },
        }
    }
}

impl AsFd for Running {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.line.as_fd()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.over {
            // Its tree takes longer to end than anyone may wait here.
            return;
        }
        // After its last word a supervisor only exits, so this waits for microseconds. The kill
        // makes it so even for one that somebody has stopped.
        let _gone = kill(self.supervisor, Signal::SIGKILL);
        while waitpid(self.supervisor, None) == Err(Errno::EINTR) {}
    }
}
