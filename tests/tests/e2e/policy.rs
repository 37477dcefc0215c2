//! Rules over real agents: what a rule denies leaves one line in the audit log and starts nothing,
//! and its twin, as close as can be, runs.

use serde_json::Value;

use crate::fleet_of::Fleet;

/// What a rule grants, a request that it allows, and requests that it does not.
type Row = (
    &'static str,
    &'static [&'static str],
    &'static [&'static [&'static str]],
);

/// `/srv/mark` writes its arguments, one start a line; so do the lines for a shell.
const ROWS: &[Row] = &[
    (
        r"run = { shell = ['echo [a-z]+ >> /tmp/starts'] }",
        &["echo line >> /tmp/starts"],
        &[
            &["echo LINE >> /tmp/starts"],
            &["echo line >> /tmp/starts; /srv/mark more"],
            &["echo line >> /tmp/starts\n/srv/mark more"],
            &["echo line >> /tmp/starts\r"],
            &["echo $(/srv/mark more) >> /tmp/starts"],
            &[" echo line >> /tmp/starts"],
            &["-e", "/srv/mark", "line"],
        ],
    ),
    (
        r#"run = { shell = "any" }"#,
        &["--shell", "/bin/bash", "/srv/mark any; true"],
        &[&["-e", "/srv/mark", "any"], &["--script", "/root/script"]],
    ),
    (
        r#"run = { exec = [["/srv/mark", "start", { one_of = ["web", "db"] }]] }"#,
        &["-e", "/srv/mark", "start", "db"],
        &[
            &["-e", "/srv/mark", "start", "mail"],
            &["-e", "/srv/mark", "start"],
            &["-e", "/srv/mark", "start", "web", "db"],
            &["-e", "/srv/mark", "start", "web\n"],
            &["-e", "mark", "start", "web"],
            &["-e", "/srv/../srv/mark", "start", "web"],
            &["-e", "/srv/link", "start", "web"],
            &["/srv/mark start web"],
        ],
    ),
    (
        r#"run = { exec = [["/srv/mark", { int = [1, 64] }]] }"#,
        &["-e", "/srv/mark", "64"],
        &[
            &["-e", "/srv/mark", "65"],
            &["-e", "/srv/mark", "0"],
            &["-e", "/srv/mark", "--", "-1"],
            &["-e", "/srv/mark", "1;2"],
        ],
    ),
    (
        r#"run = { exec = [["/srv/mark", { re = '[a-z.-]*' }]] }"#,
        &["-e", "/srv/mark", "a-b.c"],
        &[
            &["-e", "/srv/mark", "-rf"],
            &["-e", "/srv/mark", "a/b"],
            &["-e", "/srv/mark", "a\u{1b}b"],
        ],
    ),
    (
        r#"run = { exec = [["/srv/mark", { path_under = "/srv/drop" }]] }"#,
        &["-e", "/srv/mark", "/srv/drop/inside"],
        &[
            &["-e", "/srv/mark", "/srv/drop/../outside"],
            &["-e", "/srv/mark", "/srv/dropped"],
            &["-e", "/srv/mark", "/srv/drop/out/passwd"],
            &["-e", "/srv/mark", "inside"],
            &["-e", "/srv/mark", "/srv/drop/open/file"],
        ],
    ),
    (
        r#"run = { script = ["sha256:SCRIPT"] }"#,
        &["--script", "/root/script"],
        &[
            &["--script", "/root/other"],
            &["--script", "/root/script", "argument"],
            &["/srv/mark script"],
        ],
    ),
    (
        r#"run = { shell = "any", stdin = true }"#,
        &["--stdin", "/srv/mark stdin"],
        &[&["--cwd", "/tmp", "/srv/mark cwd"]],
    ),
    (
        r#"run = { shell = "any", cwd = ["/srv"] }"#,
        &["--cwd", "/srv", "/srv/mark cwd"],
        &[
            &["--cwd", "/srv/", "/srv/mark cwd"],
            &["--cwd", "/srv/drop", "/srv/mark cwd"],
            &["--stdin", "/srv/mark stdin"],
        ],
    ),
    (
        "run = { shell = \"any\" }\nenv = [\"NCCL_DEBUG\"]",
        &["--env", "NCCL_DEBUG=INFO", "/srv/mark env"],
        &[
            &["--env", "NCCL_DEBUG_FILE=x", "/srv/mark env"],
            &["--env", "LD_PRELOAD=/tmp/x.so", "/srv/mark env"],
            &["--env", "BASH_ENV=/tmp/x", "/srv/mark env"],
        ],
    ),
    (
        "run = { shell = \"any\" }\nlimits = { timeout = \"10s\", output = \"1MiB\" }",
        &["-u", "10s", "--max-output", "1MiB", "/srv/mark limits"],
        &[
            &["-u", "11s", "--max-output", "1MiB", "/srv/mark limits"],
            &["-u", "10s", "--max-output", "2MiB", "/srv/mark limits"],
        ],
    ),
    (
        "run = { shell = \"any\" }\non = { names = [\"n[1-9]\"] }",
        &["/srv/mark here"],
        &[&["-l", "nobody", "/srv/mark user"]],
    ),
];

