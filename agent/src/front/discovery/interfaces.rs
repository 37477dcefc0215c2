//! The machine's network interfaces, as the kernel shows them now.

use std::net::IpAddr;

use dtx_proto_types::discovery::{Interface, InterfaceEntry};
use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use nix::sys::socket::SockaddrStorage;

/// Every interface, by number.
///
/// # Errors
///
/// What the kernel says.
pub(super) fn read() -> nix::Result<Vec<Interface>> {
    Ok(Interface::gather(getifaddrs()?.filter_map(entry)))
}

/// Nothing for an interface that vanished meanwhile: it has no number any more.
fn entry(found: InterfaceAddress) -> Option<InterfaceEntry> {
    let address = found.address.as_ref().and_then(ip_of);
    let mask = found.netmask.as_ref().and_then(ip_of);
    Some(InterfaceEntry {
        index: if_nametoindex(found.interface_name.as_str()).ok()?,
        name: found.interface_name,
        up: found.flags.contains(InterfaceFlags::IFF_UP),
        multicast: found.flags.contains(InterfaceFlags::IFF_MULTICAST),
        loopback: found.flags.contains(InterfaceFlags::IFF_LOOPBACK),
        address: address.zip(mask),
    })
}

fn ip_of(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_there() {
        let interfaces = read().unwrap();
        let lo = interfaces.iter().find(|one| one.name == "lo").unwrap();
        assert!(lo.loopback && lo.index > 0);
        assert!(!lo.up || lo.facing(IpAddr::from([127, 0, 0, 2])).is_some());
    }
}
