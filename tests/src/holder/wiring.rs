//! Cables: a bridge, and a pair of virtual network cards for each host.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};

use super::plan::HostPlan;

/// Settings of a fresh network namespace: addresses are usable at once.
pub(crate) fn calm(no_ipv6: bool) -> io::Result<()> {
    // Kernels without IPv6 have no such file.
    for scope in ["all", "default"] {
        let base = format!("/proc/sys/net/ipv6/conf/{scope}");
        std::fs::write(format!("{base}/accept_dad"), "0").ok();
        if no_ipv6 {
            std::fs::write(format!("{base}/disable_ipv6"), "1").ok();
        }
    }
    Ok(())
}

/// In the switch's namespace: the bridge, and a cable to each host's namespace.
pub(crate) fn switch(hosts: &[i32], snooping: bool) -> io::Result<()> {
    let snooping = i32::from(snooping);
    let mut batch = format!("link add br0 type bridge mcast_snooping {snooping}\n");
    batch.push_str("link set lo up\nlink set br0 up\n");
    for (index, net) in hosts.iter().enumerate() {
        writeln!(
            batch,
            "link add p{index} type veth peer name eth0 netns /proc/1/fd/{net}"
        )
        .map_err(io::Error::other)?;
        writeln!(batch, "link set p{index} master br0 up").map_err(io::Error::other)?;
    }
    ip(&batch)
}

/// In a host's namespace: its addresses.
pub(crate) fn host(host: &HostPlan) -> io::Result<()> {
    let mut batch = format!("link set lo up\naddr add {}/16 brd + dev eth0\n", host.ipv4);
    if !host.ipv6.is_empty() {
        writeln!(batch, "addr add {}/64 dev eth0 nodad", host.ipv6).map_err(io::Error::other)?;
    }
    // A router that is never there, as a route for what is not on this segment.
    batch.push_str("link set eth0 up\nroute add default via 10.77.255.254\n");
    ip(&batch)
}

fn ip(batch: &str) -> io::Result<()> {
    let mut ip = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    let mut stdin = ip
        .stdin
        .take()
        .ok_or_else(|| io::Error::other("no stdin"))?;
    stdin.write_all(batch.as_bytes())?;
    drop(stdin);
    if ip.wait()?.success() {
        Ok(())
    } else {
        Err(io::Error::other("`ip -batch` failed, see above"))
    }
}
