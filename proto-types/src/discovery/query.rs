//! The question.

use std::time::Duration;

use super::cursor::{self, Cursor, DatagramError, Kind};
use super::filter::Filter;
use super::limits::{QUERY_MAX, QUERY_MIN, SPREAD_MAX};
use super::mark::{Mark, Shard};
use crate::id::{InstanceId, QueryId};

/// Who of this cluster is there, and has not been heard?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The round.
    pub id: QueryId,
    /// Whose agents are asked.
    pub cluster: String,
    /// How many the client expects, for people who watch the wire.
    pub population: u32,
    /// Which part of them is asked.
    pub shard: Shard,
    /// Over how long they spread their answers; whole milliseconds, at most [`SPREAD_MAX`].
    pub spread: Duration,
    /// Who need not answer.
    pub heard: Filter,
}

impl Query {
    /// How many bytes a filter may have beside this cluster's name.
    #[must_use]
    pub const fn filter_room(cluster: &str) -> usize {
        const FIXED: usize = 32 + 1 + 2;
        (QUERY_MAX - FIXED).saturating_sub(cluster.len())
    }

    /// The datagram, padded so that no reply is larger.
    ///
    /// # Errors
    ///
    /// A cluster name, spread or filter that no datagram can carry.
    pub fn encode(&self) -> Result<Vec<u8>, DatagramError> {
        let spread = u16::try_from(self.spread.as_millis())
            .ok()
            .filter(|_| self.spread <= SPREAD_MAX)
            .ok_or(DatagramError::Field("spread"))?;
        let filter = self.heard.bits();
        let length = u16::try_from(filter.len()).map_err(|_| DatagramError::Filter)?;
        let mut out = cursor::begin(Kind::Query, QUERY_MAX);
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(&self.population.to_be_bytes());
        out.extend_from_slice(&self.shard.index().to_be_bytes());
        out.extend_from_slice(&self.shard.count().to_be_bytes());
        out.extend_from_slice(&spread.to_be_bytes());
        cursor::push_cluster(&mut out, &self.cluster)?;
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(filter);
        if out.len() > QUERY_MAX {
            return Err(DatagramError::Filter);
        }
        out.resize(out.len().max(QUERY_MIN), 0);
        Ok(out)
    }

    /// Reads a datagram that anyone may have sent.
    ///
    /// # Errors
    ///
    /// Says what is wrong with it first.
    pub fn decode(bytes: &[u8]) -> Result<Self, DatagramError> {
        if !(QUERY_MIN..=QUERY_MAX).contains(&bytes.len()) {
            return Err(DatagramError::Size(bytes.len()));
        }
        let mut cursor = Cursor::open(bytes, Kind::Query)?;
        let id = QueryId::from_bytes(cursor.array()?);
        let population = cursor.u32()?;
        let (index, count) = (cursor.u16()?, cursor.u16()?);
        let shard = Shard::new(index, count).ok_or(DatagramError::Field("shard"))?;
        let spread = Duration::from_millis(cursor.u16()?.into());
        if spread > SPREAD_MAX {
            return Err(DatagramError::Field("spread"));
        }
        let cluster = cursor.cluster()?;
        let length = cursor.u16()?;
        let filter = cursor.take(length.into())?;
        Ok(Self {
            id,
            cluster: cluster.to_owned(),
            population,
            shard,
            spread,
            heard: Filter::from_bits(filter.to_vec()),
        })
    }

    /// Whether this agent is asked, and after what delay it answers.
    #[must_use]
    pub fn slot_of(&self, cluster: &str, instance: InstanceId) -> Option<Duration> {
        if self.cluster != cluster || !self.shard.has(instance) {
            return None;
        }
        let mark = Mark::of(self.id, instance);
        (!self.heard.has(mark)).then(|| mark.slot(self.spread))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::SHARD_NAMES_MAX;

    fn query(heard: u128, cluster: &str) -> Query {
        let id = QueryId::from_bytes([7; 16]);
        let marks: Vec<Mark> = (0..heard)
            .map(|n| Mark::of(id, InstanceId::from_bytes(n.to_be_bytes())))
            .collect();
        Query {
            id,
            cluster: cluster.to_owned(),
            population: 512,
            shard: Shard::new(1, 3).unwrap(),
            spread: Duration::from_millis(150),
            heard: Filter::of(&marks, Query::filter_room(cluster)),
        }
    }

    #[test]
    fn golden_bytes() {
        let bytes = query(1, "default").encode().unwrap();
        assert_eq!(bytes.len(), QUERY_MIN);
        let expected = "64747864010107070707070707070707070707070707\
                        0000020000010003009607646566 61756c740002";
        let expected = expected.replace(' ', "");
        let hex: String = bytes[..42].iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, expected);
        assert!(bytes[44..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn bytes_and_back_at_every_size() {
        let longest = "c".repeat(64);
        for cluster in ["c", "default", &longest] {
            for heard in [0, 1, 300, SHARD_NAMES_MAX as u128, 2_000] {
                let query = query(heard, cluster);
                let bytes = query.encode().unwrap();
                assert!((QUERY_MIN..=QUERY_MAX).contains(&bytes.len()));
                assert_eq!(Query::decode(&bytes).as_ref(), Ok(&query));
                for length in 0..bytes.len() {
                    assert!(Query::decode(&bytes[..length]).is_err(), "{length}");
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_said_is_refused() {
        for wrong in ["", "a b", "ä", &"c".repeat(65)] {
            assert_eq!(query(0, wrong).encode(), Err(DatagramError::Cluster));
        }
        let mut late = query(0, "c");
        late.spread = SPREAD_MAX + Duration::from_millis(1);
        assert_eq!(late.encode(), Err(DatagramError::Field("spread")));
        let good = query(0, "c").encode().unwrap();
        let spoilt = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            Query::decode(&bytes)
        };
        assert_eq!(spoilt(0, b'x'), Err(DatagramError::Stranger));
        assert_eq!(spoilt(4, 2), Err(DatagramError::Stranger));
        assert_eq!(spoilt(5, 2), Err(DatagramError::Stranger));
        assert_eq!(spoilt(27, 9), Err(DatagramError::Field("shard")));
        assert_eq!(spoilt(30, 0xff), Err(DatagramError::Field("spread")));
        assert_eq!(spoilt(33, 7), Err(DatagramError::Cluster));
        assert_eq!(spoilt(34, 0xff), Err(DatagramError::Truncated));
        assert!(Query::decode(&[0; QUERY_MAX + 1]).is_err());
    }

    #[test]
    fn who_answers() {
        let all = Query {
            shard: Shard::ALL,
            ..query(10, "c")
        };
        let instance = |n: u128| InstanceId::from_bytes(n.to_be_bytes());
        assert_eq!(all.slot_of("c", instance(3)), None, "heard");
        assert_eq!(all.slot_of("d", instance(300)), None, "another cluster");
        let asked = (100..200)
            .filter_map(|n| all.slot_of("c", instance(n)))
            .inspect(|slot| assert!(*slot < all.spread))
            .count();
        assert!(asked > 90);
    }
}
