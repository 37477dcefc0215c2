//! Whom to answer, what, and when. No I/O.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use dtx_proto_types::discovery::{Interface, Query, Reply};
use dtx_proto_types::id::{InstanceId, QueryId};
use dtx_proto_types::version::VersionRange;

use super::announcement::Announcement;
use super::budget::Budget;

/// Most answers that wait for their moment: more than the budget lets through in the shortest
/// spread, and little memory.
const WAITING_MAX: usize = 256;
/// Queries that are remembered, to answer one only once however many copies of it arrive.
const ANSWERED_MAX: usize = 128;

/// An answer and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer<L> {
    /// By which link the query came and the answer leaves.
    pub(super) link: L,
    /// The own address that faces the asker.
    pub(super) from: IpAddr,
    /// The asker.
    pub(super) to: SocketAddr,
    /// The datagram.
    pub(super) bytes: Vec<u8>,
}

/// Decides on queries and keeps answers until their moment. `L` names a link.
#[derive(Debug)]
pub(super) struct Answerer<L> {
    announcement: Announcement,
    instance: InstanceId,
    budget: Budget,
    waiting: BTreeMap<(Instant, u64), Answer<L>>,
    next: u64,
    /// The newest last.
    answered: VecDeque<(SocketAddr, QueryId)>,
}

impl<L> Answerer<L> {
    pub(super) fn new(announcement: Announcement, instance: InstanceId, now: Instant) -> Self {
        Self {
            announcement,
            instance,
            budget: Budget::new(instance, now),
            waiting: BTreeMap::new(),
            next: 0,
            answered: VecDeque::with_capacity(ANSWERED_MAX),
        }
    }

    /// Looks at a datagram. Cheap checks first; silence is the answer to whatever is wrong.
    pub(super) fn hear(
        &mut self,
        bytes: &[u8],
        source: SocketAddr,
        (link, interface): (L, &Interface),
        now: Instant,
    ) {
        let Some(from) = interface.facing(source.ip()) else {
            return;
        };
        let Ok(query) = Query::decode(bytes) else {
            return;
        };
        let Some(slot) = query.slot_of(&self.announcement.cluster, self.instance) else {
            return;
        };
        let Some(port) = self.announcement.port_at(from) else {
            return;
        };
        let asked = (source, query.id);
        if self.answered.contains(&asked)
            || self.waiting.len() >= WAITING_MAX
            || !self.budget.take(source.ip(), now)
        {
            return;
        }
        if self.answered.len() >= ANSWERED_MAX {
            self.answered.pop_front();
        }
        self.answered.push_back(asked);
        let reply = Reply {
            id: query.id,
            instance: self.instance,
            versions: VersionRange::OURS,
            port,
            fingerprint: self.announcement.fingerprint,
            cluster: query.cluster,
            node: self.announcement.node.clone(),
        };
        let Ok(reply) = reply.encode() else {
            return;
        };
        let answer = Answer {
            link,
            from,
            to: source,
            bytes: reply,
        };
        self.next += 1;
        self.waiting.insert((now + slot, self.next), answer);
    }

