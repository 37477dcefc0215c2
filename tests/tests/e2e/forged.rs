//! Forged grants and jobs over real TLS, and words out of turn: nothing starts, and the agent
//! goes on serving.

use std::time::Duration;

use dtx_tests::forge::operators_line;

use crate::fleet_of::{Fleet, START};

/// Hosts whose operators file has the forger's line too.
fn fleet() -> Option<Fleet> {
    let fleet = Fleet::of(2)?;
    for host in fleet.hosts() {
        let lines = fleet.operator().operators_line() + &operators_line();
        host.write("/etc/dtx/operators", lines);
    }
    Some(fleet)
}

/// Runs the liar on the operator's host: what it said, and what it was told.
fn lies(fleet: &Fleet, words: &[&str]) -> Vec<(String, String)> {
    let line = [&["/dtx/bin/dtx-lab"], words].concat();
    let program = fleet.operator().program(&line);
    let finished = program.deadline(Duration::from_secs(180)).run();
    let finished = finished.expect_code(0);
    println!("{}", finished.out());
    let pair = |line: &str| {
        let (name, told) = line.split_once('\t').unwrap();
        (name.to_owned(), told.to_owned())
    };
    finished.out().lines().map(pair).collect()
}

/// The agents take honest jobs of honest operators as before.
#[track_caller]
fn still_serves(fleet: &Fleet) {
    let before = fleet.starts(0);
    let report = fleet.operator().json(&["-w", "n1,n2", START]);
    report.expect_all(2, "ok");
    assert_eq!(fleet.starts(0), before + 1);
}

#[test]
fn nothing_forged_starts() {
    let Some(fleet) = fleet() else { return };
    let address = |index: usize| format!("{}:15943", fleet.host(index).address());
    let told = lies(&fleet, &["forge", &address(0), &address(1)]);
    let is_honest = |name: &str| name.starts_with("honest");
    let (honest, forged): (Vec<_>, Vec<_>) = told.iter().partition(|(name, _)| is_honest(name));
    assert!(forged.len() >= 200, "{} forgeries", forged.len());
    for (name, told) in &honest {
        assert!(told.contains("Exited"), "{name}: {told}");
    }
    for (name, told) in &forged {
        // What was seen before may be answered with what became of it.
        let refused = told.starts_with("refused:");
        let repeated = name.starts_with("replay-") && told.starts_with("ended:");
        assert!(refused || repeated, "{name}: {told}");
    }
    let started = fleet.host(0).read("/tmp/starts");
    let started: Vec<&str> = started.lines().collect();
    let expected: Vec<&str> = honest.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(started, expected);
    assert_eq!(fleet.host(1).read("/tmp/starts"), "");
    still_serves(&fleet);
}

#[test]
fn nothing_said_before_the_grant_has_an_effect() {
    let Some(fleet) = fleet() else { return };
    let address = format!("{}:15943", fleet.host(0).address());
    let told = lies(&fleet, &["early", &address]);
    assert!(told.len() > 255, "every kind there can be");
    for (kind, told) in &told {
        assert_eq!(told, "closed", "{kind}");
    }
    assert_eq!(fleet.host(0).read("/tmp/starts"), "");
    let audit = fleet.host(0).read("/var/lib/dtx/executor/audit.jsonl");
    assert_eq!(audit, "", "no grant was even looked at");
    still_serves(&fleet);
}
