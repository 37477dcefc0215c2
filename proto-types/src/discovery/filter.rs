//! The agents already heard, in little room.

use super::mark::Mark;

/// Bits per name and hashes per name: 1 % of those not in the filter seem to be.
const BITS_PER_NAME: usize = 10;
const HASHES: u64 = 7;

/// A Bloom filter over [`Mark`]s: whoever was put in is found; about one in a hundred others is
/// found too, and asks itself again in the next round under another mark.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter(Vec<u8>);

impl Filter {
    /// A filter of these marks, in at most `bytes_max` bytes. Empty for no marks.
    #[must_use]
    pub fn of(marks: &[Mark], bytes_max: usize) -> Self {
        let bytes = (marks.len() * BITS_PER_NAME).div_ceil(8).min(bytes_max);
        let mut filter = Self(vec![0; bytes]);
        for mark in marks {
            for (byte, bit) in positions(*mark, bytes) {
                if let Some(byte) = filter.0.get_mut(byte) {
                    *byte |= bit;
                }
            }
        }
        filter
    }

    /// Wraps the bits that a datagram carried.
    pub(super) const fn from_bits(bits: Vec<u8>) -> Self {
        Self(bits)
    }

    /// The bits, for a datagram.
    pub(super) fn bits(&self) -> &[u8] {
        &self.0
    }

    /// Whether the mark was put in, or seems to have been.
    #[must_use]
    pub fn has(&self, mark: Mark) -> bool {
        !self.0.is_empty()
            && positions(mark, self.0.len())
                .all(|(byte, bit)| self.0.get(byte).is_some_and(|found| found & bit != 0))
    }
}

/// Byte and bit of each hash, by double hashing.
fn positions(mark: Mark, bytes: usize) -> impl Iterator<Item = (usize, u8)> {
    let bits = (bytes as u64 * 8).max(1);
    // An odd step meets every residue of a power of two, and never stands still.
    let [start, step] = [mark.filter[0], mark.filter[1] | 1];
    (0..HASHES).map(move |n| {
        let at = start.wrapping_add(step.wrapping_mul(n)) % bits;
        (usize::try_from(at / 8).unwrap_or(usize::MAX), 1 << (at % 8))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::{QUERY_MAX, SHARD_NAMES_MAX};
    use crate::id::{InstanceId, QueryId};

    fn marks(round: u8, range: std::ops::Range<u128>) -> Vec<Mark> {
        let query = QueryId::from_bytes([round; 16]);
        range
            .map(|n| Mark::of(query, InstanceId::from_bytes(n.to_be_bytes())))
            .collect()
    }

    #[test]
    fn holds_what_was_put_in_and_little_else() {
        for names in [1, 2, 10, 64, SHARD_NAMES_MAX as u128] {
            let heard = marks(1, 0..names);
            // As much room as the longest cluster name leaves.
            let filter = Filter::of(&heard, QUERY_MAX - 99);
            assert!(heard.iter().all(|mark| filter.has(*mark)));
            let wrong = marks(1, 100_000..110_000)
                .iter()
                .filter(|mark| filter.has(**mark))
                .count();
            // Two names have three bytes, with room for bad luck.
            assert!(
                wrong < if names < 10 { 1_000 } else { 200 },
                "{names}: {wrong}"
            );
        }
    }

    #[test]
    fn another_round_hides_others() {
        let hidden = |round| -> Vec<usize> {
            let filter = Filter::of(&marks(round, 0..900), 1_100);
            let others = marks(round, 100_000..110_000);
            (0..others.len())
                .filter(|&n| filter.has(others[n]))
                .collect()
        };
        let (first, second) = (hidden(1), hidden(2));
        let both = first.iter().filter(|n| second.contains(n)).count();
        assert!(both <= 8, "{both} of {} and {}", first.len(), second.len());
    }

    #[test]
    fn an_empty_filter_has_nothing() {
        let filter = Filter::of(&[], 1_100);
        assert_eq!(filter, Filter::default());
        assert!(!filter.has(marks(1, 0..1)[0]));
        assert!(!Filter::of(&marks(1, 0..1), 0).has(marks(1, 0..1)[0]));
    }
}
