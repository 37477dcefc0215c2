//! What `dtx` says and how it ends, where no node is needed.

use crate::home::Home;

#[test]
fn usage_errors_send_nothing() {
    let home = Home::new();
    for (arguments, message) in [
        (&["run", "uptime"][..], "error: no node is named"),
        (
            &["run", "-w", "n[1-2", "uptime"],
            "error: `[` is never closed\n  n[1-2\n   ^",
        ),
        (&["run", "-w", "n1"], "error: no command is given"),
        (
            &["run", "-w", "n1", "-x", "n1", "uptime"],
            "error: the selection is empty",
        ),
        (&["run", "-w", "@gpu", "uptime"], "error: "),
        (
            &["run", "-w", "n1", "--bogus", "x"],
            "error: unexpected argument '--bogus'",
        ),
        (
            &["run", "-w", "n1", "-bo", "json", "x"],
            "error: -b, -B and --diff",
        ),
        (
            &["run", "-w", "n1", "--script", "nowhere"],
            "error: nowhere cannot be read",
        ),
        (
            &["run", "-w", "-", "--stdin", "cat"],
            "error: standard input cannot",
        ),
        (&["run", "-w", "n1", "uptime"], "error: no operator key"),
        (
            &["--config", "nowhere", "nodes"],
            "error: nowhere cannot be read",
        ),
        (&["keys", "forget", "n1"], "error: no key is pinned for n1"),
        (&["nodes", "forget", "n1"], "error: nothing is known of n1"),
        (
            &["demo", "--agent", "nowhere"],
            "error: the agent's program is not at nowhere",
        ),
    ] {
        let said = home.dtx(arguments);
        assert_eq!(said.code, Some(2), "{arguments:?}: {said:?}");
        assert!(said.err.starts_with(message), "{arguments:?}: {said:?}");
        assert_eq!(said.out, "", "{arguments:?}");
    }
}

#[test]
fn a_wrong_configuration_says_where() {
    let home = Home::new();
    home.write("config.toml", "user = \"ops\"\nclustr = \"lab\"\n");
    let said = home.dtx(&["nodes"]);
    assert_eq!(said.code, Some(2));
    assert!(
        said.err
            .ends_with("config.toml:2: there is no key `clustr`\nhint: did you mean `cluster`?\n"),
        "{said:?}"
    );
}

#[test]
fn a_list_keeps_its_order() {
    let home = Home::new();
    let said = home.dtx_reading(
        &["run", "-w", "n3,n[1-2]", "-w", "-", "-x", "n2", "--list"],
        "b1 n1\n",
    );
    assert_eq!((said.code, said.out.as_str()), (Some(0), "n3\nn1\nb1\n"));
    assert_eq!(said.err, "3 nodes\n");
}

#[test]
fn policies_are_checked_and_explained() {
    let home = Home::new();
    let policy = r#"version = 1
[[rule]]
id = "hello"
who = ["file:alice"]
run = { shell = ['echo [a-z]+'] }
as = ["nobody"]
"#;
    home.write("p.toml", policy);
    let said = home.dtx(&["policy", "check", "p.toml"]);
    assert_eq!(
        (said.code, said.out.as_str()),
        (Some(0), "p.toml: ok, 1 rule: hello\n")
    );
    let explain = |who, command: &str| {
        home.dtx(&[
            "policy", "explain", "--policy", "p.toml", "--node", "n1", "--who", who, "-l",
            "nobody", command,
        ])
    };
    let said = explain("file:alice", "echo hi");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.starts_with("allowed by rule `hello`"), "{said:?}");
    let said = explain("file:alice", "echo hi; id");
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(said.out.starts_with("denied by p.toml"), "{said:?}");
    assert!(said.out.contains("  hello: run.shell: "), "{said:?}");
    let said = explain("file:bob", "echo hi");
    assert!(said.out.contains("  hello: who: "), "{said:?}");
    home.write("p.toml", &policy.replace("who", "whom"));
    let said = home.dtx(&["policy", "check", "p.toml"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.starts_with("error: p.toml:4:1: "), "{said:?}");
    assert!(said.err.contains("4 | whom = "), "{said:?}");
}

#[test]
fn a_key_is_made_once() {
    let home = Home::new();
    let said = home.dtx(&["keys", "new", "k", "-C", "ops"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.starts_with("new key SHA256:"), "{said:?}");
    let said = home.dtx(&["keys", "new", "k"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    let said = home.dtx(&["-i", "k", "keys", "show"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("from k\n"), "{said:?}");
}

#[test]
fn help_and_version() {
    let home = Home::new();
    for arguments in [&["--help"][..], &["run", "--help"], &["enroll", "-h"]] {
        let said = home.dtx(arguments);
        assert_eq!(said.code, Some(0));
        assert!(said.out.contains("Usage: dtx"), "{said:?}");
        assert!(!said.out.contains("demo-keeper"));
    }
    assert!(home.dtx(&["--version"]).out.starts_with("dtx "));
}