/// Rules that look right and are not for this node or operator; each has a twin above.
const NOT_MINE: &[&str] = &[
    "run = { shell = \"any\" }\non = { names = [\"n[2-9]\"] }",
    "run = { shell = \"any\" }\non = { labels = { rack = \"r1\" } }",
    "run = { exec = \"any\", script = \"any\" }",
];

fn policy(grant: &str) -> String {
    format!(
        "version = 1\n[[rule]]\nid = \"row\"\nwho = [\"file:operator@lab\"]\nas = [\"root\"]\n{grant}\n"
    )
}

/// The lines that the audit log has from here on.
fn audit(fleet: &Fleet, from: usize) -> Vec<Value> {
    let text = fleet.host(0).read("/var/lib/dtx/executor/audit.jsonl");
    let lines = text.lines().skip(from);
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// What the log tells of one request, by the names of its events.
#[track_caller]
fn try_one(fleet: &Fleet, words: &[&str], outcome: &str) -> Vec<String> {
    let from = audit(fleet, 0).len();
    let program = fleet
        .operator()
        .json_program(&[&["-w", "n1"], words].concat());
    let report = dtx_tests::lab::Report::read(program.stdin("input\n").run());
    assert_eq!(report.count(outcome), 1, "{words:?}: {}", report.finished);
    let lines = audit(fleet, from);
    let events = lines
        .iter()
        .map(|line| line["event"].as_str().unwrap().to_owned());
    events.collect()
}

#[track_caller]
fn denied(fleet: &Fleet, words: &[&str]) {
    let before = fleet.starts(0);
    assert_eq!(try_one(fleet, words, "denied"), ["denied"], "{words:?}");
    assert_eq!(fleet.starts(0), before, "{words:?}");
}

#[track_caller]
fn allowed(fleet: &Fleet, words: &[&str]) {
    let before = fleet.starts(0);
    assert_eq!(
        try_one(fleet, words, "ok"),
        ["allowed", "ended"],
        "{words:?}"
    );
    assert_eq!(fleet.starts(0), before + 1, "{words:?}");
}

#[test]
fn what_a_rule_denies_starts_nothing_and_its_twin_runs() {
    let Some(fleet) = Fleet::of(1) else { return };
    let host = fleet.host(0);
    host.write("/srv/mark", "#!/bin/sh\necho \"$*\" >> /tmp/starts\n");
    host.sh("chmod 755 /srv /srv/mark && ln -s mark /srv/link && mkdir -m 755 /srv/drop");
    host.sh("ln -s /etc /srv/drop/out && mkdir -m 777 /srv/drop/open && touch /srv/drop/inside");
    let operator = fleet.operator();
    operator.write("/root/script", "#!/bin/sh\n/srv/mark script\n");
    operator.write("/root/other", "#!/bin/sh\n/srv/mark other\n");
    let sum = operator.sh("sha256sum /root/script");
    let sum = sum.split_whitespace().next().unwrap();
    for (grant, good, bad) in ROWS {
        host.write(
            "/etc/dtx/policy.toml",
            policy(&grant.replace("SCRIPT", sum)),
        );
        allowed(&fleet, good);
        for words in *bad {
            denied(&fleet, words);
        }
    }
    for grant in NOT_MINE {
        host.write("/etc/dtx/policy.toml", policy(grant));
        denied(&fleet, &["/srv/mark here"]);
    }
}

#[test]
fn a_revoked_key_is_denied_whatever_the_rules_say() {
    let Some(fleet) = Fleet::of(1) else { return };
    let operator = fleet.operator();
    let words = ["echo revoked >> /tmp/starts"];
    let print = operator.must(&["ssh-keygen", "-lf", "/root/.ssh/id_ed25519.pub"]);
    let print = print.split_whitespace().nth(1).unwrap();
    let any = policy("run = { shell = \"any\" }");
    fleet.host(0).write("/etc/dtx/policy.toml", &any);
    allowed(&fleet, &words);
    for revoke in [
        format!("key = \"{print}\""),
        "principal = \"file:operator@lab\"".to_owned(),
    ] {
        let revoked = format!("{any}[[revoke]]\n{revoke}\n");
        fleet.host(0).write("/etc/dtx/policy.toml", revoked);
        let before = fleet.starts(0);
        let report = operator.json(&["-w", "n1", words[0]]);
        assert_eq!(report.count("denied"), 1, "{revoke}: {}", report.finished);
        assert_eq!(fleet.starts(0), before, "{revoke}");
    }
    fleet.host(0).write("/etc/dtx/policy.toml", &any);
    allowed(&fleet, &words);
}
