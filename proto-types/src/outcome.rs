//! How a node's part of a run ended.

use serde::{Deserialize, Serialize};

/// How one node's part ended. The list is closed: every selected node has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Exit code 0.
    Ok,
    /// Another exit code, or started but could not be set up.
    Failed,
    /// Ended by a signal that dtx did not send.
    Killed,
    /// Timeout or deadline hit while running; the tree was killed.
    Timeout,
    /// Operator unknown, agent unclaimed, policy, user or environment not allowed.
    Denied,
    /// Reached, provably not started.
    Refused,
    /// No byte of the job was written.
    Unreachable,
    /// Sent, and what became of it cannot be known.
    Lost,
    /// By Ctrl-C, fail-fast or a spent budget, while running.
    Cancelled,
    /// Never tried.
    Skipped,
}

impl Outcome {
    /// All of them, in the order in which summaries and documents list them.
    pub const ALL: [Self; 10] = [
        Self::Ok,
        Self::Failed,
        Self::Killed,
        Self::Timeout,
        Self::Denied,
        Self::Refused,
        Self::Unreachable,
        Self::Lost,
        Self::Cancelled,
        Self::Skipped,
    ];

    /// The word for it in every output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Killed => "killed",
            Self::Timeout => "timeout",
            Self::Denied => "denied",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Lost => "lost",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// How an execution ended, as the agent saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The command exited by itself.
    Exited(i32),
    /// A signal ended it that dtx did not send.
    Signaled(i32),
    /// The timeout hit; the tree was killed. How the command itself ended, when known.
    TimedOut,
    /// A cancel from the client, a control job, the re-attach grace or a drain; the tree was
    /// killed. The text says which.
    Cancelled(String),
    /// It was started and could not be set up: no such directory, not executable (126), not found
    /// (127). The code is what a shell would have reported.
    SetupFailed {
        /// 126 or 127 where a shell would say so.
        code: Option<i32>,
        /// What failed, for a person.
        reason: String,
    },
    /// What the command wrote or how it ended cannot be known any more; says why.
    Lost(String),
}

impl Ending {
    /// The outcome that it amounts to.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Exited(0) => Outcome::Ok,
            Self::Exited(_) | Self::SetupFailed { .. } => Outcome::Failed,
            Self::Signaled(_) => Outcome::Killed,
            Self::TimedOut => Outcome::Timeout,
            Self::Cancelled(_) => Outcome::Cancelled,
            Self::Lost(_) => Outcome::Lost,
        }
    }
}
