//! Sessions break, addresses change, processes die: a job starts once, and its output is whole or
//! its outcome says that it is not.

use std::time::{Duration, Instant};

use dtx_tests::lab::{Process, Report};
use dtx_tests::skip::{left_to_slow_tier, slow_tier};
use dtx_tests::wait::{holds, wait_for};

use crate::fleet_of::{Dice, Fleet};

/// A job that starts once and writes numbers.
fn counting(last: u32) -> String {
    format!("echo started >> /tmp/starts; seq 1 {last}")
}

fn numbers(last: u32) -> Vec<u8> {
    (1..=last)
        .map(|number| format!("{number}\n"))
        .collect::<String>()
        .into_bytes()
}

struct Running<'a> {
    fleet: &'a Fleet,
    process: Process,
}

impl<'a> Running<'a> {
    /// A run on `n1` whose output goes to a file and whose document is read at the end.
    fn start(fleet: &'a Fleet, line: &str) -> Self {
        let process = fleet
            .operator()
            .json_program(&[
                "-w",
                "n1",
                "--outdir",
                "/root/out",
                "--max-output",
                "1KiB",
                line,
            ])
            .deadline(Duration::from_secs(240))
            .spawn();
        let running = Self { fleet, process };
        wait_for("the job starts", Duration::from_secs(20), || {
            holds(fleet.starts(0) == 1, "not started")
        });
        running
    }

    fn written(&self) -> u64 {
        std::fs::metadata(self.fleet.operator().path("/root/out/n1")).map_or(0, |file| file.len())
    }

    fn runs(&mut self) -> bool {
        self.process.is_running()
    }

    fn finish(self) -> (Report, Vec<u8>) {
        let report = Report::read(self.process.finish());
        let path = self.fleet.operator().path("/root/out/n1");
        (report, std::fs::read(path).unwrap_or_default())
    }
}

#[test]
fn broken_connections_are_taken_up_again() {
    let (last, breaks) = if slow_tier() {
        (13_000_000, 20)
    } else {
        (4_000_000, 6)
    };
    let Some(fleet) = Fleet::of(1) else { return };
    // Slow enough that the breaks fall into it.
    fleet.host(0).slow_down("80mbit");
    let mut run = Running::start(&fleet, &counting(last));
    let mut dice = Dice::new(1);
    let total = numbers(last).len() as u64;
    for round in 1..=breaks {
        let wanted = total * round / (breaks + 2) + dice.below(total / 40);
        wait_for("more output", Duration::from_secs(120), || {
            let seen = run.written();
            holds(seen >= wanted, format!("{seen} of {wanted}"))
        });
        if !run.runs() {
            let (report, output) = run.finish();
            panic!(
                "over after {} bytes, {round} breaks: {}",
                output.len(),
                report.finished
            );
        }
        fleet.host(0).break_connections(15943);
    }
    let (report, output) = run.finish();
    let row = &report.expect("n1", "ok").row;
    assert!(output == numbers(last), "{} of {total} bytes", output.len());
    assert_eq!(fleet.starts(0), 1);
    let reconnects = row["reconnects"].as_u64();
    assert!(
        reconnects >= Some(breaks / 2),
        "{reconnects:?} reconnects for {breaks} breaks"
    );
}

#[test]
fn an_address_changes_in_mid_job() {
    let Some(fleet) = Fleet::of(1) else { return };
    let line = "echo started >> /tmp/starts; for i in $(seq 1 60); do echo $i; sleep 0.1; done";
    let mut run = Running::start(&fleet, line);
    wait_for("some output", Duration::from_secs(10), || {
        holds(run.written() > 4, run.written())
    });
    fleet.host(0).change_address("10.77.99.9");
    assert!(run.runs());
    let (report, output) = run.finish();
    report.expect("n1", "ok");
    assert!(output == numbers(60));
    assert_eq!(fleet.starts(0), 1);
}

