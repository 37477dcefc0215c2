//! The connection is cut at every interesting byte: a job starts at most once, and is never called
//! `ok` without its output.

use std::collections::BTreeSet;

use dtx_tests::lab::Report;
use dtx_tests::relay::{Direction, Fault, Passed, Relay};
use dtx_tests::skip::slow_tier;

use crate::fleet_of::{Dice, Fleet};

const LINE: &str = "echo started >> /tmp/starts; echo the whole answer";

/// A relay on the second host, which has no agent: its address leads to the first host's agent.
fn relayed() -> Option<(Fleet, Relay, String)> {
    let mut fleet = Fleet::configured(2, "reattach_grace = \"2s\"\n")?;
    drop(fleet.agents.remove(1));
    let (agent, between) = (fleet.host(0).clone(), fleet.host(1).clone());
    let relay = between.relay("0.0.0.0:15943", &format!("{}:15943", agent.address()));
    Some((fleet, relay, between.address().to_owned()))
}

fn run(fleet: &Fleet, address: &str) -> Report {
    fleet.operator().json(&["-w", address, "-t", "2s", LINE])
}

/// What one honest exchange passes.
fn honest(fleet: &Fleet, relay: &mut Relay, address: &str) -> Passed {
    // The first one pins; only the second is like those that follow.
    run(fleet, address).expect_all(1, "ok");
    let before = relay.closed(1).len();
    run(fleet, address).expect_all(1, "ok");
    relay.closed(before + 1).last().unwrap().clone()
}

fn moments(total: u64, records: &[u64], dice: &mut Dice) -> BTreeSet<u64> {
    if slow_tier() {
        return (0..=total).collect();
    }
    let edges = records.iter().flat_map(|end| [end - 1, *end, end + 1]);
    let random = (0..32).map(|_| dice.below(total));
    edges
        .chain(random.collect::<Vec<_>>())
        .filter(|at| *at <= total)
        .collect()
}

#[test]
fn a_cut_anywhere_starts_at_most_once() {
    let Some((fleet, mut relay, address)) = relayed() else {
        return;
    };
    let passed = honest(&fleet, &mut relay, &address);
    println!("an exchange: {passed:?}");
    let mut dice = Dice::new(3);
    let mut cuts = Vec::new();
    for at in moments(passed.up, &passed.up_records, &mut dice) {
        cuts.push(Fault::Cut(Direction::Up, at));
    }
    for at in moments(passed.down, &passed.down_records, &mut dice) {
        cuts.push(Fault::Cut(Direction::Down, at));
    }
    println!("{} cuts", cuts.len());
    for cut in cuts {
        let before = fleet.starts(0);
        relay.arm(cut);
        let report = run(&fleet, &address);
        let started = fleet.starts(0) - before;
        assert!(started <= 1, "{cut}: {started} starts");
        let (_, node) = report.nodes.first_key_value().unwrap();
        match node.outcome.as_str() {
            "ok" => assert_eq!(
                (node.stdout.as_str(), started),
                ("the whole answer\n", 1),
                "{cut}"
            ),
            "unreachable" => assert_eq!(started, 0, "{cut}: {}", report.finished),
            "lost" => {}
            other => panic!("{cut}: {other}: {}", report.finished),
        }
    }
}

#[test]
fn a_flipped_bit_is_noticed() {
    let Some((fleet, mut relay, address)) = relayed() else {
        return;
    };
    let passed = honest(&fleet, &mut relay, &address);
    let mut dice = Dice::new(4);
    let tries = if slow_tier() { 100 } else { 20 };
    for direction in [Direction::Up, Direction::Down] {
        let total = if direction == Direction::Up {
            passed.up
        } else {
            passed.down
        };
        for _ in 0..tries {
            let fault = Fault::Flip(direction, dice.below(total));
            let before = fleet.starts(0);
            relay.arm(fault);
            let report = run(&fleet, &address);
            let started = fleet.starts(0) - before;
            assert!(started <= 1, "{fault}: {started} starts");
            let (_, node) = report.nodes.first_key_value().unwrap();
            match node.outcome.as_str() {
                "ok" => assert_eq!(
                    (node.stdout.as_str(), started),
                    ("the whole answer\n", 1),
                    "{fault}"
                ),
                "unreachable" => assert_eq!(started, 0, "{fault}: {}", report.finished),
                "lost" => {}
                other => panic!("{fault}: {other}: {}", report.finished),
            }
        }
    }
}
