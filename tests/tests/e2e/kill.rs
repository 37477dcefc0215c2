//! What ends a job ends all of it, and nothing else.

use std::time::{Duration, Instant};

use dtx_tests::measure;
use dtx_tests::wait::{holds, wait_for};
use nix::sys::signal::Signal;

use crate::fleet_of::{Fleet, unique_sleep};

/// Three processes: a child, a daemon in a session of its own, and the command itself.
fn tree_of(sleep: &str) -> String {
    format!("sleep {sleep} & setsid sleep {sleep} & exec sleep {sleep}")
}

fn sleepers(seconds: &str) -> usize {
    measure::running(&format!("sleep {seconds}")).len()
}

fn wait_for_sleepers(seconds: &str, count: usize, deadline: u64) {
    wait_for("sleepers", Duration::from_secs(deadline), || {
        let seen = sleepers(seconds);
        holds(seen == count, format!("{seen} instead of {count}"))
    });
}

#[test]
fn a_timeout_kills_the_tree_and_nothing_else() {
    let Some(fleet) = Fleet::of(2) else { return };
    let operator = fleet.operator();
    let (short, long) = (unique_sleep(), unique_sleep());
    let other = operator.dtx(&["run", "--all", &tree_of(&long)]).spawn();
    wait_for_sleepers(&long, 6, 20);
    let report = operator.json(&["--all", "--timeout", "1s", &tree_of(&short)]);
    report.expect_all(2, "timeout");
    assert_eq!(
        sleepers(&short),
        0,
        "when the outcome is told, the tree is gone"
    );
    let wall = report.finished.wall;
    assert!(
        wall < Duration::from_secs(8),
        "{wall:?} for 1 s and a grace of 2 s"
    );
    assert_eq!(sleepers(&long), 6, "the other job is untouched");
    drop(other);
}

#[test]
fn a_command_that_ignores_terms_is_killed() {
    let Some(fleet) = Fleet::of(1) else { return };
    let sleep = unique_sleep();
    let line = format!("trap '' TERM; sleep {sleep} & while :; do sleep 0.1; done");
    let report = fleet
        .operator()
        .json(&["-w", "n1", "--timeout", "1s", &line]);
    report.expect("n1", "timeout");
    assert_eq!(sleepers(&sleep), 0);
    let wall = report.finished.wall;
    assert!(
        wall > Duration::from_secs(2) && wall < Duration::from_secs(8),
        "{wall:?}"
    );
}

#[test]
fn an_interrupt_cancels_everywhere() {
    let Some(fleet) = Fleet::of(3) else { return };
    let sleep = unique_sleep();
    let run = fleet
        .operator()
        .json_program(&["--all", &tree_of(&sleep)])
        .spawn();
    wait_for_sleepers(&sleep, 9, 20);
    let start = Instant::now();
    run.signal(Signal::SIGINT);
    let report = dtx_tests::lab::Report::read(run.finish());
    report.expect_all(3, "cancelled");
    assert_eq!(report.finished.code, Some(130));
    assert_eq!(sleepers(&sleep), 0);
    assert!(
        start.elapsed() < Duration::from_secs(8),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_termination_cancels_everywhere() {
    let Some(fleet) = Fleet::of(2) else { return };
    let sleep = unique_sleep();
    let run = fleet
        .operator()
        .dtx(&["run", "--all", &tree_of(&sleep)])
        .spawn();
    wait_for_sleepers(&sleep, 6, 20);
    run.signal(Signal::SIGTERM);
    let finished = run.finish();
    assert_eq!(finished.code, Some(143), "{finished}");
    wait_for_sleepers(&sleep, 0, 8);
}

#[test]
fn a_second_interrupt_leaves_at_once_and_names_the_unknown() {
    let Some(fleet) = Fleet::of(2) else { return };
    let sleep = unique_sleep();
    let run = fleet
        .operator()
        .dtx(&["run", "--all", &tree_of(&sleep)])
        .spawn();
    wait_for_sleepers(&sleep, 6, 20);
    fleet.agents[0].freeze();
    run.signal(Signal::SIGINT);
    wait_for("n2 is cancelled", Duration::from_secs(10), || {
        let seen = sleepers(&sleep);
        holds(seen == 3, seen)
    });
    let start = Instant::now();
    run.signal(Signal::SIGINT);
    let finished = run.finish().expect_code(130);
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    // The processes on n2 are gone, but its answer may still have been on its way.
    let said = finished.err();
    assert!(
        said.contains("lost n1: ") || said.contains("lost n[1-2] (2): "),
        "{finished}"
    );
    fleet.agents[0].thaw();
}

#[test]
fn without_its_client_a_job_ends_after_the_grace() {
    let Some(fleet) = Fleet::configured(2, "reattach_grace = \"3s\"\n") else {
        return;
    };
    let sleep = unique_sleep();
    let mut run = fleet
        .operator()
        .dtx(&["run", "--all", &tree_of(&sleep)])
        .spawn();
    wait_for_sleepers(&sleep, 6, 20);
    let start = Instant::now();
    run.kill();
    wait_for_sleepers(&sleep, 0, 12);
    let took = start.elapsed();
    assert!(
        took > Duration::from_secs(2),
        "{took:?}: the grace is to be waited for"
    );
}

#[test]
fn a_killed_executor_takes_its_jobs_along() {
    let Some(mut fleet) = Fleet::of(1) else {
        return;
    };
    let sleep = unique_sleep();
    let run = fleet
        .operator()
        .dtx(&["run", "-w", "n1", &tree_of(&sleep)])
        .spawn();
    wait_for_sleepers(&sleep, 3, 20);
    fleet.agents[0].kill();
    fleet.agents[0].start_again();
    wait_for_sleepers(&sleep, 0, 10);
    drop(run);
}

#[test]
fn a_background_child_that_holds_the_pipe_does_not_hold_the_job() {
    let Some(fleet) = Fleet::of(1) else { return };
    let sleep = unique_sleep();
    let report =
        fleet
            .operator()
            .json(&["-w", "n1", &format!("echo done; sleep {sleep} & exit 0")]);
    assert_eq!(report.expect("n1", "ok").stdout, "done\n");
    assert!(
        report.finished.wall < Duration::from_secs(3),
        "{:?}",
        report.finished.wall
    );
}

#[test]
fn a_drain_waits_and_then_ends() {
    let Some(mut fleet) = Fleet::configured(1, "stop_timeout = \"2s\"\n") else {
        return;
    };
    let sleep = unique_sleep();
    let run = fleet
        .operator()
        .json_program(&["-w", "n1", &tree_of(&sleep)])
        .spawn();
    wait_for_sleepers(&sleep, 3, 20);
    let stopped = fleet.agents.remove(0).stop();
    assert_eq!(stopped.code, Some(0), "{stopped}");
    assert!(stopped.wall > Duration::from_secs(1));
    wait_for_sleepers(&sleep, 0, 5);
    let report = dtx_tests::lab::Report::read(run.finish());
    assert_eq!(report.count("ok"), 0, "{}", report.finished);
}
