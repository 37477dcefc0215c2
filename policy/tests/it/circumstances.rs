//! Everything about a request but its command against rules: each that is denied has a twin that
//! the same rule allows.

use std::time::Duration;

use dtx_policy::Decision;

use crate::support::{Ask, check, operator, rule, with};

#[test]
fn control_stdin_detach() {
    let line = Ask::shell("true");
    check(
        "control",
        "run = { control = true }",
        &[
            (line.clone(), "run.shell", Ask::control()),
            (
                with(Ask::control(), |ask| ask.user = "root".into()),
                "as: root",
                Ask::control(),
            ),
        ],
    );
    check(
        "no control",
        "run = { shell = \"any\" }",
        &[
            (Ask::control(), "run.control", line.clone()),
            (
                with(line.clone(), |ask| ask.stdin = true),
                "run.stdin",
                line.clone(),
            ),
            (
                with(line.clone(), |ask| ask.detach = true),
                "run.detach",
                line.clone(),
            ),
            (
                with(line.clone(), |ask| ask.cwd = Some("/".into())),
                "run.cwd",
                line.clone(),
            ),
        ],
    );
}

#[test]
fn directories() {
    let line = Ask::shell("true");
    let all = "run = { shell = \"any\", stdin = true, detach = true, cwd = \"any\" }";
    let everything = with(line.clone(), |ask| {
        ask.stdin = true;
        ask.detach = true;
        ask.cwd = Some("/srv/../x".into());
    });
    check(
        "cwd any",
        all,
        &[
            (
                with(line.clone(), |ask| ask.cwd = Some("srv".into())),
                "absolute",
                everything.clone(),
            ),
            (
                with(line.clone(), |ask| ask.cwd = Some("/srv\0".into())),
                "NUL",
                everything.clone(),
            ),
            (
                with(line.clone(), |ask| ask.cwd = Some(String::new())),
                "absolute",
                everything,
            ),
        ],
    );
    let listed = "run = { shell = \"any\", cwd = [\"/srv\"] }";
    let there = with(line.clone(), |ask| ask.cwd = Some("/srv".into()));
    let rows = [
        "/srv/",
        "/srv/x",
        "/",
        "/srv/.",
        "/tmp/../srv",
        "//srv",
        "/srv\n",
    ]
    .map(|cwd| {
        (
            with(line.clone(), |ask| ask.cwd = Some(cwd.into())),
            "run.cwd",
            there.clone(),
        )
    });
    check("cwd listed", listed, &rows);
}

fn set(name: &str, value: &str) -> Ask {
    with(Ask::shell("true"), |ask| {
        ask.env.insert(name.into(), value.into());
    })
}

#[test]
fn environment() {
    let good = set("NCCL_DEBUG", "INFO; $(id)\nx");
    let listed = "run = { shell = \"any\" }\nenv = [\"NCCL_DEBUG\"]";
    let mut rows = vec![
        (set("NCCL_DEBUG2", "x"), "not listed", good.clone()),
        (set("NCCL_DEBU", "x"), "not listed", good.clone()),
        (set("nccl_debug", "x"), "not listed", good.clone()),
        (set("", "x"), "cannot be a variable", good.clone()),
        (
            set("NCCL_DEBUG=x", "x"),
            "cannot be a variable",
            good.clone(),
        ),
        (
            set("NCCL_DEBUG\0", "x"),
            "cannot be a variable",
            good.clone(),
        ),
        (set("NCCL_DEBUG", "a\0b"), "NUL", good.clone()),
        (
            set("NCCL_DEBUG", "() { :;}; id"),
            "shell function",
            good.clone(),
        ),
        (
            set("NCCL_DEBUG", "  () { :;}"),
            "shell function",
            good.clone(),
        ),
        (set("DTX_RANK", "0"), "set by the agent", good.clone()),
        (set("DTX_NODE", "x"), "set by the agent", good.clone()),
    ];
    for name in [
        "LD_PRELOAD",
        "LD_AUDIT",
        "LD_LIBRARY_PATH",
        "GLIBC_TUNABLES",
        "GCONV_PATH",
        "BASH_ENV",
        "BASH_FUNC_ls%%",
        "ENV",
        "PATH",
        "IFS",
        "PYTHONPATH",
        "PERL5OPT",
        "RUBYOPT",
        "NODE_OPTIONS",
        "GIT_SSH_COMMAND",
        "TMPDIR",
    ] {
        rows.push((set(name, "x"), "needs \"any\"", good.clone()));
    }
    check("env", listed, &rows);
}

#[test]
fn environment_under_any() {
    check(
        "env any",
        "run = { shell = \"any\" }\nenv = \"any\"",
        &[
            (
                set("A=B", "x"),
                "cannot be a variable",
                set("LD_PRELOAD", "/x.so"),
            ),
            (
                set("DTX_JOB", "x"),
                "set by the agent",
                set("DTX_NODES", "n1"),
            ),
            (set("A", "\0"), "NUL", set("A", "() { :;}")),
        ],
    );
    check(
        "env none",
        "run = { shell = \"any\" }\nenv = []",
        &[(set("A", "x"), "not listed", Ask::shell("true"))],
    );
}