#[test]
fn a_link_comes_back() {
    if left_to_slow_tier() {
        return;
    }
    let Some(fleet) = Fleet::of(1) else { return };
    let line = "echo started >> /tmp/starts; for i in $(seq 1 50); do echo $i; sleep 1; done";
    let mut run = Running::start(&fleet, line);
    wait_for("some output", Duration::from_secs(10), || {
        holds(run.written() > 4, run.written())
    });
    fleet.link_down(fleet.host(0));
    let down = Instant::now();
    wait_for("35 s pass", Duration::from_secs(40), || {
        holds(down.elapsed() > Duration::from_secs(35), "not yet")
    });
    fleet.link_up(fleet.host(0));
    assert!(run.runs());
    let (report, output) = run.finish();
    report.expect("n1", "ok");
    assert!(output == numbers(50));
    assert_eq!(fleet.starts(0), 1);
}

#[test]
fn a_front_dies_at_random_moments() {
    let tries = if slow_tier() { 20 } else { 4 };
    let mut dice = Dice::new(2);
    for attempt in 0..tries {
        let Some(fleet) = Fleet::of(1) else { return };
        fleet.host(0).slow_down("200mbit");
        let last = 1_000_000;
        let total = numbers(last).len() as u64;
        let run = Running::start(&fleet, &counting(last));
        let wanted = dice.below(total * 9 / 10);
        wait_for("output", Duration::from_secs(30), || {
            holds(run.written() >= wanted, run.written())
        });
        fleet.agents[0].kill_front();
        let (report, output) = run.finish();
        assert_eq!(fleet.starts(0), 1, "try {attempt}");
        match report.node("n1").outcome.as_str() {
            "ok" => assert!(
                output == numbers(last),
                "try {attempt}: {} bytes",
                output.len()
            ),
            "lost" => assert!(!report.node("n1").reason.is_empty()),
            other => panic!("try {attempt}: {other}: {}", report.finished),
        }
        // The agent serves on.
        fleet
            .operator()
            .json(&["-w", "n1", "true"])
            .expect_all(1, "ok");
    }
}

#[test]
fn a_quiet_job_survives_its_front() {
    let Some(fleet) = Fleet::of(1) else { return };
    let run = Running::start(&fleet, "echo started >> /tmp/starts; sleep 3; echo whole");
    fleet.agents[0].kill_front();
    let (report, output) = run.finish();
    report.expect("n1", "ok");
    assert_eq!(output, b"whole\n");
    assert_eq!(fleet.starts(0), 1);
}

#[test]
fn an_agent_dies_and_the_job_is_lost_not_repeated() {
    for remove_journal in [false, true] {
        let Some(mut fleet) = Fleet::configured(1, "reattach_grace = \"5s\"\n") else {
            return;
        };
        let mut agent = fleet.agents.remove(0);
        let run = Running::start(&fleet, "echo started >> /tmp/starts; sleep 100");
        agent.kill();
        if remove_journal {
            fleet
                .host(0)
                .sh("rm -rf /var/lib/dtx/executor /var/lib/dtx/journal*");
        }
        agent.start_again();
        let (report, _) = run.finish();
        report.expect("n1", "lost");
        assert_eq!(report.finished.code, Some(3));
        assert_eq!(fleet.starts(0), 1, "journal removed: {remove_journal}");
    }
}

#[test]
fn a_suspended_client_keeps_its_job() {
    let Some(fleet) = Fleet::configured(1, "reattach_grace = \"2s\"\n") else {
        return;
    };
    let run = Running::start(&fleet, "echo started >> /tmp/starts; sleep 6; echo whole");
    run.process.signal(nix::sys::signal::Signal::SIGTSTP);
    let start = Instant::now();
    wait_for("4 s pass", Duration::from_secs(6), || {
        holds(start.elapsed() > Duration::from_secs(4), "not yet")
    });
    run.process.signal(nix::sys::signal::Signal::SIGCONT);
    let (report, output) = run.finish();
    report.expect("n1", "ok");
    assert_eq!(output, b"whole\n");
}
