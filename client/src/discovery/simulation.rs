//! Discoveries against simulated agents and networks.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dtx_proto_types::discovery::{PORT, Query, Reply};
use dtx_proto_types::id::{InstanceId, QueryId};
use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::node::NodeName;
use dtx_proto_types::version::VersionRange;

use super::options::Options;
use super::rounds::Rounds;

/// Chance that is the same in every run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn is_lost(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    fn id(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.next().to_be_bytes());
        bytes[8..].copy_from_slice(&self.next().to_be_bytes());
        bytes
    }
}

/// What came of it.
struct Outcome {
    found: BTreeSet<NodeName>,
    rounds: u32,
    took: Duration,
    answers: usize,
}

fn name(n: usize) -> NodeName {
    format!("n{n}").parse().unwrap()
}

fn reply(id: QueryId, instance: InstanceId, n: usize) -> Reply {
    Reply {
        id,
        instance,
        versions: VersionRange::OURS,
        port: PORT,
        fingerprint: Fingerprint::from_bytes([0; 32]),
        cluster: "c".to_owned(),
        node: name(n),
    }
}

fn address(n: usize) -> SocketAddr {
    let [.., a, b] = n.to_be_bytes();
    SocketAddr::from(([10, 0, a, b], PORT))
}

/// A network that loses so many percent of the datagrams each way and delivers the rest after
/// half to three milliseconds; a reader that keeps at most `rate` answers a millisecond.
fn discover(options: Options, agents: usize, percent: u64, rate: usize, seed: u64) -> Outcome {
    let mut dice = Dice(seed);
    let instances: Vec<InstanceId> = (0..agents)
        .map(|_| InstanceId::from_bytes(dice.id()))
        .collect();
    let start = Instant::now();
    let mut now = start;
    let mut rounds = Rounds::new(options);
    let mut found = BTreeSet::new();
    let mut answers = 0;
    loop {
        let id = QueryId::from_bytes(dice.id());
        let mut arriving = Vec::new();
        for datagram in rounds.begin(id, now).unwrap() {
            let query = Query::decode(&datagram).unwrap();
            for (n, instance) in instances.iter().enumerate() {
                let heard = !dice.is_lost(percent);
                if let (true, Some(slot)) = (heard, query.slot_of("c", *instance)) {
                    answers += 1;
                    let transit = Duration::from_micros(500 + dice.next() % 2_500);
                    if !dice.is_lost(percent) {
                        arriving.push((now + slot + transit, n));
                    }
                }
            }
        }
        arriving.sort();
        let mut drops = 0;
        let mut in_millisecond = (now, 0);
        for (at, n) in arriving {
            assert!(
                at <= rounds.ends_at().unwrap(),
                "the round ended before its answers"
            );
            if at - in_millisecond.0 > Duration::from_millis(1) {
                in_millisecond = (at, 0);
            }
            in_millisecond.1 += 1;
            if in_millisecond.1 > rate {
                drops += 1;
            } else if let Some(heard) = rounds.hear(reply(id, instances[n], n), address(n), "e", at)
            {
                found.insert(heard.node);
            }
        }
        now = rounds.ends_at().unwrap();
        if rounds.conclude(drops) {
            return Outcome {
                found,
                rounds: rounds.begun(),
                took: now - start,
                answers,
            };
        }
    }
}

fn expecting(nodes: usize) -> Options {
    Options {
        expected: (0..nodes).map(name).collect(),
        ..Options::new("c")
    }
}

const FAST: usize = usize::MAX;

#[test]
fn without_loss_everyone_is_found_fast() {
    for (agents, rounds, millis) in [
        (0, 3, 320),
        (1, 4, 230),
        (4, 3, 200),
        (16, 2, 170),
        (256, 2, 170),
        (512, 2, 200),
        (4_000, 2, 190),
    ] {
        let outcome = discover(Options::new("c"), agents, 0, FAST, 1);
        assert_eq!(outcome.found.len(), agents);
        assert_eq!(outcome.rounds, rounds, "{agents}");
        assert!(
            outcome.took <= Duration::from_millis(millis),
            "{agents}: {:?}",
            outcome.took
        );
        assert!(outcome.answers <= agents + 32 * 2, "{}", outcome.answers);
    }
}

#[test]
fn one_round_where_all_expected_answer_and_nobody_else() {
    for (expected, agents, rounds) in [
        (16, 16, 1),
        (512, 512, 1),
        // One is new, one is gone, none of so many is there.
        (16, 17, 2),
        (17, 16, 2),
        (16, 0, 2),
        (1, 0, 3),
    ] {
        let outcome = discover(expecting(expected), agents, 0, FAST, 1);
        assert_eq!(outcome.found.len(), agents);
        assert_eq!(outcome.rounds, rounds, "{expected} {agents}");
    }
    let quick = discover(expecting(16), 16, 0, FAST, 1);
    assert!(quick.took <= Duration::from_millis(16), "{:?}", quick.took);
}

/// The promise of the fault matrix, over many runs.
#[test]
fn loss_is_noticed_and_made_good() {
    for (agents, percent, runs, per_mille) in [
        (1_000, 5, 4, 999),
        (1_000, 20, 4, 990),
        (256, 20, 20, 990),
        (16, 5, 200, 999),
        (16, 20, 200, 990),
        (3, 20, 400, 975),
    ] {
        let mut found = 0;
        for seed in 0..runs {
            let outcome = discover(Options::new("c"), agents, percent, FAST, seed);
            found += outcome.found.len();
            assert!(outcome.rounds >= 2);
            assert!(outcome.took < Duration::from_secs(1), "{:?}", outcome.took);
        }
        let all = agents * usize::try_from(runs).unwrap();
        assert!(
            found * 1_000 >= all * per_mille,
            "{found} of {all} at {percent} %"
        );
    }
}

