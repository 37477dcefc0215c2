//! Lines of the operators file.

use std::path::Path;

use super::fixture::{key, line};
use crate::trust::{OperatorLine, Operators};

fn parse(text: &str) -> Result<Option<OperatorLine>, String> {
    OperatorLine::parse(text).map_err(|error| error.to_string())
}

#[test]
fn good_lines() {
    let key = line(&key(1));
    for (text, names, comment) in [
        (format!("alice {key}"), vec!["alice"], ""),
        (
            format!("alice@example.org,bob+ci {key} a comment"),
            vec!["alice@example.org", "bob+ci"],
            "a comment",
        ),
        (
            format!("  alice\t{key}\ttabs are fine  "),
            vec!["alice"],
            "tabs are fine",
        ),
        (format!("{key} al@desk"), vec![], "al@desk"),
        (key.clone(), vec![], ""),
        (
            format!("alice namespaces=\"dtx-grant-v1\" {key}"),
            vec!["alice"],
            "",
        ),
        (
            format!(
                "alice NAMESPACES=\"git,dtx-*\",valid-after=\"20200101Z\",valid-before=\"203001010000Z\" {key} x"
            ),
            vec!["alice"],
            "x",
        ),
        (
            format!("alice valid-before=\"20300101\" {key}"),
            vec!["alice"],
            "",
        ),
    ] {
        let parsed = parse(&text).unwrap().unwrap();
        let got: Vec<&str> = parsed
            .names
            .iter()
            .map(dtx_policy::PrincipalName::as_str)
            .collect();
        assert_eq!((got, parsed.comment.as_str()), (names, comment), "{text}");
        assert!(parsed.covers_grants, "{text}");
    }
    for text in ["", "   ", "# alice", "\t# x"] {
        assert_eq!(parse(text), Ok(None), "{text:?}");
    }
}

#[test]
fn namespaces_that_leave_grants_out() {
    let key = line(&key(1));
    for (namespaces, covers) in [
        ("git", false),
        ("dtx-grant-v10", false),
        ("dtx-grant", false),
        ("dtx-grant-v?", true),
        ("*", true),
        ("*v1*", true),
        ("d*x*z*", false),
        ("git,file,dtx-grant-v1", true),
    ] {
        let text = format!("alice namespaces=\"{namespaces}\" {key}");
        assert_eq!(
            parse(&text).unwrap().unwrap().covers_grants,
            covers,
            "{namespaces}"
        );
    }
    let hard = format!("alice namespaces=\"{}b\" {key}", "*a".repeat(200));
    assert!(!parse(&hard).unwrap().unwrap().covers_grants);
}

