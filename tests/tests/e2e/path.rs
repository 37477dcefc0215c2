//! One command on a few hosts: by name and address, as line, arguments and script, as whom and
//! where, and with the right exit status.

use crate::fleet_of::Fleet;

#[test]
fn a_node_is_reached_by_name_and_by_address() {
    let Some(fleet) = Fleet::of(3) else { return };
    fleet.meet();
    let operator = fleet.operator();
    let by_name = operator.json(&["-w", "n1,n3", "uname -n"]);
    by_name.expect_all(2, "ok");
    assert_eq!(by_name.node("n3").stdout, "n3\n");
    assert_eq!(by_name.finished.code, Some(0));
    for address in [fleet.host(1).address(), fleet.host(1).address_v6()] {
        let by_address = operator.json(&["-w", address, "uname -n"]);
        by_address.expect_all(1, "ok");
        let only = by_address.nodes.values().next().unwrap();
        assert_eq!(only.stdout, "n2\n", "{address}");
    }
}

#[test]
fn a_line_arguments_and_a_script() {
    let Some(fleet) = Fleet::of(1) else { return };
    let operator = fleet.operator();
    let stdout = |words: &[&str]| {
        let report = operator.json(words);
        report.expect("n1", "ok").stdout.clone()
    };
    assert_eq!(
        stdout(&["-w", "n1", "echo $((1 + 2)); echo two  words"]),
        "3\ntwo words\n"
    );
    assert_eq!(
        stdout(&["-w", "n1", "echo", "joined", "by one"]),
        "joined by one\n"
    );
    assert_eq!(
        stdout(&["-w", "n1", "-e", "printf", "%s|", "a  b", "$HOME", ""]),
        "a  b|$HOME||"
    );
    assert_eq!(stdout(&["-w", "n1", "--", "echo", "-n", "x"]), "x");
    operator.write(
        "/root/script",
        "#!/bin/sh\necho \"script on $(uname -n)\"\n",
    );
    assert_eq!(
        stdout(&["-w", "n1", "--script", "/root/script"]),
        "script on n1\n"
    );
    assert_eq!(
        stdout(&[
            "-w",
            "n1",
            "--shell",
            "/bin/bash",
            "echo ${BASH_VERSION:+bash}"
        ]),
        "bash\n"
    );
    let both = operator.json(&["-w", "n1", "echo out; echo err >&2"]);
    assert_eq!(
        (
            both.node("n1").stdout.as_str(),
            both.node("n1").stderr.as_str()
        ),
        ("out\n", "err\n")
    );
}

#[test]
fn where_and_with_which_environment() {
    let Some(fleet) = Fleet::of(3) else { return };
    fleet.meet();
    let operator = fleet.operator();
    let stdout = |words: &[&str]| {
        let report = operator.json(words);
        report.expect("n1", "ok").stdout.clone()
    };
    assert_eq!(
        stdout(&["-w", "n1", "--cwd", "/var/lib", "pwd"]),
        "/var/lib\n"
    );
    assert_eq!(
        stdout(&["-w", "n1", "pwd; echo $HOME; umask"]),
        "/root\n/root\n0022\n"
    );
    assert_eq!(
        stdout(&[
            "-w",
            "n1",
            "--env",
            "A=b c",
            "--env",
            "D=",
            "echo \"$A|$D|\""
        ]),
        "b c||\n"
    );
    // Nothing of the agent's environment, nothing of the operator's.
    let names = stdout(&["-w", "n1", "-e", "env"]);
    for line in names.lines() {
        let name = line.split('=').next().unwrap();
        let expected = name.starts_with("DTX_")
            || [
                "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "PWD", "SHLVL", "_",
            ]
            .contains(&name);
        assert!(expected, "{line}");
    }
    // Ranks follow the order written.
    let ranks = operator.json(&["-w", "n3,n1,n2", "echo $DTX_NODE $DTX_RANK $DTX_COUNT"]);
    ranks.expect_all(3, "ok");
    assert_eq!(ranks.node("n3").stdout, "n3 0 3\n");
    assert_eq!(ranks.node("n1").stdout, "n1 1 3\n");
    assert_eq!(ranks.node("n2").stdout, "n2 2 3\n");
    assert_eq!(
        stdout(&["-w", "n1", "--subst", "echo %h %n %%"]),
        "n1 0 %\n"
    );
    assert_eq!(stdout(&["-w", "n1", "echo %h"]), "%h\n");
}

