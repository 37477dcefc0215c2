//! Ten thousand answers of nodes that do not exist, and of nodes that do under keys that are not
//! theirs.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use dtx_tests::lab::Process;

use crate::fleet_of::Fleet;

/// Addresses from which the answers come, so that no limit for one address saves us.
const ADDRESSES: usize = 16;

/// Three nodes that the operator knows, and on the last host, in place of an agent, a liar.
fn fleet() -> Option<(Fleet, Process)> {
    let mut fleet = Fleet::alone(4)?;
    drop(fleet.agents.pop());
    let report = fleet.operator().json(&["--all", "-e", "true"]);
    report.expect_all(3, "ok");
    let host = fleet.host(3);
    let addresses: Vec<String> = (0..ADDRESSES)
        .map(|n| format!("10.77.9.{}", n + 1))
        .collect();
    for address in &addresses {
        host.must(&["ip", "addr", "add", &format!("{address}/16"), "dev", "eth0"]);
    }
    let mut line = vec!["/dtx/bin/dtx-lab", "spoof", "n1,n2,n3"];
    line.extend(addresses.iter().map(String::as_str));
    let mut liar = host.program(&line).spawn_with_pipes();
    let mut said = String::new();
    BufReader::new(liar.take_stdout())
        .read_line(&mut said)
        .unwrap();
    assert_eq!(said, "listening\n");
    Some((fleet, liar))
}

fn answers(fleet: &Fleet) -> usize {
    let answered = fleet.host(3).read("/tmp/answered");
    answered
        .lines()
        .map(|line| line.parse::<usize>().unwrap())
        .sum()
}

#[test]
fn spoofed_answers_are_capped_and_not_used() {
    let Some((fleet, liar)) = fleet() else { return };
    let operator = fleet.operator();
    for turn in 0..3 {
        let before = answers(&fleet);
        let report = operator.json(&["--all", "-e", "true"]);
        let sent = answers(&fleet) - before;
        println!(
            "turn {turn}: {sent} spoofed answers, {:?}",
            report.finished.wall
        );
        assert!(sent >= 10_000, "{sent}");
        report.expect_all(3, "ok");
        for name in ["n1", "n2", "n3"] {
            report.expect(name, "ok");
        }
        assert!(
            report.finished.wall < Duration::from_secs(20),
            "{:?}",
            report.finished.wall
        );
        let said = report.finished.err();
        // A few lines of each kind, and how many more there are.
        let lines = said.lines().count();
        assert!(lines < 100, "{lines} lines of warnings");
    }
    let nodes = operator.run(&["nodes"]);
    println!(
        "nodes: {:?}, {} lines, {} bytes",
        nodes.wall,
        nodes.out().lines().count(),
        nodes.out().len()
    );
    assert!(nodes.wall < Duration::from_secs(20), "{:?}", nodes.wall);
    for name in ["n1", "n2", "n3"] {
        assert!(
            nodes.out().contains(name) || nodes.out().contains("n[1-3]"),
            "{nodes}"
        );
    }
    // Who is new is asked for his key, and that is all that he is ever asked.
    let caught = fleet.host(3).read("/tmp/caught").lines().count();
    println!("{caught} connections to impostors");
    assert!(caught <= 4 * 4200, "{caught} connections to impostors");
    // Once it is over, nothing of it is left.
    drop(liar);
    operator.json(&["--all", "-e", "true"]).expect_all(3, "ok");
}
