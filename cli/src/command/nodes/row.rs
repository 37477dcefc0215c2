//! One node as it is listed.

use std::time::Duration;

use dtx_client::cluster::{Alive, NewNode, Pong, Selected};
use dtx_proto_types::key::Fingerprint;
use serde::Serialize;

use crate::report::one_line;

/// One of the three lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// It answered.
    Here,
    /// It is expected and did not.
    Silent,
    /// It answered, and its key is not accepted yet.
    New,
}

impl State {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::Silent => "silent",
            Self::New => "new",
        }
    }
}

/// One node as it is listed. What is not known is absent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Row {
    pub(super) node: String,
    pub(super) state: State,
    pub(super) address: Option<String>,
    pub(super) key: Option<String>,
    pub(super) version: Option<String>,
    pub(super) slots: Option<u32>,
    pub(super) busy: Option<u32>,
    /// How far its clock is ahead of ours; only where the difference matters.
    pub(super) clock_skew_ms: Option<i64>,
    pub(super) found: Option<&'static str>,
    pub(super) reason: Option<String>,
}

/// Differences up to this are no news.
const SKEW_SHOWN: Duration = Duration::from_secs(5);

/// Between which two moments of our clock an answer came, in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) from_ms: u64,
    pub(super) until_ms: u64,
}

impl Asked {
    /// How far a clock is ahead of ours at the least, if that is certain and matters.
    fn skew(self, clock_ms: u64) -> Option<i64> {
        let ahead = clock_ms.saturating_sub(self.until_ms);
        let behind = self.from_ms.saturating_sub(clock_ms);
        let least = u64::try_from(SKEW_SHOWN.as_millis()).unwrap_or(u64::MAX);
        if ahead > least {
            i64::try_from(ahead).ok()
        } else if behind > least {
            i64::try_from(behind).ok().map(|behind| -behind)
        } else {
            None
        }
    }
}

impl Row {
    /// A node of the selection and its answer.
    pub(super) fn asked(selected: &Selected, pong: &Pong, asked: Asked, is_silent: bool) -> Self {
        let found = Some(selected.found.as_str());
        match &pong.answer {
            Ok(alive) => Self {
                found,
                ..Self::alive(pong.node.as_str(), alive, asked)
            },
            Err(reason) => Self {
                // Whoever answered discovery is here, even if he will not have us.
                state: if is_silent {
                    State::Silent
                } else {
                    State::Here
                },
                address: selected.addresses.first().map(ToString::to_string),
                found,
                reason: Some(one_line(reason)),
                ..Self::bare(selected.node.to_string(), State::Silent)
            },
        }
    }

    /// A node that is not accepted yet.
    pub(super) fn new(node: &NewNode) -> Self {
        Self {
            address: Some(node.address.to_string()),
            key: Some(node.key.to_string()),
            ..Self::bare(node.name.to_string(), State::New)
        }
    }

    fn alive(node: &str, alive: &Alive, asked: Asked) -> Self {
        let hello = &alive.hello;
        let key: Fingerprint = alive.key;
        Self {
            address: Some(alive.address.to_string()),
            key: Some(key.to_string()),
            version: Some(one_line(&hello.release)),
            slots: Some(hello.slots),
            busy: Some(hello.busy),
            clock_skew_ms: asked.skew(hello.clock_ms),
            ..Self::bare(node.to_owned(), State::Here)
        }
    }

    fn bare(node: String, state: State) -> Self {
        Self {
            node,
            state,
            address: None,
            key: None,
            version: None,
            slots: None,
            busy: None,
            clock_skew_ms: None,
            found: None,
            reason: None,
        }
    }

    /// What a person should know beyond the columns.
    pub(super) fn remark(&self) -> String {
        let clock = self.clock_skew_ms.map(|skew| {
            let seconds = skew.unsigned_abs() / 1000;
            let side = if skew > 0 { "ahead" } else { "behind" };
            format!("clock {seconds} s {side}")
        });
        let parts = [clock, self.reason.clone()];
        let mut remark = parts.into_iter().flatten().collect::<Vec<_>>().join("; ");
        if self.state == State::New
            && let Some(key) = &self.key
        {
            remark.clone_from(key);
        }
        remark
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_certain_differences_of_clocks_are_shown() {
        let asked = Asked {
            from_ms: 100_000,
            until_ms: 104_000,
        };
        for (clock_ms, expected) in [
            (102_000, None),
            (109_000, None),
            (109_001, Some(5_001)),
            (95_000, None),
            (94_999, Some(-5_001)),
            (0, Some(-100_000)),
        ] {
            assert_eq!(asked.skew(clock_ms), expected, "{clock_ms}");
        }
    }
}