    /// When the next answer is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.waiting.keys().next().map(|(at, _)| *at)
    }

    /// The next answer whose moment has come.
    pub(super) fn ready(&mut self, now: Instant) -> Option<Answer<L>> {
        let first = self.waiting.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dtx_proto_types::discovery::{Filter, Mark, Prefix, Shard};
    use dtx_proto_types::id::QueryId;
    use dtx_proto_types::key::Fingerprint;

    use super::*;

    const INSTANCE: InstanceId = InstanceId::from_bytes([3; 16]);

    fn answerer(now: Instant) -> Answerer<u32> {
        let announcement = Announcement {
            node: "n1".parse().unwrap(),
            cluster: "default".to_owned(),
            listen: vec!["0.0.0.0:7".parse().unwrap()],
            fingerprint: Fingerprint::from_bytes([9; 32]),
        };
        Answerer::new(announcement, INSTANCE, now)
    }

    fn interface() -> Interface {
        let prefix = |address: &str, length| Prefix {
            address: address.parse().unwrap(),
            length,
        };
        Interface {
            name: "eth0".to_owned(),
            index: 2,
            up: true,
            multicast: true,
            loopback: false,
            prefixes: vec![prefix("10.0.0.1", 24), prefix("fe80::1", 64)],
        }
    }

    fn query() -> Query {
        Query {
            id: QueryId::from_bytes([1; 16]),
            cluster: "default".to_owned(),
            population: 0,
            shard: Shard::ALL,
            spread: Duration::from_millis(100),
            heard: Filter::default(),
        }
    }

    #[test]
    fn answers_at_its_moment_and_only_once() {
        let now = Instant::now();
        let mut answerer = answerer(now);
        let bytes = query().encode().unwrap();
        let asker: SocketAddr = "10.0.0.9:15944".parse().unwrap();
        for _ in 0..3 {
            answerer.hear(&bytes, asker, (5, &interface()), now);
        }
        let due = answerer.due().unwrap();
        assert_eq!(
            due - now,
            Mark::of(query().id, INSTANCE).slot(query().spread)
        );
        assert_eq!(answerer.ready(due - Duration::from_nanos(1)), None);
        let answer = answerer.ready(due).unwrap();
        assert_eq!((answer.link, answer.to), (5, asker));
        assert_eq!(answer.from, IpAddr::from([10, 0, 0, 1]));
        assert!(answer.bytes.len() <= bytes.len());
        let reply = Reply::decode(&answer.bytes).unwrap();
        assert_eq!((reply.port, reply.node.as_str()), (7, "n1"));
        assert_eq!((answerer.ready(due), answerer.due()), (None, None));
    }

    #[test]
    fn silence() {
        let now = Instant::now();
        let heard = [Mark::of(query().id, INSTANCE)];
        let half = |index| Shard::new(index, 2).unwrap();
        let not_mine = if half(0).has(INSTANCE) {
            half(1)
        } else {
            half(0)
        };
        let with = |change: &dyn Fn(&mut Query)| {
            let mut query = query();
            change(&mut query);
            query.encode().unwrap()
        };
        let good = with(&|_| ());
        for (what, bytes, source) in [
            ("off link", good.clone(), "192.0.2.1:15944"),
            ("no session there", good.clone(), "[fe80::2%2]:15944"),
            ("broadcast source", good.clone(), "10.0.0.255:15944"),
            ("truncated", good[..511].to_vec(), "10.0.0.9:15944"),
            ("empty", vec![], "10.0.0.9:15944"),
            (
                "another cluster",
                with(&|query| query.cluster = "other".to_owned()),
                "10.0.0.9:15944",
            ),
            (
                "heard already",
                with(&|query| query.heard = Filter::of(&heard, 100)),
                "10.0.0.9:15944",
            ),
            (
                "another shard",
                with(&|query| query.shard = not_mine),
                "10.0.0.9:15944",
            ),
        ] {
            let mut answerer = answerer(now);
            let source = source.parse().unwrap();
            answerer.hear(&bytes, source, (5, &interface()), now);
            assert_eq!(answerer.due(), None, "{what}");
        }
    }

    #[test]
    fn a_flood_is_bounded_in_answers_and_memory() {
        let now = Instant::now();
        let mut answerer = answerer(now);
        let mut bytes_in = 0;
        for n in 0..10_000_u32 {
            let [.., a, b] = n.to_be_bytes();
            let source = SocketAddr::from(([10, 0, 0, 1 + b % 250], 1024 + u16::from(a)));
            let mut query = query();
            query.id = QueryId::from_bytes(u128::from(n).to_be_bytes());
            let bytes = query.encode().unwrap();
            bytes_in += bytes.len();
            answerer.hear(&bytes, source, (5, &interface()), now);
        }
        let later = now + Duration::from_secs(1);
        let out: Vec<Answer<u32>> = std::iter::from_fn(|| answerer.ready(later)).collect();
        assert_eq!(out.len(), 50);
        assert!(answerer.answered.len() <= ANSWERED_MAX);
        assert!(out.iter().map(|answer| answer.bytes.len()).sum::<usize>() < bytes_in);
    }
}
