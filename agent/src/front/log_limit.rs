//! At most one line of the log a second about each address, so that nobody fills a disk from afar.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::budget::SOURCES_MAX;

const PERIOD: Duration = Duration::from_secs(1);

/// When which address was last written about.
#[derive(Debug, Default)]
pub(super) struct LogLimit {
    sources: BTreeMap<IpAddr, Source>,
}

#[derive(Debug)]
struct Source {
    last: Instant,
    kept_back: u64,
}

impl LogLimit {
    /// Whether a line about this address may be written now, and how many were kept back since
    /// the last one.
    pub(super) fn allow(&mut self, source: IpAddr, now: Instant) -> Option<u64> {
        if let Some(known) = self.sources.get_mut(&source) {
            if now.saturating_duration_since(known.last) < PERIOD {
                known.kept_back += 1;
                return None;
            }
            known.last = now;
            return Some(std::mem::take(&mut known.kept_back));
        }
        if self.sources.len() >= SOURCES_MAX {
            self.sources
                .retain(|_, source| now.saturating_duration_since(source.last) < PERIOD);
        }
        if self.sources.len() >= SOURCES_MAX {
            // So many at once are one attack; the lines about the others tell of it.
            return None;
        }
        let (last, kept_back) = (now, 0);
        self.sources.insert(source, Source { last, kept_back });
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_for_each_address() {
        let start = Instant::now();
        let [a, b] = [1, 2].map(|last| IpAddr::from([10, 0, 0, last]));
        let mut limit = LogLimit::default();
        for (source, millis, allowed) in [
            (a, 0, Some(0)),
            (a, 10, None),
            (b, 20, Some(0)),
            (a, 999, None),
            (a, 1000, Some(2)),
            (a, 1001, None),
            (b, 5000, Some(0)),
        ] {
            let now = start + Duration::from_millis(millis);
            assert_eq!(limit.allow(source, now), allowed, "{source} at {millis}");
        }
    }

    #[test]
    fn the_table_is_bounded() {
        let start = Instant::now();
        let mut limit = LogLimit::default();
        let lines = (0..10_000_u32)
            .filter_map(|index| limit.allow(IpAddr::from(index.to_be_bytes()), start))
            .count();
        assert_eq!(lines, SOURCES_MAX);
        assert_eq!(limit.sources.len(), SOURCES_MAX);
        let later = start + PERIOD;
        assert_eq!(limit.allow(IpAddr::from([9, 9, 9, 9]), later), Some(0));
    }
}
