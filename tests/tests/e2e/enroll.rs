//! `dtx enroll` over a real sshd: the key is added once, the node keys are pinned.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use dtx_tests::lab::{Host, Lab, Process};
use dtx_tests::measure;
use dtx_tests::skip::skipped;
use dtx_tests::wait::{holds, wait_for};

use crate::fleet_of::Fleet;

const SSHD: &str = "/usr/sbin/sshd";
const CONFIG: &str = "HostKey /root/ssh_host_key\nAuthorizedKeysFile /root/.ssh/authorized_keys\n\
    PidFile none\nUsePAM no\nPermitRootLogin prohibit-password\nPrintMotd no\n";

/// Nodes that are not claimed yet, each with an sshd that lets the operator in as root.
fn fleet() -> Option<(Fleet, Vec<Process>)> {
    if !std::path::Path::new(SSHD).exists() {
        skipped("`sshd` is not installed");
        return None;
    }
    let fleet = Fleet::of(2)?;
    // sshd gives up groups and changes its root, for which a user namespace has no users.
    if !fleet.has_users() {
        return None;
    }
    for host in fleet.hosts() {
        std::fs::remove_file(host.path("/etc/dtx/operators")).unwrap();
    }
    fleet.publish_names();
    let daemons: Vec<Process> = fleet
        .hosts()
        .iter()
        .map(|host| sshd(&fleet, host))
        .collect();
    let mut known = String::new();
    for host in fleet.hosts() {
        let key = host.read("/root/ssh_host_key.pub");
        write!(known, "{} {key}", host.name()).unwrap();
    }
    fleet.operator().write("/root/.ssh/known_hosts", known);
    Some((fleet, daemons))
}

fn sshd(lab: &Lab, host: &Host) -> Process {
    let key = host.path("/root/ssh_host_key");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(key)
        .status()
        .unwrap();
    assert!(made.success());
    host.write("/root/.ssh/authorized_keys", lab.operator().public_line());
    host.write("/root/sshd_config", CONFIG);
    let daemon = host
        .program(&[SSHD, "-D", "-e", "-f", "/root/sshd_config"])
        .spawn();
    wait_for("sshd listens", Duration::from_secs(10), || {
        let ports = measure::listening_ports(daemon.pid());
        holds(ports.contains(&"22".to_owned()), format!("{ports:?}"))
    });
    daemon
}

#[test]
fn enrolling_adds_the_key_once_and_pins() {
    let Some((fleet, daemons)) = fleet() else {
        return;
    };
    let operator = fleet.operator();
    let before = operator.run(&["run", "-w", "n1,n2", "true"]);
    assert_eq!(before.code, Some(4), "unclaimed: {before}");
    assert_eq!(operator.read("/root/.local/state/dtx/known_nodes"), "");

    let enroll = ["enroll", "-w", "n1,n2"];
    let first = operator.run(&enroll).expect_code(0);
    println!("{first}");
    let files =
        |path: &str| -> Vec<String> { fleet.hosts().iter().map(|host| host.read(path)).collect() };
    let operators = files("/etc/dtx/operators");
    let line = format!("{}\n", operator.public_line());
    assert_eq!(operators, [line.clone(), line]);
    let pins = operator.read("/root/.local/state/dtx/known_nodes");
    for host in fleet.hosts() {
        let key = host.read("/var/lib/dtx/host_key.pub");
        let key = key.split_whitespace().nth(1).unwrap();
        assert!(pins.contains(key), "{} is pinned: {pins}", host.name());
    }

    let run = operator.json(&["-w", "n1,n2", "true"]);
    run.expect_all(2, "ok");
    assert!(!run.finished.err().contains("pinned"), "{}", run.finished);

    let second = operator.run(&enroll).expect_code(0);
    println!("{second}");
    assert_eq!(files("/etc/dtx/operators"), operators);
    assert_eq!(operator.read("/root/.local/state/dtx/known_nodes"), pins);
    drop(daemons);
}

#[test]
fn a_node_that_ssh_does_not_reach_is_named() {
    let Some((fleet, mut daemons)) = fleet() else {
        return;
    };
    daemons[1].kill();
    let half = fleet.operator().run(&["enroll", "-w", "n1,n2"]);
    assert!(!matches!(half.code, Some(0) | None), "{half}");
    assert!(
        half.err().contains("n2") || half.out().contains("n2"),
        "{half}"
    );
    assert!(
        fleet
            .host(0)
            .read("/etc/dtx/operators")
            .contains(fleet.operator().public_line())
    );
    assert_eq!(fleet.host(1).read("/etc/dtx/operators"), "");
    fleet
        .operator()
        .json(&["-w", "n1", "true"])
        .expect_all(1, "ok");
}