#[test]
fn as_another_user() {
    let Some(fleet) = Fleet::of(1) else { return };
    if !fleet.has_users() {
        return;
    }
    let operator = fleet.operator();
    let worker = operator.json(&[
        "-w",
        "n1",
        "-l",
        "worker",
        "id -un; id -Gn; pwd; echo $USER; ulimit -c",
    ]);
    let lines = worker.expect("n1", "ok").stdout.clone();
    assert!(
        lines.starts_with("worker\nworker\n/home/worker\nworker\n"),
        "{lines}"
    );
    // `nobody` has a login shell that refuses; arguments need no shell.
    let nobody = operator.json(&["-w", "n1", "-l", "nobody", "-e", "id", "-un"]);
    assert_eq!(nobody.expect("n1", "ok").stdout, "nobody\n");
    let root = operator.json(&["-w", "n1", "-l", "worker", "cat /etc/shadow"]);
    root.expect("n1", "failed");
}

#[test]
fn exit_status_tells_the_truth() {
    let Some(mut fleet) = Fleet::of(2) else {
        return;
    };
    let code = |fleet: &Fleet, words: &[&str]| fleet.operator().run(words).code;
    let run = |words: &[&'static str]| [&["run"][..], words].concat();
    assert_eq!(code(&fleet, &run(&["-w", "n1,n2", "true"])), Some(0));
    assert_eq!(
        code(&fleet, &run(&["-w", "n1,n2", "test $DTX_NODE = n1"])),
        Some(1)
    );
    assert_eq!(
        code(
            &fleet,
            &run(&["-S", "-w", "n1,n2", "exit $((DTX_RANK * 7))"])
        ),
        Some(7)
    );
    assert_eq!(code(&fleet, &run(&["true"])), Some(2), "no target");
    assert_eq!(
        code(&fleet, &run(&["-w", "nosuchnode", "true"])),
        Some(2),
        "unknown name"
    );
    assert_eq!(
        code(&fleet, &run(&["-w", "n[", "true"])),
        Some(2),
        "bad selector"
    );
    assert_eq!(
        code(&fleet, &run(&["-w", "@nosuchgroup", "true"])),
        Some(2),
        "unknown group"
    );
    assert_eq!(code(&fleet, &run(&["--nosuchoption"])), Some(2));
    fleet.agents[1].kill();
    assert_eq!(
        code(&fleet, &run(&["-w", "n1,n2", "test $DTX_NODE = n2"])),
        Some(3)
    );
    drop(fleet.operator().new_key("/root/stranger"));
    assert_eq!(
        code(
            &fleet,
            &run(&["-i", "/root/stranger", "-w", "n1,n2", "true"])
        ),
        Some(4)
    );
}

#[test]
fn documents_have_what_the_contract_says() {
    let Some(fleet) = Fleet::of(1) else { return };
    let report = fleet.operator().json(&["-w", "n1", "echo hello"]);
    let row = &report.expect("n1", "ok").row;
    assert_eq!(row["exit_code"], 0);
    assert!(row["signal"].is_null() && row["reason"].is_null(), "{row}");
    assert_eq!(row["attempts"], 1);
    assert!(row["duration_ms"].as_f64().unwrap() > 0.0, "{row}");
    assert_eq!(
        (&row["stdout"], &row["stderr"]),
        (&"hello\n".into(), &"".into())
    );
    assert_eq!(row["truncated"], false);
    assert_eq!(report.document["command"], "echo hello");
    assert!(
        report.document["run"]
            .as_str()
            .is_some_and(|run| !run.is_empty())
    );
    assert!(report.document["summary"]["wall_ms"].as_f64().unwrap() > 0.0);

    let lines = fleet
        .operator()
        .run(&["run", "-w", "n1", "echo one; echo two"])
        .expect_code(0);
    assert_eq!(lines.out(), "n1: one\nn1: two\n");
    assert!(lines.err().contains("1 node"), "{lines}");
    let events = fleet
        .operator()
        .run(&["run", "-w", "n1", "-o", "jsonl", "echo one"])
        .expect_code(0);
    for line in events.out().lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(event.is_object(), "{line}");
    }
}
