//! A job's processes as the executor sees them: a supervisor at the other end of a socket.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use dtx_proto_types::id::{JobId, RunId};
use dtx_proto_types::message::Refusal;
use dtx_proto_types::outcome::Ending;
use serde::{Deserialize, Serialize};

use super::children::Child;
use super::marked::Suspect;
use super::orphans::end_orphans;
use super::process::Process;
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
    run: RunId,
    supervisor: Child,
    line: Line,
    /// The supervisor was killed, and another process ends what it left.
    orphaned: bool,
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
    pub(super) const fn new(job: JobId, run: RunId, supervisor: Child, line: Line) -> Self {
        Self {
            job,
            run,
            supervisor,
            line,
            orphaned: false,
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
                Ok(Heard::End) => progress.extend(self.lost("it was killed")),
                Err(error) => progress.extend(self.lost(&error.to_string())),
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

    /// The supervisor's process id.
    #[must_use]
    pub fn supervisor(&self) -> u32 {
        self.supervisor.pid().as_raw().unsigned_abs()
    }

    /// The supervisor went without a last word: somebody killed it. What it watched over has lost
    /// its subreaper; another process ends it, and says the last word.
    fn lost(&mut self, cause: &str) -> Option<Progress> {
        let ending = Ending::Lost(format!(
            "the process that watched over the job on the node failed: {cause}"
        ));
        let why = if self.orphaned {
            "the process that did was killed, too".to_owned()
        } else {
            // Not reaped yet, so the number is still its own.
            let supervisor = Process::read(self.supervisor.pid());
            let orphans = Suspect {
                job: self.job,
                run: self.run,
                main: None,
                since: supervisor.map_or(0, |supervisor| supervisor.start_time),
            };
            self.supervisor.end();
            self.orphaned = true;
            match end_orphans(orphans, &ending) {
                Ok((child, line)) => {
                    (self.supervisor, self.line) = (child, line);
                    return None;
                }
                Err(error) => error.desc().to_owned(),
            }
        };
        self.over = true;
        Some(Progress::Ended {
            ending,
            duration: Duration::ZERO,
            notes: vec![format!("nobody looks for what the job left running: {why}")],
        })
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
        self.supervisor.end();
    }
}
