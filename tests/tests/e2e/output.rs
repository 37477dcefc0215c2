//! Bytes arrive as they were written, and too many of them harm nobody.

use std::io::Read;
use std::time::Duration;

use dtx_tests::lab::Agent;
use dtx_tests::measure;
use dtx_tests::wait::{holds, wait_for};

use crate::fleet_of::{Dice, Fleet};

#[test]
fn bytes_arrive_as_they_were_written() {
    let Some(fleet) = Fleet::of(3) else { return };
    let operator = fleet.operator();
    let blobs: Vec<Vec<u8>> = (0..3)
        .map(|seed| Dice::new(seed).bytes(1_000_003))
        .collect();
    for (host, blob) in fleet.hosts().iter().zip(&blobs) {
        host.write("/tmp/blob", blob);
    }
    drop(
        operator
            .run(&[
                "run",
                "--all",
                "--outdir",
                "/root/out",
                "--errdir",
                "/root/err",
                "cat /tmp/blob; cat /tmp/blob >&2",
            ])
            .expect_code(0),
    );
    for (host, blob) in fleet.hosts().iter().zip(&blobs) {
        for directory in ["out", "err"] {
            let path = operator.path(&format!("/root/{directory}/{}", host.name()));
            assert!(std::fs::read(&path).unwrap() == *blob, "{}", path.display());
        }
    }
    // No final newline, no UTF-8: kept, and said as Base64.
    let raw = operator.json(&["-w", "n1", "printf 'a\\377b'"]);
    let row = &raw.expect("n1", "ok").row;
    assert_eq!(row["stdout_base64"], "Yf9i", "{row}");
    let plain = operator.json(&["-w", "n1", "printf 'no newline'"]);
    assert_eq!(plain.expect("n1", "ok").stdout, "no newline");
}

#[test]
fn a_megabyte_of_lines_is_byte_exact() {
    let Some(fleet) = Fleet::of(1) else { return };
    let lines: String = (0..20_000)
        .map(|line| format!("{line} {}\n", "x".repeat(line % 90)))
        .collect();
    fleet.host(0).write("/tmp/lines", &lines);
    let bare = fleet
        .operator()
        .run(&["run", "-N", "-w", "n1", "cat /tmp/lines"])
        .expect_code(0);
    assert!(
        bare.stdout == lines.as_bytes(),
        "{} of {} bytes",
        bare.stdout.len(),
        lines.len()
    );
    let labelled = fleet
        .operator()
        .run(&["run", "-w", "n1", "cat /tmp/lines"])
        .expect_code(0);
    let expected: String = lines.lines().map(|line| format!("n1: {line}\n")).collect();
    assert!(labelled.stdout == expected.as_bytes());
}

#[test]
fn sixty_four_megabytes_are_byte_exact() {
    let Some(fleet) = Fleet::alone(2) else { return };
    let blob = Dice::new(64).bytes(64 << 20);
    for host in fleet.hosts() {
        host.write("/tmp/blob", &blob);
    }
    let run = fleet
        .operator()
        .dtx(&["run", "--all", "--outdir", "/root/out", "cat /tmp/blob"]);
    drop(run.deadline(Duration::from_secs(120)).run().expect_code(0));
    for name in ["n1", "n2"] {
        let path = fleet.operator().path(&format!("/root/out/{name}"));
        assert!(std::fs::read(path).unwrap() == blob, "{name}");
    }
    let run = fleet
        .operator()
        .dtx(&["run", "-N", "-w", "n1", "seq 1 9000000"]);
    let lines = run.deadline(Duration::from_secs(120)).run().expect_code(0);
    let expected: String = (1..=9_000_000).map(|line| format!("{line}\n")).collect();
    assert!(
        lines.stdout == expected.as_bytes(),
        "{} bytes",
        lines.stdout.len()
    );
}

fn memory(agent: &Agent) -> u64 {
    agent.processes().into_iter().map(measure::pss_kib).sum()
}

#[test]
fn a_flood_is_counted_and_memory_stays_flat() {
    let Some(fleet) = Fleet::alone(1) else { return };
    let before = memory(&fleet.agents[0]);
    let report =
        fleet
            .operator()
            .json(&["-w", "n1", "--timeout", "3s", "--max-output", "1MiB", "yes"]);
    let row = &report.expect("n1", "timeout").row;
    assert_eq!(row["truncated"], true);
    assert_eq!(row["stdout"].as_str().unwrap().len(), 1 << 20);
    let after = memory(&fleet.agents[0]);
    println!("PSS before {before} KiB, after a flood {after} KiB");
    assert!(after < before + 12 * 1024, "{before} KiB, then {after} KiB");
}

#[test]
fn a_slow_reader_stalls_only_its_own_run() {
    let Some(fleet) = Fleet::alone(2) else { return };
    let operator = fleet.operator();
    operator.json(&["--all", "true"]).expect_all(2, "ok");
    let before = memory(&fleet.agents[0]);
    let mut slow = operator
        .dtx(&["run", "--all", "echo started >> /tmp/starts; yes"])
        .spawn_with_pipes();
    let mut pipe = slow.take_stdout();
    pipe.read_exact(&mut [0; 1000]).unwrap();
    wait_for("both write", Duration::from_secs(10), || {
        holds(fleet.starts(0) + fleet.starts(1) == 2, "not yet")
    });
    for _ in 0..5 {
        pipe.read_exact(&mut [0; 1000]).unwrap();
        let other = operator.json(&["--all", "echo quick"]);
        other.expect_all(2, "ok");
        assert!(
            other.finished.wall < Duration::from_secs(3),
            "{:?}",
            other.finished.wall
        );
    }
    let after = memory(&fleet.agents[0]);
    assert!(after < before + 12 * 1024, "{before} KiB, then {after} KiB");
    let client = measure::rss_kib(slow.pid());
    assert!(client < 128 * 1024, "the client holds {client} KiB");
    // A reader that goes away ends the run everywhere.
    drop(pipe);
    let ended = slow.finish();
    assert_eq!(ended.code, Some(141), "{ended}");
    wait_for("nothing writes", Duration::from_secs(10), || {
        let jobs: usize = fleet
            .agents
            .iter()
            .map(|agent| measure::tree(agent.executor()).len())
            .sum();
        holds(jobs <= 4, format!("{jobs} processes"))
    });
}
