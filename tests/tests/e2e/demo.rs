//! The first command of the README: a throw-away cluster on one machine, without root.

use std::time::Duration;

use dtx_tests::lab::{Host, Lab, Process};
use dtx_tests::measure;
use dtx_tests::wait::{holds, wait_for};
use nix::sys::signal::Signal;

/// The demo on a bare host, as somebody who is not root where users exist.
fn demo(lab: &Lab) -> dtx_tests::lab::Program {
    let mut line = Vec::new();
    if !lab.has_one_user() {
        line.extend([
            "setpriv",
            "--reuid",
            "7001",
            "--regid",
            "7001",
            "--clear-groups",
        ]);
    }
    line.extend(["/dtx/bin/dtx", "demo"]);
    lab.host(0)
        .program(&line)
        .env("HOME", "/home/worker")
        .env("USER", "worker")
        .env("LOGNAME", "worker")
}

/// What the host has besides the lab's own: processes of the demo, ports, files.
fn leftovers(host: &Host) -> String {
    let agents = host.sh("ls -l /proc/[0-9]*/exe 2>/dev/null | grep -c '/dtx-agent$'; true");
    let ports = host.sh("ss -Hltnu | wc -l");
    let files = host
        .sh("find /tmp /var/tmp /run /dev/shm /home/worker -mindepth 1 ! -path /run/sshd | sort");
    format!(
        "{} agents, {} ports, files: {}",
        agents.trim(),
        ports.trim(),
        files.trim()
    )
}

const NOTHING: &str = "0 agents, 0 ports, files: ";

fn wait_for_nothing(host: &Host) {
    wait_for("nothing is left", Duration::from_secs(15), || {
        let left = leftovers(host);
        holds(left == NOTHING, left)
    });
}

#[test]
fn a_demo_shows_a_first_job_and_leaves_nothing() {
    let Some(lab) = Lab::new(1) else { return };
    let host = lab.host(0);
    assert_eq!(leftovers(host), NOTHING);
    let finished = demo(&lab).run().expect_code(0);
    println!("{finished}");
    assert!(finished.out().lines().count() >= 3, "{finished}");
    wait_for_nothing(host);
}

fn running_demo(lab: &Lab) -> Process {
    let process = demo(lab).spawn();
    wait_for("the demo's agents run", Duration::from_secs(15), || {
        let agents = measure::tree(process.pid()).len();
        holds(agents > 2, format!("{agents} processes"))
    });
    process
}

#[test]
fn an_interrupted_demo_leaves_nothing() {
    let Some(lab) = Lab::new(1) else { return };
    let demo = running_demo(&lab);
    demo.signal(Signal::SIGINT);
    drop(demo.finish());
    wait_for_nothing(lab.host(0));
}

#[test]
fn a_killed_demo_leaves_nothing() {
    let Some(lab) = Lab::new(1) else { return };
    let mut demo = running_demo(&lab);
    demo.kill();
    wait_for_nothing(lab.host(0));
}
