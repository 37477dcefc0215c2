//! From the kernel's list of addresses to interfaces.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::network::{Interface, Prefix};

/// One line of `getifaddrs`: an interface, and one of its addresses if it has any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceEntry {
    /// The interface's name.
    pub name: String,
    /// Its number.
    pub index: u32,
    /// `IFF_UP`.
    pub up: bool,
    /// `IFF_MULTICAST`.
    pub multicast: bool,
    /// `IFF_LOOPBACK`.
    pub loopback: bool,
    /// The address and its netmask.
    pub address: Option<(IpAddr, IpAddr)>,
}

impl Interface {
    /// One interface for each number, by number. An address whose netmask makes no sense is left
    /// out.
    pub fn gather(entries: impl IntoIterator<Item = InterfaceEntry>) -> Vec<Self> {
        let mut interfaces: BTreeMap<u32, Self> = BTreeMap::new();
        for entry in entries {
            let interface = interfaces.entry(entry.index).or_insert_with(|| Self {
                name: entry.name,
                index: entry.index,
                up: entry.up,
                multicast: entry.multicast,
                loopback: entry.loopback,
                prefixes: Vec::new(),
            });
            let prefix = entry.address.and_then(|(address, mask)| {
                let length = Prefix::length_of_mask(mask)?;
                Some(Prefix { address, length })
            });
            interface.prefixes.extend(prefix);
        }
        interfaces.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_interface_come_together() {
        let entry = |name: &str, index, address: Option<(&str, &str)>| InterfaceEntry {
            name: name.to_owned(),
            index,
            up: true,
            multicast: true,
            loopback: false,
            address: address.map(|(a, m)| (a.parse().unwrap(), m.parse().unwrap())),
        };
        let interfaces = Interface::gather([
            entry("eth1", 3, None),
            entry("eth0", 2, None),
            entry("eth0", 2, Some(("10.0.0.1", "255.255.255.0"))),
            entry("eth0", 2, Some(("fe80::1", "ffff:ffff:ffff:ffff::"))),
            entry("eth0", 2, Some(("10.0.0.2", "255.0.255.0"))),
        ]);
        let shown: Vec<(&str, usize)> = interfaces
            .iter()
            .map(|one| (one.name.as_str(), one.prefixes.len()))
            .collect();
        assert_eq!(shown, [("eth0", 2), ("eth1", 0)]);
        assert_eq!(interfaces[0].prefixes[1].length, 64);
    }
}
