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

/// Lines, and words of what is wrong with them. Words in capitals stand for what a key has.
const BAD: &[(&str, &str)] = &[
    // Pasted from authorized_keys.
    ("restrict KEY", "authorized_keys"),
    ("restrict,pty KEY", "authorized_keys"),
    ("no-pty KEY", "authorized_keys"),
    ("NO-PTY KEY", "authorized_keys"),
    ("cert-authority KEY", "authorized_keys"),
    ("command=\"/bin/true\" KEY", "authorized_keys"),
    ("command=\"/bin/x y\",no-pty KEY", "authorized_keys"),
    ("from=\"10.0.0.0/8\" KEY", "authorized_keys"),
    ("alice,restrict KEY", "authorized_keys"),
    ("verify-required KEY", "authorized_keys"),
    ("expiry-time=\"20300101\" KEY", "authorized_keys"),
    // Principals that name nobody.
    ("* KEY", "cannot be in a principal"),
    ("alice* KEY", "cannot be in a principal"),
    ("!alice KEY", "cannot be in a principal"),
    ("file:alice KEY", "cannot be in a principal"),
    ("ålice KEY", "cannot be in a principal"),
    ("alice, KEY", "1 to 255"),
    (",alice KEY", "1 to 255"),
    ("alice,alice KEY", "named twice"),
    ("LONG KEY", "1 to 255"),
    // Options.
    ("alice restrict KEY", "is not known here"),
    ("alice command=\"x\" KEY", "is not known here"),
    ("alice cert-authority KEY", "not supported"),
    ("alice namespaces KEY", "needs a value"),
    ("alice namespaces=dtx-grant-v1 KEY", "needs a value"),
    ("alice namespaces=\"\" KEY", "needs a list"),
    ("alice namespaces=\"!git,*\" KEY", "without `!`"),
    ("alice namespaces=\"a KEY", "never closed"),
    ("alice namespaces=\"a\"b KEY", "is not known here"),
    (
        "alice namespaces=\"a\",namespaces=\"b\" KEY",
        "written twice",
    ),
    ("alice valid-before=\"tomorrow\" KEY", "YYYYMMDD"),
    ("alice valid-before=\"20300230Z\" KEY", "YYYYMMDD"),
    ("alice valid-after=\"2030010112Z\" KEY", "YYYYMMDD"),
    ("alice ,namespaces=\"a\" KEY", "there is no key"),
    // Keys.
    ("alice", "there is no key"),
    ("alice bob", "is not known here"),
    ("alice KIND", "cannot be read"),
    ("KIND", "cannot be read"),
    ("alice KIND SHORT", "cannot be read"),
    ("alice KIND BASE64AAAA", "cannot be read"),
    ("alice KIND !!!!", "cannot be read"),
    (
        "alice ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ==",
        "ssh-keygen -t ed25519",
    ),
    ("ecdsa-sha2-nistp256 AAAA", "ssh-keygen -t ed25519"),
    ("sk-ssh-ed25519@openssh.com BASE64", "ssh-keygen -t ed25519"),
    ("ssh-dss BASE64", "ssh-keygen -t ed25519"),
    // Bytes.
    ("alice KEY\r", "Windows"),
    ("alice\0 KEY", "control character"),
    ("alice KEY \x1b[2J", "control character"),
    ("\u{feff}alice KEY", "cannot be in a principal"),
];

#[test]
fn bad_lines() {
    let key = line(&key(1));
    let (kind, base64) = key.split_once(' ').unwrap();
    for (text, words) in BAD {
        let text = text
            .replace("KEY", &key)
            .replace("KIND", kind)
            .replace("BASE64", base64)
            .replace("SHORT", &base64[..40])
            .replace("LONG", &"a".repeat(256));
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
