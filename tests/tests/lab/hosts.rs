//! Hosts are what they claim to be, and nothing of them is left.

use std::time::{Duration, Instant};

use dtx_tests::lab::{Lab, LabOptions};
use dtx_tests::measure;
use dtx_tests::wait::{holds, wait_for};

pub(crate) fn bare(hosts: usize) -> Option<Lab> {
    Lab::with(&LabOptions::bare(hosts))
}

#[test]
fn each_host_has_its_own_name_files_and_address() {
    let Some(lab) = bare(3) else { return };
    for (index, host) in lab.hosts().iter().enumerate() {
        let name = format!("n{}", index + 1);
        assert_eq!(host.sh("uname -n").trim(), name);
        host.sh("echo $(uname -n) >> /tmp/hello.txt");
        assert_eq!(host.read("/tmp/hello.txt"), format!("{name}\n"));
        let addresses = host.sh("ip -brief addr show eth0");
        assert!(addresses.contains(host.address()), "{addresses}");
        assert!(addresses.contains(host.address_v6()), "{addresses}");
        assert!(
            host.read("/etc/dtx/operators")
                .starts_with("operator@lab ssh-ed25519 ")
        );
        assert_eq!(
            host.sh("stat -c %u:%a / /etc/dtx /tmp"),
            "0:755\n0:755\n0:1777\n"
        );
    }
    assert_eq!(lab.operator().read("/tmp/hello.txt"), "");
    assert!(!std::path::Path::new("/tmp/hello.txt").exists());
    let others = lab
        .operator()
        .exec(&["ping", "-c1", "-W2", lab.host(2).address()]);
    assert!(
        others.code == Some(0) || others.err().contains("ping"),
        "{others}"
    );
}

#[test]
fn programs_end_as_they_ended() {
    let Some(lab) = bare(1) else { return };
    let host = lab.host(0);
    assert_eq!(host.exec(&["sh", "-c", "exit 7"]).code, Some(7));
    assert_eq!(host.exec(&["sh", "-c", "kill -9 $$"]).signal, Some(9));
    assert_eq!(
        host.program(&["cat"]).stdin("in and out").run().out(),
        "in and out"
    );
    assert_eq!(host.exec(&["sh", "-c", "echo err >&2"]).err(), "err\n");
    assert_eq!(host.exec(&["/no/such/program"]).code, Some(125));
}

#[test]
fn nothing_outlives_a_lab() {
    let Some(mut lab) = bare(1) else { return };
    let seconds = format!("4711.{}", std::process::id());
    let background = format!("setsid sleep {seconds} >/dev/null 2>&1 &");
    lab.host(0).sh(&background.repeat(2));
    let held = lab.host(0).program(&["sleep", &seconds]).spawn();
    let command = format!("sleep {seconds}");
    let mine = || measure::running(&command).len();
    wait_for("three sleepers", Duration::from_secs(5), || {
        holds(mine() == 3, mine())
    });
    lab.end();
    let ended = held.finish();
    assert_eq!(ended.signal.or(ended.code), Some(9), "{ended}");
    wait_for("no sleepers", Duration::from_secs(5), || {
        holds(mine() == 0, mine())
    });
}

#[test]
fn sixteen_hosts_are_up_in_two_seconds() {
    let start = Instant::now();
    let Some(lab) = bare(16) else { return };
    let took = start.elapsed();
    println!("16 hosts in {took:?}");
    assert_eq!(lab.hosts().len(), 16);
    // The machine is shared with other tests: twice the figure.
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[test]
fn two_hundred_and_fifty_six_hosts_are_up_in_twenty_seconds() {
    if dtx_tests::skip::left_to_slow_tier() {
        return;
    }
    let start = Instant::now();
    let Some(lab) = bare(256) else { return };
    let took = start.elapsed();
    println!("256 hosts in {took:?}");
    assert_eq!(lab.host(255).sh("uname -n").trim(), "n256");
    assert!(took < Duration::from_secs(40), "{took:?}");
}

#[test]
fn without_root_there_are_hosts_all_the_same() {
    let mut options = LabOptions::bare(2);
    options.user_namespace = true;
    let Some(lab) = Lab::with(&options) else {
        return;
    };
    let host = lab.host(1);
    assert_eq!(
        host.sh("id -u; stat -c %u / /etc/dtx; uname -n"),
        "0\n0\n0\nn2\n"
    );
    host.sh("echo hello > /tmp/hello.txt");
    assert_eq!(host.read("/tmp/hello.txt"), "hello\n");
    host.lose(50);
    host.filter_nothing();
}
