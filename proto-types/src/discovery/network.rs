//! Which interfaces take part, and who is on the same link.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 or IPv6: each is tried on its own, so that one that is broken does not stop the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// An address of an interface and the network that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix {
    /// The interface's own address.
    pub address: IpAddr,
    /// How many leading bits its neighbours share.
    pub length: u8,
}

/// A network interface as the kernel shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// The kernel's number for it.
    pub index: u32,
    /// Whether it is switched on.
    pub up: bool,
    /// Whether it can send to groups.
    pub multicast: bool,
    /// Whether it is the machine's own loopback.
    pub loopback: bool,
    /// Its addresses.
    pub prefixes: Vec<Prefix>,
}

impl Interface {
    /// Whether it takes part: among those named; otherwise up, able to multicast, not loopback
    /// and no container bridge.
    #[must_use]
    pub fn is_fit(&self, named: &[String]) -> bool {
        let chosen = if named.is_empty() {
            !self.loopback && !is_container_bridge(&self.name)
        } else {
            named.contains(&self.name)
        };
        // Loopback carries multicast without saying so.
        self.up && chosen && (self.multicast || self.loopback)
    }

    /// The addresses of one family. Loopback has IPv4 only.
    pub fn of(&self, family: Family) -> impl Iterator<Item = Prefix> {
        self.prefixes
            .iter()
            .copied()
            .filter(move |prefix| match family {
                Family::V4 => prefix.address.is_ipv4(),
                Family::V6 => prefix.address.is_ipv6() && !self.loopback,
            })
    }

    /// The own address that shares a network with a neighbour, if one does. Whoever is not on the
    /// link gets no answer and is not believed.
    #[must_use]
    pub fn facing(&self, neighbour: IpAddr) -> Option<IpAddr> {
        self.prefixes
            .iter()
            .filter(|prefix| prefix.has(neighbour))
            .max_by_key(|prefix| prefix.length)
            .map(|prefix| prefix.address)
    }
}

impl Prefix {
    /// The length of a netmask, if its ones are all in front.
    #[must_use]
    pub fn length_of_mask(mask: IpAddr) -> Option<u8> {
        let (ones, bits) = match mask {
            IpAddr::V4(mask) => {
                let bits = u32::from(mask);
                (bits.leading_ones(), bits.count_ones())
            }
            IpAddr::V6(mask) => {
                let bits = u128::from(mask);
                (bits.leading_ones(), bits.count_ones())
            }
        };
        u8::try_from(ones).ok().filter(|_| ones == bits)
    }

    /// Whether the address is a host of this network.
    #[must_use]
    pub fn has(&self, neighbour: IpAddr) -> bool {
        match (self.address, neighbour) {
            (IpAddr::V4(own), IpAddr::V4(other)) => has_v4(own, other, self.length),
            (IpAddr::V6(own), IpAddr::V6(other)) => has_v6(own, other, self.length),
            _ => false,
        }
    }
}

fn has_v4(own: Ipv4Addr, other: Ipv4Addr, length: u8) -> bool {
    let mask = u32::MAX
        .checked_shl(32_u32.saturating_sub(length.into()))
        .unwrap_or(0);
    let (own, bits) = (u32::from(own), u32::from(other));
    // Networks of two or one address have no network and broadcast address.
    let special = length < 31 && (bits & !mask == 0 || bits & !mask == !mask);
    own & mask == bits & mask && !special && !other.is_multicast() && !other.is_unspecified()
}

fn has_v6(own: Ipv6Addr, other: Ipv6Addr, length: u8) -> bool {
    let mask = u128::MAX
        .checked_shl(128_u32.saturating_sub(length.into()))
        .unwrap_or(0);
    (u128::from(own) ^ u128::from(other)) & mask == 0
        && !other.is_multicast()
        && !other.is_unspecified()
}

