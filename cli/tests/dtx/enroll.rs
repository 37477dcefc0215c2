//! `dtx enroll` against an `ssh` that plays four hosts.

use std::os::unix::fs::PermissionsExt;

use crate::home::Home;

/// n1 has an agent, n2 has none yet, n3 has no route, n4 never answers; each has a root of its own.
const SSH: &str = r#"#!/bin/sh
printf '%s\n' "$*" >> "$HOME/calls"
while [ "$1" != -- ]; do shift; done
host=$2
shift 2
case $host in
n3) echo "ssh: connect to host n3 port 22: No route to host" >&2; exit 255 ;;
n4) exec sleep 1000 ;;
esac
echo "Welcome to $host"
sed "s#'/etc/dtx#'$HOME/$host/etc#; s#'/var/lib/dtx#'$HOME/$host/state#" | "$@"
"#;

const NODE_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH n1";
const OTHER_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI n1";

fn home() -> Home {
    let home = Home::new();
    let ssh = home.write("bin/ssh", SSH);
    std::fs::set_permissions(ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
    home.write("n1/state/name", "n1\n");
    home.write("n1/state/host_key.pub", &format!("{NODE_KEY}\n"));
    assert_eq!(home.dtx(&["keys", "new", "-C", "ops"]).code, Some(0));
    home
}

#[test]
fn adds_the_key_and_pins_the_nodes() {
    let home = home();
    let said = home.dtx(&["enroll", "-w", "n[1-2]"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let lines: Vec<_> = said.out.lines().collect();
    assert!(lines[0].starts_with("node  operators"), "{said:?}");
    assert!(lines[1].starts_with("n1    key added  SHA256:"), "{said:?}");
    assert!(
        lines[2].ends_with("no agent has been started there yet"),
        "{said:?}"
    );
    assert!(
        said.err.starts_with("2 nodes: 2 enrolled, 0 failed\n"),
        "{said:?}"
    );
    let public = home.read(".ssh/id_ed25519.pub");
    assert_eq!(home.read("n1/etc/operators"), public);
    assert_eq!(home.read("n2/etc/operators"), public);
    let keys = home.dtx(&["keys", "show"]);
    assert_eq!(keys.code, Some(0), "{keys:?}");
    assert!(keys.out.contains("with pinned keys: 1\n  n1"), "{keys:?}");
    // Once more changes nothing.
    let again = home.dtx(&["enroll", "-w", "n1"]);
    assert!(
        again.out.contains("n1    key present  SHA256:"),
        "{again:?}"
    );
    assert_eq!(home.read("n1/etc/operators"), public);
}

#[test]
fn says_for_each_node_what_failed() {
    let home = home();
    let begun = std::time::Instant::now();
    let said = home.dtx(&["enroll", "-w", "n[1-4]", "-u", "1s"]);
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.out.contains("No route to host"), "{said:?}");
    assert!(
        said.out.contains("no answer over ssh within 1 s"),
        "{said:?}"
    );
    assert!(
        said.err.starts_with("4 nodes: 2 enrolled, 2 failed\n"),
        "{said:?}"
    );
}

#[test]
fn a_changed_key_is_not_pinned() {
    let home = home();
    assert_eq!(home.dtx(&["enroll", "-w", "n1"]).code, Some(0));
    home.write("n1/state/host_key.pub", &format!("{OTHER_KEY}\n"));
    let said = home.dtx(&["enroll", "-w", "n1"]);
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.out.contains("has changed"), "{said:?}");
    assert_eq!(home.dtx(&["keys", "forget", "n1"]).code, Some(0));
    assert_eq!(home.dtx(&["enroll", "-w", "n1"]).code, Some(0));
}

#[test]
fn nothing_becomes_an_option_of_ssh() {
    let home = home();
    for arguments in [
        &["enroll", "-w", "-oProxyCommand=x"][..],
        &["enroll", "-w", "n1", "-l", "-oProxyCommand=x"],
        &["enroll", "-w", "n1", "-l", "a b"],
        &["enroll", "-w", "n1", "--operators", "relative"],
        &["enroll", "-w", "n1", "--agent-state", "/a\nb"],
        &["enroll", "-w", "n;1"],
    ] {
        let said = home.dtx(arguments);
        assert_eq!(said.code, Some(2), "{arguments:?}: {said:?}");
    }
    assert!(!home.path("calls").exists());
    home.dtx(&["enroll", "-w", "n2", "-l", "ops", "--sudo"]);
    assert_eq!(
        home.read("calls"),
        "-T -o BatchMode=yes -o ConnectTimeout=30 -l ops -- n2 sudo -n sh -s\n"
    );
}