#[test]
fn users() {
    let user = |name: &str| with(Ask::shell("true"), |ask| ask.user = name.into());
    let listed = "run = { shell = \"any\" }\nas = [\"bob\", \"{agent-user}\"]";
    let rows: Vec<_> = [
        ("root", "as: root"),
        ("Bob", "as: Bob"),
        ("bobby", "as: bobby"),
        ("", "cannot be a user"),
        ("0", "is a number"),
        ("-1", "is a number"),
        ("#0", "is a number"),
        ("#-1", "is a number"),
        ("4294967295", "is a number"),
        ("bob\n", "cannot be a user"),
        ("bob\0", "cannot be a user"),
        ("-f root", "cannot be a user"),
        ("{agent-user}", "cannot be a user"),
        ("*", "cannot be a user"),
        ("../bob", "cannot be a user"),
    ]
    .map(|(name, why)| (user(name), why, user("bob")))
    .into();
    check("as", listed, &rows);
    check(
        "the agent's",
        listed,
        &[(user("nobody"), "as: nobody", user("daemon"))],
    );
    check(
        "anybody",
        "run = { shell = \"any\" }\nas = [\"*\"]",
        &[
            (user("0"), "is a number", user("root")),
            (user("-1"), "is a number", user("nobody")),
        ],
    );
}

#[test]
fn operators_and_nodes() {
    let by = |names: &[&str], key: u8| {
        with(Ask::shell("true"), |ask| {
            ask.operator = operator([key; 32], names);
        })
    };
    let alice = by(&["alice"], 1);
    check(
        "who",
        "run = { shell = \"any\" }\nwho = [\"file:alice\"]",
        &[
            (by(&["bob"], 1), "no rule", alice.clone()),
            (by(&[], 1), "no rule", by(&["x", "alice"], 9)),
            (by(&["alice2"], 1), "no rule", alice.clone()),
            (by(&["Alice"], 1), "no rule", alice.clone()),
            (by(&["ali"], 1), "no rule", alice.clone()),
        ],
    );
    let key = dtx_proto_types::key::Fingerprint::from_bytes([1; 32]);
    check(
        "key",
        &format!("run = {{ shell = \"any\" }}\nwho = [\"key:{key}\"]"),
        &[(by(&["alice"], 2), "no rule", by(&[], 1))],
    );
    // A name of the file that looks like another kind stays a name of the file.
    let on = |name: &str, rack: &str| {
        with(Ask::shell("true"), |ask| {
            ask.node = name.parse().unwrap();
            ask.labels.insert("rack".into(), rack.into());
        })
    };
    let names = "run = { shell = \"any\" }\non = { names = [\"web[01-20]\", \"db1\"] }";
    check(
        "on names",
        names,
        &[
            (on("web21", "r1"), "it is not for web21", on("web20", "r1")),
            (on("web1", "r1"), "it is not for web1", on("web01", "r1")),
            (on("xweb01", "r1"), "it is not for xweb01", on("db1", "r9")),
        ],
    );
    let labels = "run = { shell = \"any\" }\non = { labels = { rack = \"r1\" } }";
    check(
        "on labels",
        labels,
        &[
            (on("web01", "r10"), "no label rack=r1", on("any", "r1")),
            (on("web01", ""), "no label rack=r1", on("web01", "r1")),
        ],
    );
}

#[test]
fn limits() {
    let line = Ask::shell("true");
    let keys = "run = { shell = \"any\" }\n\
                limits = { timeout = \"60s\", output = \"4MiB\", concurrent = 2 }";
    check(
        "limits",
        keys,
        &[
            (
                with(line.clone(), |ask| {
                    ask.timeout = Some(Duration::from_millis(60_001));
                }),
                "limits.timeout",
                with(line.clone(), |ask| {
                    ask.timeout = Some(Duration::from_secs(60));
                }),
            ),
            (
                with(line.clone(), |ask| ask.output = Some((4 << 20) + 1)),
                "limits.output",
                with(line.clone(), |ask| ask.output = Some(4 << 20)),
            ),
            (
                with(line.clone(), |ask| {
                    ask.running.insert("r".into(), 2);
                }),
                "limits.concurrent",
                with(line.clone(), |ask| {
                    ask.running.insert("r".into(), 1);
                    ask.running.insert("other".into(), 9);
                }),
            ),
        ],
    );
    let Decision::Allow(allowed) = line.decide(&rule(keys)) else {
        panic!("allowed");
    };
    assert_eq!(allowed.limits.timeout, Some(Duration::from_secs(60)));
    assert_eq!(allowed.limits.output, Some(4 << 20));
}

#[test]
fn grants_and_processes() {
    let line = Ask::shell("true");
    check(
        "grants",
        "run = { shell = \"any\" }\nmax_grant = \"30m\"",
        &[(
            with(line.clone(), |ask| {
                ask.grant_life = Duration::from_secs(1801);
            }),
            "max_grant",
            with(line.clone(), |ask| {
                ask.grant_life = Duration::from_secs(1800);
            }),
        )],
    );
    check(
        "the node's own",
        "run = { shell = \"any\" }",
        &[(
            with(line.clone(), |ask| {
                ask.grant_life = Duration::from_secs(901);
            }),
            "max_grant",
            with(line.clone(), |ask| {
                ask.grant_life = Duration::from_secs(900);
            }),
        )],
    );
    check(
        "procs",
        "run = { shell = \"any\" }\nas = [\"*\"]\nlimits = { procs = 10 }",
        &[(
            with(line.clone(), |ask| ask.user = "root".into()),
            "limits.procs",
            line.clone(),
        )],
    );
}
