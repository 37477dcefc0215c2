//! The machine's network interfaces, as the kernel shows them now.

use std::collections::BTreeMap;
use std::net::IpAddr;

use dtx_proto_types::discovery::{Interface, Prefix};
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use nix::sys::socket::SockaddrStorage;

/// Every interface, by number.
///
/// # Errors
///
/// What the kernel says.
pub(super) fn read() -> nix::Result<Vec<Interface>> {
    let mut found: BTreeMap<String, Interface> = BTreeMap::new();
    for entry in nix::ifaddrs::getifaddrs()? {
        if !found.contains_key(&entry.interface_name) {
            // One that vanished meanwhile has no number any more.
            let Ok(index) = if_nametoindex(entry.interface_name.as_str()) else {
                continue;
            };
            let interface = Interface {
                name: entry.interface_name.clone(),
                index,
                up: entry.flags.contains(InterfaceFlags::IFF_UP),
                multicast: entry.flags.contains(InterfaceFlags::IFF_MULTICAST),
                loopback: entry.flags.contains(InterfaceFlags::IFF_LOOPBACK),
                prefixes: Vec::new(),
            };
            found.insert(entry.interface_name.clone(), interface);
        }
        let prefix = prefix_of(entry.address, entry.netmask);
        if let (Some(interface), Some(prefix)) = (found.get_mut(&entry.interface_name), prefix) {
            interface.prefixes.push(prefix);
        }
    }
    let mut interfaces: Vec<Interface> = found.into_values().collect();
    interfaces.sort_by_key(|interface| interface.index);
    Ok(interfaces)
}

fn prefix_of(address: Option<SockaddrStorage>, mask: Option<SockaddrStorage>) -> Option<Prefix> {
    let length = Prefix::length_of_mask(ip_of(&mask?)?)?;
    let address = ip_of(&address?)?;
    Some(Prefix { address, length })
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
