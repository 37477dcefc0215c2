//! The first command of the README: a throw-away cluster on one machine, without root.

use std::time::Duration;

use dtx_tests::lab::{Host, Lab, Process, Program};
use dtx_tests::measure;
use dtx_tests::wait::{holds, wait_for};
use nix::sys::signal::Signal;

/// Who runs the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Root,
    /// Somebody who is not root, where users exist.
    Worker,
}

/// The demo on a bare host.
fn demo(lab: &Lab, who: Who) -> Program {
    let line = ["/dtx/bin/dtx", "demo", "--agent", "/dtx/bin/dtx-agent"];
    if who == Who::Root || lab.has_one_user() {
        return lab.host(0).program(&line);
    }
    let worker = [
        "setpriv",
        "--reuid",
        "7001",
        "--regid",
        "7001",
        "--clear-groups",
    ];
    lab.host(0)
        .program(&[&worker[..], &line[..]].concat())
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
    for who in [Who::Root, Who::Worker] {
        let Some(lab) = Lab::new(1) else { return };
        let host = lab.host(0);
        assert_eq!(leftovers(host), NOTHING);
        let finished = demo(&lab, who).run().expect_code(0);
        println!("{who:?}: {finished}");
        let shown = finished.out();
        for node in ["n1", "n2", "n3"] {
            // A row of the table, and a line of the file.
            let is_row = |line: &&str| line.starts_with(node) && line.contains("ok");
            assert_eq!(shown.lines().filter(is_row).count(), 1, "{finished}");
            let hello = format!("hello from {node}");
            let greetings = shown.lines().filter(|line| *line == hello);
            assert_eq!(greetings.count(), 1, "{finished}");
        }
        wait_for_nothing(host);
    }
}

/// A demo in mid-run: its agents are there.
fn running_demo(lab: &Lab, who: Who) -> Process {
    let process = demo(lab, who).spawn();
    wait_for("the demo's agents run", Duration::from_secs(15), || {
        let agents = measure::tree(process.pid()).len();
        holds(agents > 2, format!("{agents} processes"))
    });
    process
}

#[test]
fn an_interrupted_demo_leaves_nothing() {
    for who in [Who::Root, Who::Worker] {
        let Some(lab) = Lab::new(1) else { return };
        let demo = running_demo(&lab, who);
        demo.signal(Signal::SIGINT);
        drop(demo.finish());
        wait_for_nothing(lab.host(0));
    }
}

#[test]
fn a_killed_demo_leaves_nothing() {
    for who in [Who::Root, Who::Worker] {
        let Some(lab) = Lab::new(1) else { return };
        let mut demo = running_demo(&lab, who);
        demo.kill();
        wait_for_nothing(lab.host(0));
    }
}
