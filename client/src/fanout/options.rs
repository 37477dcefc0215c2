//! How a run goes through its nodes.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use dtx_proto_types::outcome::Outcome;

use super::Admission;

/// Most nodes at once unless the operator says otherwise.
pub const FANOUT: usize = 512;
/// How long before the first retry; doubled for each further one.
pub const BACKOFF: Duration = Duration::from_millis(200);

/// How a run goes through its nodes.
#[derive(Debug)]
pub struct RunOptions {
    /// Most nodes at once: a sliding window.
    pub fanout: usize,
    /// After this long the run ends: what runs is cancelled, what waits is skipped.
    pub deadline: Option<Duration>,
    /// How often a node is tried again.
    pub retries: u32,
    /// The longest wait before the first retry; doubled each time, with full jitter.
    pub backoff: Duration,
    /// Which outcomes are tried again.
    pub retry_on: RetryOn,
    /// Stop everything as soon as one node does not end well.
    pub fail_fast: bool,
    /// Waves and budgets; without one, the window alone decides.
    pub admission: Option<Box<dyn Admission>>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            fanout: FANOUT,
            deadline: None,
            retries: 0,
            backoff: BACKOFF,
            retry_on: RetryOn::default(),
            fail_fast: false,
            admission: None,
        }
    }
}

/// The outcomes that are tried again, if retries are left.
///
/// Invariant: only `unreachable`, `refused`, `failed` and `timeout`. The first two never started
/// and keep their job id; the others run once more because the operator said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryOn {
    unreachable: bool,
    refused: bool,
    failed: bool,
    timeout: bool,
}

impl RetryOn {
    /// Whether a node that ended like this is tried again.
    #[must_use]
    pub const fn contains(self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Unreachable => self.unreachable,
            Outcome::Refused => self.refused,
            Outcome::Failed => self.failed,
            Outcome::Timeout => self.timeout,
            _ => false,
        }
    }
}

impl Default for RetryOn {
    /// What never started.
    fn default() -> Self {
        Self {
            unreachable: true,
            refused: true,
            failed: false,
            timeout: false,
        }
    }
}

/// The text names an outcome that cannot be tried again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} cannot be retried (unreachable, refused, failed and timeout can)")]
pub struct InvalidRetryOn(String);

impl FromStr for RetryOn {
    type Err = InvalidRetryOn;

    /// Reads outcomes separated by commas.
    fn from_str(text: &str) -> Result<Self, InvalidRetryOn> {
        let mut chosen = Self {
            unreachable: false,
            refused: false,
            failed: false,
            timeout: false,
        };
        for word in text.split(',') {
            match word.trim() {
                "unreachable" => chosen.unreachable = true,
                "refused" => chosen.refused = true,
                "failed" => chosen.failed = true,
                "timeout" => chosen.timeout = true,
                other => return Err(InvalidRetryOn(other.to_owned())),
            }
        }
        Ok(chosen)
    }
}

impl fmt::Display for RetryOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            (self.unreachable, "unreachable"),
            (self.refused, "refused"),
            (self.failed, "failed"),
            (self.timeout, "timeout"),
        ];
        let chosen: Vec<_> = words
            .iter()
            .filter(|(on, _)| *on)
            .map(|(_, w)| *w)
            .collect();
        f.write_str(&chosen.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_on_text() {
        for (text, shown) in [
            ("unreachable,refused", "unreachable,refused"),
            (" timeout , failed", "failed,timeout"),
        ] {
            assert_eq!(text.parse::<RetryOn>().unwrap().to_string(), shown);
        }
        for wrong in ["", "ok", "lost", "failed,,timeout"] {
            assert!(wrong.parse::<RetryOn>().is_err(), "{wrong:?}");
        }
        let chosen = RetryOn::default();
        let retried: Vec<_> = Outcome::ALL
            .into_iter()
            .filter(|o| chosen.contains(*o))
            .collect();
        assert_eq!(retried, [Outcome::Refused, Outcome::Unreachable]);
    }
}
