//! Who may do what, over real sessions: each refusal runs nothing and says what to do.

use std::os::unix::fs::PermissionsExt;

use dtx_tests::lab::{Finished, Report};

use crate::fleet_of::{Fleet, START};

/// Runs a job that would leave a trace, on a node that must not run it.
#[track_caller]
fn must_not_run(fleet: &Fleet, words: &[&str], says: &[&str]) -> Finished {
    let before = fleet.starts(0);
    let finished = fleet.operator().run(&[&["run"], words, &[START]].concat());
    assert_eq!(fleet.starts(0), before, "{finished}");
    assert!(matches!(finished.code, Some(2..=4)), "{finished}");
    let text = finished.err() + &finished.out();
    for word in says {
        assert!(text.contains(word), "`{word}` is not said: {finished}");
    }
    finished
}

#[track_caller]
fn runs(fleet: &Fleet) {
    let before = fleet.starts(0);
    fleet
        .operator()
        .json(&["-w", "n1", START])
        .expect_all(1, "ok");
    assert_eq!(fleet.starts(0), before + 1);
}

#[test]
fn a_stranger_is_denied() {
    let Some(fleet) = Fleet::of(1) else { return };
    runs(&fleet);
    let line = fleet.operator().new_key("/root/stranger");
    let denied = must_not_run(
        &fleet,
        &["-i", "/root/stranger", "-w", "n1"],
        &["operators"],
    );
    assert_eq!(denied.code, Some(4), "{denied}");
    // The same key, once it is in the file, and no longer once it is not.
    let host = fleet.host(0);
    let operators = host.read("/etc/dtx/operators");
    host.write("/etc/dtx/operators", format!("{operators}{line}\n"));
    fleet
        .operator()
        .json(&["-i", "/root/stranger", "-w", "n1", "true"])
        .expect_all(1, "ok");
    host.write("/etc/dtx/operators", operators);
    must_not_run(
        &fleet,
        &["-i", "/root/stranger", "-w", "n1"],
        &["operators"],
    );
}

#[test]
fn an_unclaimed_agent_says_how_to_claim_it() {
    let Some(fleet) = Fleet::of(1) else { return };
    std::fs::remove_file(fleet.host(0).path("/etc/dtx/operators")).unwrap();
    let denied = must_not_run(&fleet, &["-w", "n1"], &["/etc/dtx/operators"]);
    assert_eq!(denied.code, Some(4), "{denied}");
    fleet.host(0).write("/etc/dtx/operators", "");
    must_not_run(&fleet, &["-w", "n1"], &["/etc/dtx/operators"]);
    fleet
        .host(0)
        .write("/etc/dtx/operators", fleet.operator().operators_line());
    runs(&fleet);
}

#[test]
fn another_cluster_is_not_ours() {
    let Some(fleet) = Fleet::of(1) else { return };
    runs(&fleet);
    let address = fleet.host(0).address().to_owned();
    must_not_run(
        &fleet,
        &["--cluster", "other", "-w", &address],
        &["cluster"],
    );
    must_not_run(&fleet, &["--cluster", "other", "--all"], &[]);
}

#[test]
fn a_changed_node_key_is_refused_loudly() {
    let Some(mut fleet) = Fleet::of(1) else {
        return;
    };
    runs(&fleet);
    let state = fleet.host(0).path("/var/lib/dtx");
    fleet.agents[0].kill();
    std::fs::remove_dir_all(state).unwrap();
    fleet.agents[0].start_again();
    let address = fleet.host(0).address().to_owned();
    for target in ["n1", &address] {
        let refused = must_not_run(
            &fleet,
            &["-w", target],
            &["SHA256:", "known_nodes", "dtx keys forget n1"],
        );
        assert_eq!(refused.code, Some(3), "{refused}");
        assert!(
            refused.err().matches("SHA256:").count() >= 2,
            "both fingerprints: {refused}"
        );
    }
    must_not_run(&fleet, &["--accept-new", "-w", "n1"], &["SHA256:"]);
    drop(
        fleet
            .operator()
            .run(&["keys", "forget", "n1"])
            .expect_code(0),
    );
    fleet
        .operator()
        .json(&["--accept-new", "-w", "n1", "true"])
        .expect_all(1, "ok");
}

#[test]
fn a_bad_operators_file_grants_nothing() {
    let Some(fleet) = Fleet::of(1) else { return };
    runs(&fleet);
    let host = fleet.host(0);
    let key = fleet.operator().public_line();
    for line in [
        format!("restrict {key}"),
        format!("command=\"/bin/true\" {key}"),
        format!("no-pty,command=\"/bin/true\" {key}"),
        format!("from=\"10.0.0.0/8\" {key}"),
        format!("{}nonsense\n", fleet.operator().operators_line()),
        "operator@lab ssh-ed25519 AAAA".to_owned(),
    ] {
        host.write("/etc/dtx/operators", &line);
        must_not_run(&fleet, &["-w", "n1"], &["/etc/dtx/operators"]);
    }
    host.write("/etc/dtx/operators", fleet.operator().operators_line());
    runs(&fleet);
    // Files and directories that others could have written. Without a policy file an agent would
    // ask, once repaired, whether there never was one.
    host.write("/etc/dtx/policy.toml", POLICY);
    runs(&fleet);
    for (path, mode, good) in [
        ("/etc/dtx/operators", 0o666, 0o644),
        ("/etc/dtx/operators", 0o664, 0o644),
        ("/etc/dtx", 0o777, 0o755),
        ("/etc", 0o775, 0o755),
    ] {
        let set = |mode| {
            std::fs::set_permissions(host.path(path), PermissionsExt::from_mode(mode)).unwrap();
        };
        set(mode);
        must_not_run(&fleet, &["-w", "n1"], &[path]);
        set(good);
        runs(&fleet);
    }
}

