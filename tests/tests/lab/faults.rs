//! What the lab does to a network is what it says it does.

use std::io::Read;
use std::time::Duration;

use dtx_tests::lab::Host;
use dtx_tests::wait::{holds, wait_for};

use crate::hosts::bare;

/// Sends so many datagrams to a group from one host and counts those that another hears.
fn heard(from: &Host, at: &Host, count: u32) -> u32 {
    let listener = at
        .program(&[
            "/dtx/bin/dtx-lab",
            "listen",
            "239.255.77.77:5901",
            at.address(),
            "1500",
        ])
        .spawn();
    wait_for("a listener joins", Duration::from_secs(5), || {
        let groups = at.sh("ip maddress show dev eth0");
        holds(groups.contains("239.255.77.77"), groups)
    });
    let number = count.to_string();
    from.must(&["/dtx/bin/dtx-lab", "send", "239.255.77.77:5901", &number]);
    listener
        .finish()
        .expect_code(0)
        .out()
        .trim()
        .parse()
        .unwrap()
}

#[test]
fn multicast_reaches_other_hosts_and_loss_loses() {
    let Some(lab) = bare(2) else { return };
    let (one, two) = (lab.host(0), lab.host(1));
    assert_eq!(heard(one, two, 200), 200);
    two.lose_udp(20);
    let some = heard(one, two, 2000);
    assert!((1400..1800).contains(&some), "{some} of 2000 at 20 % loss");
    two.filter_nothing();
    two.block_multicast();
    assert_eq!(heard(one, two, 100), 0);
    two.filter_nothing();
    lab.link_down(two);
    assert_eq!(heard(one, two, 100), 0);
    lab.link_up(two);
    assert_eq!(heard(one, two, 100), 100);
}

#[test]
fn addresses_change_and_connections_break() {
    let Some(lab) = bare(2) else { return };
    let (one, two) = (lab.host(0), lab.host(1));
    let mut echo = two
        .program(&["/dtx/bin/dtx-lab", "echo", "0.0.0.0:5902"])
        .spawn_with_pipes();
    let mut ready = [0; 1];
    echo.take_stdout().read_exact(&mut ready).unwrap();
    let target = format!("{}:5902", two.address());
    let mut call = one
        .program(&["/dtx/bin/dtx-lab", "call", &target])
        .spawn_with_pipes();
    let input = call.take_stdin();
    let open = || one.sh("ss -tnH state established '( dport = :5902 )'");
    wait_for("a connection", Duration::from_secs(5), || {
        holds(!open().is_empty(), "none")
    });
    one.break_connections(5902);
    wait_for("no connection", Duration::from_secs(5), || {
        holds(open().is_empty(), open())
    });
    drop(input);

    two.change_address("10.77.200.9");
    let addresses = two.sh("ip -brief addr show eth0");
    assert!(addresses.contains("10.77.200.9/16"), "{addresses}");
    assert!(!addresses.contains(two.address()), "{addresses}");
    two.slow_down("1mbit");
    assert!(two.sh("tc qdisc show dev eth0").contains("tbf"));
}