#[test]
fn drops_widen_the_spread_until_all_are_heard() {
    // A reader that takes five in a millisecond, and a hundred times as many agents as it knows.
    let mut options = expecting(30);
    options.new_max = 5_000;
    let outcome = discover(options, 3_000, 0, 5, 1);
    assert!(outcome.found.len() >= 2_999, "{}", outcome.found.len());
    assert!(outcome.took < Duration::from_secs(4), "{:?}", outcome.took);
}

#[test]
fn made_up_answers_are_bounded() {
    let now = Instant::now();
    let id = QueryId::from_bytes([1; 16]);
    let mut options = expecting(2);
    options.new_max = 100;
    let events_max = Rounds::events_max(&options);
    let mut rounds = Rounds::new(options);
    let mut dice = Dice(1);
    drop(rounds.begin(id, now).unwrap());
    let mut told = 0;
    for n in 100..10_100 {
        let instance = InstanceId::from_bytes(dice.id());
        let heard = rounds.hear(reply(id, instance, n), address(n), "e", now);
        told += usize::from(heard.is_some());
        // The same name again and again, and the same agent from anywhere.
        let instance = InstanceId::from_bytes(dice.id());
        let heard = rounds.hear(reply(id, instance, 100), address(n), "e", now);
        told += usize::from(heard.is_some());
        let instance = InstanceId::from_bytes([7; 16]);
        let heard = rounds.hear(reply(id, instance, 100), address(n), "e", now);
        told += usize::from(heard.is_some());
        // Not asked, and another cluster.
        let other = QueryId::from_bytes([2; 16]);
        assert_eq!(
            rounds.hear(reply(other, instance, n), address(n), "e", now),
            None
        );
        let mut stray = reply(id, instance, n);
        stray.cluster = "d".to_owned();
        assert_eq!(rounds.hear(stray, address(n), "e", now), None);
    }
    assert_eq!(told, 100 + 7 + 7, "{told}");
    assert!(told <= events_max);
    assert!(rounds.ignored() > 19_000);
    // Nobody takes the place of those expected.
    for n in 0..2 {
        let instance = InstanceId::from_bytes(dice.id());
        assert!(
            rounds
                .hear(reply(id, instance, n), address(n), "e", now)
                .is_some()
        );
    }
    // However late they come, a round ends.
    let late = now + Duration::from_secs(60);
    let instance = InstanceId::from_bytes([7; 16]);
    assert_eq!(
        rounds.hear(reply(id, instance, 100), address(1), "e", late),
        None
    );
    assert!(rounds.ends_at().unwrap() < now + Duration::from_secs(1));
}

#[test]
fn one_agent_at_two_addresses_is_told_twice_and_counted_once() {
    let now = Instant::now();
    let id = QueryId::from_bytes([1; 16]);
    let instance = InstanceId::from_bytes([1; 16]);
    let mut rounds = Rounds::new(expecting(1));
    drop(rounds.begin(id, now).unwrap());
    for (n, told) in [(1, true), (2, true), (1, false)] {
        let heard = rounds.hear(reply(id, instance, 0), address(n), "e", now);
        assert_eq!(heard.is_some(), told, "{n}");
    }
    assert!(rounds.conclude(0));
}

#[test]
fn a_session_counts_as_an_answer() {
    let now = Instant::now();
    let id = QueryId::from_bytes([1; 16]);
    let instance = InstanceId::from_bytes([1; 16]);
    for (all_here, newcomer, enough) in [
        (false, false, false),
        (true, false, true),
        // There may be more of them.
        (true, true, false),
    ] {
        let mut rounds = Rounds::new(expecting(2));
        drop(rounds.begin(id, now).unwrap());
        let n = if newcomer { 7 } else { 0 };
        rounds.hear(reply(id, instance, n), address(n), "e", now);
        let before = rounds.ends_at().unwrap();
        if all_here {
            rounds.all_here();
        }
        assert_eq!(rounds.ends_at().unwrap() < before, enough);
        assert_eq!(rounds.conclude(0), enough, "{all_here} {newcomer}");
    }
    // Where no answer comes at all, sessions do not show that nobody else is there.
    let mut rounds = Rounds::new(expecting(2));
    drop(rounds.begin(id, now).unwrap());
    rounds.all_here();
    assert!(!rounds.conclude(0));
}

#[test]
fn a_round_that_did_not_leave_does_not_count() {
    let now = Instant::now();
    let (lost, id) = (QueryId::from_bytes([1; 16]), QueryId::from_bytes([2; 16]));
    let mut rounds = Rounds::new(expecting(1));
    drop(rounds.begin(lost, now).unwrap());
    rounds.withdraw();
    assert_eq!((rounds.begun(), rounds.ends_at()), (0, None));
    drop(rounds.begin(id, now).unwrap());
    let instance = InstanceId::from_bytes([1; 16]);
    rounds.hear(reply(id, instance, 0), address(0), "e", now);
    assert!(rounds.conclude(0), "the first one that left is the first");
}