/// Bridges that container and machine managers make for their own guests.
fn is_container_bridge(name: &str) -> bool {
    const MANAGERS: [&str; 6] = ["docker", "cni", "virbr", "cali", "flannel", "podman"];
    let docker_network = name.strip_prefix("br-").is_some_and(|rest| {
        rest.len() == 12
            && rest
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    });
    docker_network || MANAGERS.iter().any(|manager| name.starts_with(manager))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(name: &str) -> Interface {
        Interface {
            name: name.to_owned(),
            index: 2,
            up: true,
            multicast: name != "lo",
            loopback: name == "lo",
            prefixes: vec![
                prefix("10.1.2.3", 24),
                prefix("10.9.0.1", 16),
                prefix("fe80::1", 64),
            ],
        }
    }

    fn prefix(address: &str, length: u8) -> Prefix {
        Prefix {
            address: address.parse().unwrap(),
            length,
        }
    }

    #[test]
    fn which_interfaces_take_part() {
        for name in [
            "eth0",
            "bond0",
            "br0",
            "br-lan",
            "veth1",
            "ib0",
            "br-0123456789ag",
        ] {
            assert!(interface(name).is_fit(&[]), "{name}");
        }
        for name in [
            "lo",
            "docker0",
            "br-0123456789ab",
            "cni0",
            "virbr0",
            "cali12",
            "flannel.1",
            "podman0",
        ] {
            assert!(!interface(name).is_fit(&[]), "{name}");
            assert!(interface(name).is_fit(&[name.to_owned()]), "{name} named");
        }
        assert!(!interface("eth0").is_fit(&["eth1".to_owned()]));
        let mut down = interface("eth0");
        down.up = false;
        assert!(!down.is_fit(&[]) && !down.is_fit(&["eth0".to_owned()]));
        let mut deaf = interface("eth0");
        deaf.multicast = false;
        assert!(!deaf.is_fit(&["eth0".to_owned()]));
        assert_eq!(interface("lo").of(Family::V6).count(), 0);
        assert_eq!(interface("lo").of(Family::V4).count(), 2);
        assert_eq!(interface("eth0").of(Family::V6).count(), 1);
    }

    #[test]
    fn who_is_on_the_link() {
        let interface = interface("eth0");
        for (neighbour, own) in [
            ("10.1.2.9", Some("10.1.2.3")),
            ("10.1.2.3", Some("10.1.2.3")),
            ("10.9.200.1", Some("10.9.0.1")),
            ("10.1.3.9", None),
            ("10.1.2.255", None),
            ("10.1.2.0", None),
            ("0.0.0.0", None),
            ("239.255.159.43", None),
            ("fe80::2", Some("fe80::1")),
            ("fe80:0:0:1::2", None),
            ("2001:db8::1", None),
            ("ff12::1:5943", None),
            ("::", None),
            ("::ffff:10.1.2.9", None),
        ] {
            let own = own.map(|own| own.parse().unwrap());
            assert_eq!(
                interface.facing(neighbour.parse().unwrap()),
                own,
                "{neighbour}"
            );
        }
        let pair = prefix("10.0.0.0", 31);
        assert!(pair.has("10.0.0.1".parse().unwrap()) && pair.has("10.0.0.0".parse().unwrap()));
        let host = prefix("10.0.0.7", 32);
        assert!(host.has("10.0.0.7".parse().unwrap()) && !host.has("10.0.0.6".parse().unwrap()));
        assert!(prefix("10.0.0.7", 0).has("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn masks() {
        for (mask, length) in [
            ("255.255.255.0", Some(24)),
            ("0.0.0.0", Some(0)),
            ("255.255.255.255", Some(32)),
            ("255.0.255.0", None),
            ("ffff:ffff:ffff:ffff::", Some(64)),
            ("::1", None),
        ] {
            assert_eq!(
                Prefix::length_of_mask(mask.parse().unwrap()),
                length,
                "{mask}"
            );
        }
    }
}
