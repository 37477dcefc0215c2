//! Where an agent stands in a round.

use std::time::Duration;

use super::limits::SHARD_NAMES_MAX;
use crate::id::{InstanceId, QueryId};

/// What a round's query id and an agent's instance id make of each other. Without knowing the
/// query id beforehand no one can choose a place in filter or spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Two independent hashes for the filter.
    pub(super) filter: [u64; 2],
    slot: u64,
}

impl Mark {
    /// The agent's mark in this round.
    #[must_use]
    pub fn of(query: QueryId, instance: InstanceId) -> Self {
        let mut input = [0; 32];
        input[..16].copy_from_slice(query.as_bytes());
        input[16..].copy_from_slice(instance.as_bytes());
        let digest = blake3::hash(&input);
        let word = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&digest.as_bytes()[at..at + 8]);
            u64::from_be_bytes(bytes)
        };
        Self {
            filter: [word(0), word(8)],
            slot: word(16),
        }
    }

    /// How long the agent waits with its answer: uniform over the spread.
    #[must_use]
    pub fn slot(&self, spread: Duration) -> Duration {
        let nanos = (spread.as_nanos() * u128::from(self.slot >> 32)) >> 32;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// One of the parts into which a round divides the agents, by instance id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: u16,
    count: u16,
}

impl Shard {
    /// Every agent.
    pub const ALL: Self = Self { index: 0, count: 1 };

    /// Part `index` of `count`, if there is one.
    #[must_use]
    pub const fn new(index: u16, count: u16) -> Option<Self> {
        if index < count {
            Some(Self { index, count })
        } else {
            None
        }
    }

    /// The shards of a round in which this many agents are in the filters: as few as keep every
    /// filter within a datagram.
    pub fn covering(heard: usize) -> impl Iterator<Item = Self> {
        // Agents fall into shards at random; an eighth is left free for the fuller ones.
        let names = SHARD_NAMES_MAX - SHARD_NAMES_MAX / 8;
        let count = if heard <= SHARD_NAMES_MAX {
            1
        } else {
            u16::try_from(heard.div_ceil(names)).unwrap_or(u16::MAX)
        };
        (0..count).map(move |index| Self { index, count })
    }

    /// Whether the agent is in it.
    #[must_use]
    pub fn has(&self, instance: InstanceId) -> bool {
        let [a, b, c, d, ..] = *instance.as_bytes();
        u32::from_be_bytes([a, b, c, d]) % u32::from(self.count) == u32::from(self.index)
    }

    /// Which part.
    #[must_use]
    pub const fn index(&self) -> u16 {
        self.index
    }

    /// Of how many.
    #[must_use]
    pub const fn count(&self) -> u16 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(n: u32) -> InstanceId {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&blake3::hash(&n.to_be_bytes()).as_bytes()[..16]);
        InstanceId::from_bytes(bytes)
    }

    #[test]
    fn slots_fill_the_spread_evenly_and_differ_by_round() {
        let spread = Duration::from_millis(100);
        let mut tenths = [0; 10];
        let mut moved = 0;
        for n in 0..10_000 {
            let slot = Mark::of(QueryId::from_bytes([1; 16]), instance(n)).slot(spread);
            assert!(slot < spread);
            tenths[usize::try_from(slot.as_millis() / 10).unwrap()] += 1;
            let next = Mark::of(QueryId::from_bytes([2; 16]), instance(n)).slot(spread);
            moved += usize::from(slot.abs_diff(next) > Duration::from_millis(10));
        }
        assert!(
            tenths.iter().all(|&n| (850..1150).contains(&n)),
            "{tenths:?}"
        );
        assert!(moved > 7_500, "{moved}");
        let mark = Mark::of(QueryId::from_bytes([1; 16]), instance(0));
        assert_eq!(mark.slot(Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn each_agent_is_in_one_shard_and_no_shard_is_too_full() {
        for (heard, shards) in [(0, 1), (900, 1), (901, 2), (5_000, 7), (20_000, 26)] {
            let covering: Vec<Shard> = Shard::covering(heard).collect();
            assert_eq!(covering.len(), shards, "{heard}");
            let mut sizes = vec![0; shards];
            for n in 0..u32::try_from(heard).unwrap() {
                let within: Vec<usize> = (0..shards)
                    .filter(|&at| covering[at].has(instance(n)))
                    .collect();
                assert_eq!(within.len(), 1);
                sizes[within[0]] += 1;
            }
            assert!(sizes.iter().all(|&n| n <= SHARD_NAMES_MAX), "{sizes:?}");
        }
        assert_eq!(Shard::new(1, 1), None);
        assert_eq!(Shard::new(0, 0), None);
    }
}
