//! How many refusals are written down: each, until somebody wants to fill the disk with them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dtx_proto_types::key::Fingerprint;

/// Refusals of one operator that are written in a [`SPAN`]; the others are counted.
const LINES_MAX: u32 = 30;
/// See [`LINES_MAX`].
const SPAN: Duration = Duration::from_secs(60);
/// Operators that are remembered without need.
const COMFORTABLE: usize = 1024;

/// What each operator has had written lately; peers who are nobody share one place.
#[derive(Debug, Default)]
pub(super) struct Budget {
    spans: BTreeMap<Option<Fingerprint>, Span>,
}

#[derive(Debug)]
struct Span {
    since: Instant,
    lines: u32,
    omitted: u64,
}

impl Budget {
    /// Whether one more line may be written, and how many were left out since the last one.
    pub(super) fn admit(&mut self, who: Option<Fingerprint>, now: Instant) -> Option<u64> {
        let is_over = |span: &Span| now.saturating_duration_since(span.since) >= SPAN;
        if self.spans.len() >= COMFORTABLE {
            self.spans
                .retain(|_, span| span.omitted > 0 || !is_over(span));
        }
        let span = self.spans.entry(who).or_insert(Span {
            since: now,
            lines: 0,
            omitted: 0,
        });
        if is_over(span) {
            span.since = now;
            span.lines = 0;
        }
        if span.lines >= LINES_MAX {
            span.omitted = span.omitted.saturating_add(1);
            return None;
        }
        span.lines += 1;
        Some(span.omitted)
    }

    /// The line was written, and with it the number of those that were not.
    pub(super) fn written(&mut self, who: Option<Fingerprint>) {
        if let Some(span) = self.spans.get_mut(&who) {
            span.omitted = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_are_counted_and_nobody_pays_for_another() {
        let mut budget = Budget::default();
        let now = Instant::now();
        let alice = Some(Fingerprint::from_bytes([1; 32]));
        for _ in 0..LINES_MAX {
            assert_eq!(budget.admit(alice, now), Some(0));
            budget.written(alice);
        }
        for _ in 0..5 {
            assert_eq!(budget.admit(alice, now), None);
        }
        assert_eq!(budget.admit(None, now), Some(0));
        let later = now + SPAN;
        // What could not be written still counts.
        assert_eq!(budget.admit(alice, later), Some(5));
        assert_eq!(budget.admit(alice, later), Some(5));
        budget.written(alice);
        assert_eq!(budget.admit(alice, later), Some(0));
    }

    #[test]
    fn those_who_have_gone_are_forgotten() {
        let mut budget = Budget::default();
        let now = Instant::now();
        for number in 0..COMFORTABLE {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            budget.admit(Some(Fingerprint::from_bytes(bytes)), now);
        }
        budget.admit(None, now + SPAN);
        assert_eq!(budget.spans.len(), 1);
    }
}
