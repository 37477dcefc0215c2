//! Every way in which a node's part can end, by its own name.

use std::time::Duration;

use dtx_tests::wait::{holds, wait_for};

use crate::fleet_of::Fleet;

#[test]
fn each_ending_has_its_outcome() {
    let Some(fleet) = Fleet::of(8) else { return };
    let line = "case $DTX_NODE in \
        n1) echo broken >&2; exit 3;; n2) kill -9 $$;; n3) sleep 60;; \
        n4) exec /no/such/program;; n5) exec /etc/passwd;; n6) kill -TERM $$;; \
        *) echo fine;; esac";
    let report = fleet
        .operator()
        .json(&["-w", "n[1-8]", "--timeout", "2s", line]);
    assert_eq!(report.expect("n1", "failed").exit_code, Some(3));
    assert_eq!(report.node("n1").stderr, "broken\n");
    assert_eq!(
        report.expect("n2", "killed").signal.as_deref(),
        Some("SIGKILL")
    );
    assert_eq!(report.node("n2").exit_code, None);
    report.expect("n3", "timeout");
    assert_eq!(report.expect("n4", "failed").exit_code, Some(127));
    assert_eq!(report.expect("n5", "failed").exit_code, Some(126));
    assert_eq!(
        report.expect("n6", "killed").signal.as_deref(),
        Some("SIGTERM")
    );
    report.expect("n7", "ok");
    report.expect("n8", "ok");
    assert_eq!(report.finished.code, Some(1));
    let wall = report.finished.wall;
    assert!(wall < Duration::from_secs(10), "{wall:?}");
}

#[test]
fn programs_that_cannot_be_started_say_so() {
    let Some(fleet) = Fleet::of(1) else { return };
    let operator = fleet.operator();
    let absent = operator.json(&["-w", "n1", "-e", "/no/such/program"]);
    assert_eq!(absent.expect("n1", "failed").exit_code, Some(127));
    let data = operator.json(&["-w", "n1", "-e", "/etc/passwd"]);
    assert_eq!(data.expect("n1", "failed").exit_code, Some(126));
    let nowhere = operator.json(&["-w", "n1", "--cwd", "/no/such/directory", "true"]);
    let nowhere = nowhere.expect("n1", "failed");
    assert_eq!(nowhere.exit_code, None);
    assert!(
        nowhere.reason.contains("/no/such/directory"),
        "{}",
        nowhere.reason
    );
}

#[test]
fn an_unknown_user_is_refused() {
    let Some(fleet) = Fleet::of(1) else { return };
    for user in ["ghost", "4294967295", "-1"] {
        let option = format!("--user={user}");
        let finished = fleet
            .operator()
            .run(&["run", "-w", "n1", &option, "id >> /tmp/starts"]);
        assert!(matches!(finished.code, Some(2..=4)), "{user}: {finished}");
        assert_eq!(fleet.starts(0), 0, "{user}");
    }
    let report = fleet.operator().json(&["-w", "n1", "-l", "ghost", "true"]);
    assert!(report.expect("n1", "refused").reason.contains("ghost"));
    assert_eq!(report.finished.code, Some(3));
}

#[test]
fn a_busy_agent_refuses() {
    let Some(fleet) = Fleet::configured(1, "slots = 1\nqueue = 0\n") else {
        return;
    };
    let operator = fleet.operator();
    let hold = operator
        .dtx(&["run", "-w", "n1", "echo started >> /tmp/starts; sleep 60"])
        .spawn();
    wait_for("a job runs", Duration::from_secs(10), || {
        holds(fleet.starts(0) == 1, "no")
    });
    let report = operator.json(&["-w", "n1", "true"]);
    assert!(
        report.expect("n1", "refused").reason.contains("busy"),
        "{}",
        report.finished
    );
    assert_eq!(report.finished.code, Some(3));
    drop(hold);
}

#[test]
fn equal_results_are_one_block_and_outliers_come_first() {
    let Some(fleet) = Fleet::of(6) else { return };
    let line = "if [ $DTX_NODE = n4 ]; then echo odd; else echo even; fi";
    let folded = fleet
        .operator()
        .run(&["run", "-b", "-w", "n[1-6]", line])
        .expect_code(0);
    let text = folded.out();
    let odd = text.find("odd").unwrap_or_else(|| panic!("{folded}"));
    let even = text.find("even").unwrap_or_else(|| panic!("{folded}"));
    assert!(odd < even, "{folded}");
    assert!(text.contains("n[1-3,5-6]"), "{folded}");
    assert_eq!(text.matches("even").count(), 1, "{folded}");
    assert!(folded.err().contains("6 nodes: 6 ok in "), "{folded}");
}

#[test]
fn a_deadline_ends_what_runs_and_skips_what_waits() {
    let Some(fleet) = Fleet::of(3) else { return };
    let report =
        fleet
            .operator()
            .json(&["-f", "1", "--deadline", "2s", "-w", "n[1-3]", "sleep 30"]);
    assert_eq!(
        (report.count("timeout"), report.count("skipped")),
        (1, 2),
        "{}",
        report.finished
    );
    assert_eq!(report.finished.code, Some(1));
    let wall = report.finished.wall;
    assert!(wall < Duration::from_secs(10), "{wall:?}");
    let stopped = fleet
        .operator()
        .json(&["-f", "1", "-k", "-w", "n[1-3]", "false"]);
    assert_eq!(
        (stopped.count("failed"), stopped.count("skipped")),
        (1, 2),
        "{}",
        stopped.finished
    );
}
