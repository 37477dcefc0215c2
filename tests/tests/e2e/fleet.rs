//! Sixteen hosts, and what one bad one among them costs the others.

use std::time::Duration;

use dtx_tests::wait::{holds, wait_for};

use crate::fleet_of::Fleet;

const HELLO: [&str; 3] = ["run", "--all", "echo hello >> /tmp/hello.txt"];

#[test]
fn the_example_runs_once_on_every_node() {
    let Some(fleet) = Fleet::of(16) else { return };
    let first = fleet.operator().run(&HELLO).expect_code(0);
    assert!(first.err().contains("16 nodes: 16 ok in "), "{first}");
    assert_eq!(first.out(), "");
    fleet.operator().json(&HELLO[1..]).expect_all(16, "ok");
    for host in fleet.hosts() {
        assert_eq!(
            host.read("/tmp/hello.txt"),
            "hello\nhello\n",
            "{}",
            host.name()
        );
    }
    assert_eq!(fleet.operator().read("/tmp/hello.txt"), "");
}

#[test]
fn a_killed_agent_costs_half_a_second() {
    let Some(mut fleet) = Fleet::of(16) else {
        return;
    };
    fleet
        .operator()
        .json(&["--all", "true"])
        .expect_all(16, "ok");
    let warm = fleet.operator().json(&["--all", "true"]);
    fleet.agents[4].kill();
    let report = fleet.operator().json(&["--all", "true"]);
    assert_eq!(
        (report.count("ok"), report.count("unreachable")),
        (15, 1),
        "{}",
        report.finished
    );
    assert!(!report.expect("n05", "unreachable").reason.is_empty());
    assert_eq!(report.finished.code, Some(3));
    let more = report.finished.wall.saturating_sub(warm.finished.wall);
    assert!(more < Duration::from_secs(1), "{more:?} more");
}

#[test]
fn a_cut_link_costs_the_connect_timeout() {
    let Some(fleet) = Fleet::of(16) else { return };
    fleet
        .operator()
        .json(&["--all", "true"])
        .expect_all(16, "ok");
    fleet.link_down(fleet.host(4));
    let report = fleet.operator().json(&["--all", "-t", "2s", "true"]);
    assert_eq!(
        (report.count("ok"), report.count("unreachable")),
        (15, 1),
        "{}",
        report.finished
    );
    assert_eq!(report.finished.code, Some(3));
    let wall = report.finished.wall;
    assert!(
        wall < Duration::from_secs(6),
        "{wall:?} at a connect timeout of 2 s"
    );
}

#[test]
fn a_frozen_agent_is_lost_after_silence_and_grace() {
    let Some(fleet) = Fleet::configured(3, "reattach_grace = \"5s\"\n") else {
        return;
    };
    let line = "echo started >> /tmp/starts; test $DTX_NODE != n2 || sleep 100";
    let run = fleet
        .operator()
        .json_program(&["-w", "n1,n2,n3", line])
        .deadline(Duration::from_secs(90))
        .spawn();
    wait_for("the job runs on n2", Duration::from_secs(20), || {
        holds(fleet.starts(1) == 1, "not started")
    });
    fleet.agents[1].freeze();
    let report = dtx_tests::lab::Report::read(run.finish());
    let lost = report.expect("n2", "lost");
    assert!(!lost.reason.is_empty());
    report.expect("n1", "ok");
    report.expect("n3", "ok");
    assert_eq!(report.finished.code, Some(3));
    let wall = report.finished.wall;
    assert!(
        wall > Duration::from_secs(25) && wall < Duration::from_secs(70),
        "{wall:?}"
    );
    fleet.agents[1].thaw();
    assert_eq!(fleet.starts(1), 1);
}

#[test]
fn a_retry_is_for_what_never_started() {
    let Some(mut fleet) = Fleet::of(2) else {
        return;
    };
    fleet
        .operator()
        .json(&["-w", "n1,n2", "true"])
        .expect_all(2, "ok");
    fleet.agents[1].kill();
    let run = fleet
        .operator()
        .json_program(&[
            "--retries",
            "20",
            "-w",
            "n1,n2",
            "echo started >> /tmp/starts; false",
        ])
        .spawn();
    wait_for("n1 ran", Duration::from_secs(10), || {
        holds(fleet.starts(0) == 1, "not yet")
    });
    fleet.agents[1].start_again();
    let report = dtx_tests::lab::Report::read(run.finish());
    report.expect_all(2, "failed");
    assert_eq!((fleet.starts(0), fleet.starts(1)), (1, 1));
    assert!(
        report.node("n2").row["attempts"].as_u64().unwrap() > 1,
        "{}",
        report.finished
    );
    assert_eq!(report.node("n1").row["attempts"], 1);
}
