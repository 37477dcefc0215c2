//! Everyone is found, by nobody but multicast, and without multicast names still work.

use std::time::Duration;

use dtx_tests::skip::slow_tier;

use crate::fleet_of::Fleet;

#[test]
fn everyone_is_found_each_time() {
    let (agents, tries) = if slow_tier() { (256, 50) } else { (64, 5) };
    let Some(fleet) = Fleet::of(agents) else {
        return;
    };
    for attempt in 0..tries {
        // An operator who has never seen this cluster.
        let state = format!("/root/state{attempt}");
        let report = fleet
            .operator()
            .json(&["--state-dir", &state, "--all", "-e", "true"]);
        println!("try {attempt}: {:?}", report.finished.wall);
        report.expect_all(agents, "ok");
    }
}

#[test]
fn with_loss_nearly_everyone_is_found() {
    let (agents, tries) = if slow_tier() { (256, 50) } else { (64, 8) };
    let Some(fleet) = Fleet::of(agents) else {
        return;
    };
    // The discovery datagrams get lost; TCP repairs its own losses.
    fleet.operator().lose_udp(20);
    for host in fleet.hosts() {
        host.lose_udp(20);
    }
    let mut found = 0;
    for attempt in 0..tries {
        let state = format!("/root/state{attempt}");
        let report = fleet
            .operator()
            .json(&["--state-dir", &state, "--all", "-e", "true"]);
        assert_eq!(
            report.count("ok"),
            report.nodes.len(),
            "{}",
            report.finished
        );
        println!(
            "try {attempt}: {} of {agents} in {:?}",
            report.nodes.len(),
            report.finished.wall
        );
        found += report.nodes.len();
    }
    assert!(
        found * 100 >= agents * tries * 99,
        "{found} of {}",
        agents * tries
    );
}

#[test]
fn without_multicast_names_work_at_once() {
    let Some(fleet) = Fleet::of(3) else { return };
    fleet.operator().block_multicast();
    fleet.publish_names();
    let address = fleet.host(2).address().to_owned();
    let report = fleet
        .operator()
        .json(&["-w", "n1,n2", "-w", &address, "true"]);
    report.expect_all(3, "ok");
    assert!(
        report.finished.wall < Duration::from_secs(1),
        "{:?}",
        report.finished.wall
    );
    let none = fleet
        .operator()
        .run(&["run", "--state-dir", "/root/fresh", "--all", "true"]);
    assert_eq!(
        none.code,
        Some(2),
        "an empty selection selects nothing: {none}"
    );
}

#[test]
fn an_agent_never_sends_more_than_it_was_asked_with() {
    let Some(fleet) = Fleet::of(3) else { return };
    for host in fleet.hosts() {
        host.filter("udp dport 15943 counter", "udp sport 15943 counter");
    }
    for attempt in 0..5 {
        let state = format!("/root/state{attempt}");
        fleet
            .operator()
            .json(&["--state-dir", &state, "--all", "-e", "true"])
            .expect_all(3, "ok");
    }
    for host in fleet.hosts() {
        let rules = host.must(&["nft", "list", "ruleset"]);
        let bytes: Vec<u64> = rules
            .split("bytes ")
            .skip(1)
            .map(|rest| rest.split_whitespace().next().unwrap().parse().unwrap())
            .collect();
        let [asked, answered] = bytes[..] else {
            panic!("{rules}")
        };
        println!(
            "{}: asked with {asked} bytes, answered with {answered}",
            host.name()
        );
        assert!(asked > 0 && answered > 0 && answered <= asked, "{rules}");
    }
}

#[test]
fn new_nodes_are_not_accepted_silently() {
    let Some(mut fleet) = Fleet::of(3) else {
        return;
    };
    let last = fleet.agents.pop().unwrap();
    drop(last);
    fleet
        .operator()
        .json(&["--all", "true"])
        .expect_all(2, "ok");
    let newcomer = fleet.host(2).agent();
    let run = fleet.operator().run(&["run", "--all", "echo $DTX_NODE"]);
    assert!(!run.out().contains("n3:"), "{run}");
    assert!(
        run.err().contains("n3") && run.err().contains("dtx nodes accept"),
        "{run}"
    );
    drop(
        fleet
            .operator()
            .run(&["nodes", "accept", "n3"])
            .expect_code(0),
    );
    fleet
        .operator()
        .json(&["--all", "true"])
        .expect_all(3, "ok");
    drop(newcomer);
}

#[test]
fn a_cloned_image_is_not_used() {
    let Some(mut fleet) = Fleet::of(3) else {
        return;
    };
    drop(fleet.agents.pop());
    fleet.host(2).sh("rm -rf /var/lib/dtx");
    let from = fleet.host(1).path("/var/lib/dtx");
    let to = fleet.host(2).path("/var/lib");
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .arg(from)
        .arg(to)
        .status()
        .unwrap();
    assert!(copied.success());
    let clone = fleet.host(2).agent_with(&["--name", "n2"]);
    let run = fleet.operator().run(&["run", "--all", "echo $DTX_NODE"]);
    assert!(run.out().contains("n1: n1"), "{run}");
    assert!(
        !run.out().contains("n2:"),
        "neither of the two is used: {run}"
    );
    for address in [fleet.host(1).address(), fleet.host(2).address()] {
        assert!(run.err().contains(address), "both are named: {run}");
    }
    drop(clone);
}

#[test]
fn nodes_and_ping_list_everyone() {
    let Some(fleet) = Fleet::of(3) else { return };
    let nodes = fleet.operator().run(&["nodes"]).expect_code(0);
    let ping = fleet.operator().run(&["ping", "--all"]).expect_code(0);
    for name in ["n1", "n2", "n3"] {
        assert!(
            nodes.out().contains(name) || nodes.out().contains("n[1-3]"),
            "{nodes}"
        );
        assert!(
            ping.out().contains(name) || ping.out().contains("n[1-3]"),
            "{ping}"
        );
    }
}