#[test]
fn bad_lines() {
    let key = line(&key(1));
    let (kind, base64) = key.split_once(' ').unwrap();
    for (text, words) in [
        // Pasted from authorized_keys.
        (format!("restrict {key}"), "authorized_keys"),
        (format!("restrict,pty {key}"), "authorized_keys"),
        (format!("no-pty {key}"), "authorized_keys"),
        (format!("NO-PTY {key}"), "authorized_keys"),
        (format!("cert-authority {key}"), "authorized_keys"),
        (format!("command=\"/bin/true\" {key}"), "authorized_keys"),
        (
            format!("command=\"/bin/x y\",no-pty {key}"),
            "authorized_keys",
        ),
        (format!("from=\"10.0.0.0/8\" {key}"), "authorized_keys"),
        (format!("alice,restrict {key}"), "authorized_keys"),
        (format!("verify-required {key}"), "authorized_keys"),
        (format!("expiry-time=\"20300101\" {key}"), "authorized_keys"),
        // Principals that name nobody.
        (format!("* {key}"), "cannot be in a principal"),
        (format!("alice* {key}"), "cannot be in a principal"),
        (format!("!alice {key}"), "cannot be in a principal"),
        (format!("file:alice {key}"), "cannot be in a principal"),
        (format!("ålice {key}"), "cannot be in a principal"),
        (format!("alice, {key}"), "1 to 255"),
        (format!(",alice {key}"), "1 to 255"),
        (format!("alice,alice {key}"), "named twice"),
        (format!("{} {key}", "a".repeat(256)), "1 to 255"),
        // Options.
        (format!("alice restrict {key}"), "is not known here"),
        (format!("alice command=\"x\" {key}"), "is not known here"),
        (format!("alice cert-authority {key}"), "not supported"),
        (format!("alice namespaces {key}"), "needs a value"),
        (
            format!("alice namespaces=dtx-grant-v1 {key}"),
            "needs a value",
        ),
        (format!("alice namespaces=\"\" {key}"), "needs a list"),
        (format!("alice namespaces=\"!git,*\" {key}"), "without `!`"),
        (format!("alice namespaces=\"a {key}"), "never closed"),
        (
            format!("alice namespaces=\"a\"b {key}"),
            "is not known here",
        ),
        (
            format!("alice namespaces=\"a\",namespaces=\"b\" {key}"),
            "written twice",
        ),
        (format!("alice valid-before=\"tomorrow\" {key}"), "YYYYMMDD"),
        (
            format!("alice valid-before=\"20300230Z\" {key}"),
            "YYYYMMDD",
        ),
        (
            format!("alice valid-after=\"2030010112Z\" {key}"),
            "YYYYMMDD",
        ),
        (format!("alice ,namespaces=\"a\" {key}"), "there is no key"),
        // Keys.
        ("alice".into(), "there is no key"),
        ("alice bob".into(), "is not known here"),
        (format!("alice {kind}"), "cannot be read"),
        (kind.into(), "cannot be read"),
        (format!("alice {kind} {}", &base64[..40]), "cannot be read"),
        (format!("alice {kind} {base64}AAAA"), "cannot be read"),
        (format!("alice {kind} !!!!"), "cannot be read"),
        (
            "alice ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ==".into(),
            "ssh-keygen -t ed25519",
        ),
        ("ecdsa-sha2-nistp256 AAAA".into(), "ssh-keygen -t ed25519"),
        (
            format!("sk-ssh-ed25519@openssh.com {base64}"),
            "ssh-keygen -t ed25519",
        ),
        (format!("ssh-dss {base64}"), "ssh-keygen -t ed25519"),
        // Bytes.
        (format!("alice {key}\r"), "Windows"),
        (format!("alice\0 {key}"), "control character"),
        (format!("alice {key} \x1b[2J"), "control character"),
        (format!("\u{feff}alice {key}"), "cannot be in a principal"),
    ] {
        let error = parse(&text).expect_err(&text);
        assert!(error.contains(words), "{text}\n{error}");
    }
}

#[test]
fn a_file_is_taken_as_a_whole_and_tells_its_lines() {
    let (one, two) = (line(&key(1)), line(&key(2)));
    let path = Path::new("/etc/dtx/operators");
    let mut operators = Operators::default();
    operators
        .add(path, &format!("# ours\nalice {one}\n\nbob,carol {two} c\n"))
        .unwrap();
    assert_eq!(operators.len(), 2);
    let bob = operators.get(key(2).public().fingerprint()).unwrap();
    assert_eq!(bob.place, "/etc/dtx/operators:4");
    assert_eq!((bob.operator.names().len(), bob.comment.as_str()), (2, "c"));
    assert!(operators.get(key(3).public().fingerprint()).is_none());
    let more = format!("{}\nalice {one}\n", line(&key(3)));
    let error = operators
        .add(Path::new("/more"), &more)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("/more:2:") && error.contains("/etc/dtx/operators:2"),
        "{error}"
    );
    assert_eq!(operators.len(), 2, "none of a bad file's lines hold");
    let git = format!("alice namespaces=\"git\" {}\n", line(&key(4)));
    operators.add(path, &git).unwrap();
    assert_eq!(
        operators.len(),
        2,
        "a key for other purposes is no operator"
    );
}
