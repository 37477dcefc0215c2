//! Standard input and long commands.

use crate::fleet_of::Fleet;

#[test]
fn standard_input_reaches_every_node() {
    let Some(fleet) = Fleet::of(3) else { return };
    let input: String = (1..=100_000).map(|line| format!("{line}\n")).collect();
    let run = fleet
        .operator()
        .dtx(&["run", "--stdin", "-w", "n[1-3]", "cat > /tmp/x"]);
    drop(run.stdin(input.as_bytes()).run().expect_code(0));
    for host in fleet.hosts() {
        assert!(host.read("/tmp/x") == input, "{}", host.name());
    }
    // More than fits into a signed digest: streamed.
    let large = crate::fleet_of::Dice::new(5).bytes(20 << 20);
    let run = fleet
        .operator()
        .dtx(&["run", "--stdin", "-w", "n[1-2]", "cat > /tmp/large"]);
    drop(run.stdin(large.clone()).run().expect_code(0));
    for host in &fleet.hosts()[..2] {
        assert!(
            std::fs::read(host.path("/tmp/large")).unwrap() == large,
            "{}",
            host.name()
        );
    }
}

#[test]
fn a_command_need_not_read_its_input() {
    let Some(fleet) = Fleet::of(2) else { return };
    let input = vec![b'x'; 1 << 20];
    let run = fleet
        .operator()
        .dtx(&["run", "--stdin", "--all", "head -c 3; echo"]);
    let finished = run.stdin(input).run().expect_code(0);
    let mut lines: Vec<String> = finished.out().lines().map(ToOwned::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["n1: xxx", "n2: xxx"]);
    let without = fleet
        .operator()
        .run(&["run", "-w", "n1", "cat; echo end"])
        .expect_code(0);
    assert_eq!(without.out(), "n1: end\n", "without --stdin there is none");
}

#[test]
fn long_commands_run_and_too_long_ones_are_refused_with_a_hint() {
    let Some(fleet) = Fleet::of(1) else { return };
    let padding = "x".repeat(100_000);
    let long = format!("echo {padding} | wc -c");
    let report = fleet.operator().json(&["-w", "n1", &long]);
    assert_eq!(report.expect("n1", "ok").stdout.trim(), "100001");
    // One argument of ours may not be longer either, so it comes in two.
    let half = "y".repeat(100_000);
    let refused = fleet
        .operator()
        .run(&["run", "-w", "n1", "echo", &half, &half])
        .expect_code(2);
    assert!(refused.err().contains("--script"), "{refused}");
    let script = format!("#!/bin/sh\necho {half}{half} | wc -c\n");
    fleet.operator().write("/root/long", script);
    let report = fleet
        .operator()
        .json(&["-w", "n1", "--script", "/root/long"]);
    assert_eq!(report.expect("n1", "ok").stdout.trim(), "200001");
}