#[test]
fn an_operators_file_of_others_grants_nothing() {
    let Some(fleet) = Fleet::of(1) else { return };
    if !fleet.has_users() {
        return;
    }
    let path = fleet.host(0).path("/etc/dtx/operators");
    std::os::unix::fs::chown(&path, Some(7001), None).unwrap();
    must_not_run(&fleet, &["-w", "n1"], &["/etc/dtx/operators"]);
    std::os::unix::fs::chown(&path, Some(0), None).unwrap();
    runs(&fleet);
}

const POLICY: &str = r#"
version = 1
[[rule]]
id = "hello"
who = ["file:operator@lab"]
run = { shell = ['echo [a-z]+ >> /tmp/starts'], exec = [["/usr/bin/touch", { path_under = "/srv/drop" }]] }
as = ["root"]
"#;

#[test]
fn a_policy_allows_what_it_says_and_nothing_else() {
    let Some(fleet) = Fleet::of(1) else { return };
    let host = fleet.host(0);
    host.write("/etc/dtx/policy.toml", POLICY);
    host.sh("mkdir -p -m 755 /srv/drop");
    runs(&fleet);
    fleet
        .operator()
        .json(&["-w", "n1", "-e", "/usr/bin/touch", "/srv/drop/allowed"])
        .expect_all(1, "ok");
    assert!(host.path("/srv/drop/allowed").exists());
    let denied = |words: &[&str]| {
        let before = fleet.starts(0);
        let report: Report = fleet.operator().json(&[&["-w", "n1"], words].concat());
        assert_eq!(report.count("denied"), 1, "{words:?}: {}", report.finished);
        assert_eq!(report.finished.code, Some(4));
        assert_eq!(fleet.starts(0), before, "{words:?}");
        let (_, node) = report.nodes.first_key_value().unwrap();
        assert!(!node.reason.is_empty(), "{words:?}");
    };
    denied(&["echo STARTED >> /tmp/starts"]);
    denied(&["echo started >> /tmp/starts; id"]);
    denied(&["echo started >> /tmp/starts\nid >> /tmp/starts"]);
    denied(&["echo $(id) >> /tmp/starts"]);
    denied(&["--env", "A=b", START]);
    denied(&["--env", "LD_PRELOAD=/tmp/x.so", START]);
    denied(&["--cwd", "/tmp", START]);
    denied(&["--shell", "/bin/bash", START]);
    denied(&["-l", "worker", START]);
    denied(&["-e", "/usr/bin/touch", "/srv/drop/../../etc/evil"]);
    denied(&["-e", "/usr/bin/touch", "/etc/evil"]);
    denied(&["-e", "/usr/bin/touch", "-r"]);
    denied(&["-e", "touch", "/tmp/x"]);
    host.sh("ln -s /etc /srv/drop/link");
    denied(&["-e", "/usr/bin/touch", "/srv/drop/link/evil"]);
    assert!(!host.path("/etc/evil").exists());

    let audit = host.read("/var/lib/dtx/executor/audit.jsonl");
    let refusals = audit
        .lines()
        .filter(|line| line.contains("denied") || line.contains("deny"))
        .count();
    assert!(refusals >= 14, "{refusals} of them audited: {audit}");
    for line in audit.lines() {
        assert!(
            serde_json::from_str::<serde_json::Value>(line).is_ok(),
            "{line}"
        );
    }

    // Broken, it allows nothing; repaired, it counts at once.
    host.write("/etc/dtx/policy.toml", format!("{POLICY}unknown_key = 1\n"));
    must_not_run(&fleet, &["-w", "n1"], &["policy.toml"]);
    host.write("/etc/dtx/policy.toml", POLICY);
    runs(&fleet);
}

#[test]
fn strangers_to_the_protocol_get_nothing() {
    let Some(fleet) = Fleet::of(1) else { return };
    let mut dice = crate::fleet_of::Dice::new(9);
    let operator = fleet.operator();
    let target = format!("{}:15943", fleet.host(0).address());
    for round in 0..20 {
        let length = usize::try_from(dice.below(4000)).unwrap();
        let garbage = dice.bytes(length);
        let call = operator.program(&["/dtx/bin/dtx-lab", "call", &target]);
        let answer = call.stdin(garbage).run();
        assert!(answer.stdout.len() < 200, "round {round}: {answer}");
    }
    runs(&fleet);
}
