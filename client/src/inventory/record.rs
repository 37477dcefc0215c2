//! Where a node was seen last.

use std::net::{IpAddr, SocketAddr};

use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::node::NodeName;
use serde::{Deserialize, Serialize};

/// Addresses kept for one node.
const ADDRESSES_MAX: usize = 8;

/// What the cache keeps of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its cluster.
    pub cluster: String,
    /// Its name.
    pub node: NodeName,
    /// The key that it proved there, or that was announced and is pinned.
    pub fingerprint: Fingerprint,
    /// Where, best first.
    pub addresses: Vec<SocketAddr>,
    /// When, in milliseconds since 1970.
    pub seen_ms: u64,
}

impl Record {
    /// The newer of two records of one node; if both are equally new, what either knows.
    pub(super) fn merge(self, other: Self) -> Self {
        let (mut newer, older) = if other.seen_ms > self.seen_ms {
            (other, self)
        } else {
            (self, other)
        };
        if newer.seen_ms == older.seen_ms && newer.fingerprint == older.fingerprint {
            for address in older.addresses {
                if !newer.addresses.contains(&address) {
                    newer.addresses.push(address);
                }
            }
        }
        newer.addresses.truncate(ADDRESSES_MAX);
        newer
    }
}

/// The order in which a node's addresses are tried: those that need no interface first.
pub(super) fn preference(address: &SocketAddr) -> (u8, SocketAddr) {
    let class = match address.ip() {
        IpAddr::V4(_) => 0,
        IpAddr::V6(v6) if v6.is_unicast_link_local() => 2,
        IpAddr::V6(_) => 1,
    };
    (class, *address)
}

/// One line of the cache file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Stored {
    cluster: String,
    node: NodeName,
    key: String,
    addresses: Vec<StoredAddress>,
    seen_ms: u64,
}

/// An address; a link-local one with its interface's name, for numbers change.
#[derive(Debug, Serialize, Deserialize)]
struct StoredAddress {
    ip: IpAddr,
    port: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    interface: Option<String>,
}

impl Stored {
    /// For the file. `name_of` tells an interface's name by its number.
    pub(super) fn new(record: &Record, name_of: impl Fn(u32) -> Option<String>) -> Self {
        let address = |address: &SocketAddr| StoredAddress {
            ip: address.ip(),
            port: address.port(),
            interface: match address {
                SocketAddr::V6(v6) if v6.scope_id() != 0 => name_of(v6.scope_id()),
                _ => None,
            },
        };
        Self {
            cluster: record.cluster.clone(),
            node: record.node.clone(),
            key: record.fingerprint.to_string(),
            addresses: record.addresses.iter().map(address).collect(),
            seen_ms: record.seen_ms,
        }
    }

    /// From the file; nothing if the key is none. Addresses on interfaces that are gone are left
    /// out. `number_of` tells an interface's number by its name.
    pub(super) fn restore(self, number_of: impl Fn(&str) -> Option<u32>) -> Option<Record> {
        let address = |stored: &StoredAddress| {
            let mut address = SocketAddr::new(stored.ip, stored.port);
            if let (SocketAddr::V6(v6), Some(name)) = (&mut address, &stored.interface) {
                v6.set_scope_id(number_of(name)?);
            }
            Some(address)
        };
        Some(Record {
            fingerprint: self.key.parse().ok()?,
            addresses: self
                .addresses
                .iter()
                .take(ADDRESSES_MAX)
                .filter_map(address)
                .collect(),
            cluster: self.cluster,
            node: self.node,
            seen_ms: self.seen_ms,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(addresses: &[&str], seen_ms: u64) -> Record {
        Record {
            cluster: "c".to_owned(),
            node: "n1".parse().unwrap(),
            fingerprint: Fingerprint::from_bytes([1; 32]),
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            seen_ms,
        }
    }

    #[test]
    fn link_local_addresses_follow_their_interface() {
        let before = record(&["10.0.0.1:1", "[2001:db8::1]:2", "[fe80::1%2]:3"], 5);
        let stored = Stored::new(&before, |number| (number == 2).then(|| "eth0".to_owned()));
        let json = serde_json::to_string(&stored).unwrap();
        let restored = |number: Option<u32>| {
            let stored: Stored = serde_json::from_str(&json).unwrap();
            stored
                .restore(|name| number.filter(|_| name == "eth0"))
                .unwrap()
        };
        assert_eq!(restored(Some(2)), before);
        let renumbered = record(&["10.0.0.1:1", "[2001:db8::1]:2", "[fe80::1%7]:3"], 5);
        assert_eq!(restored(Some(7)), renumbered);
        assert_eq!(
            restored(None),
            record(&["10.0.0.1:1", "[2001:db8::1]:2"], 5)
        );
    }

    #[test]
    fn the_newer_record_wins() {
        let (old, new) = (record(&["10.0.0.1:1"], 5), record(&["10.0.0.2:1"], 6));
        assert_eq!(old.clone().merge(new.clone()), new);
        assert_eq!(new.clone().merge(old.clone()), new);
        let same = record(&["10.0.0.2:1"], 5);
        assert_eq!(old.merge(same), record(&["10.0.0.1:1", "10.0.0.2:1"], 5));
        let many: Vec<String> = (0..20).map(|n| format!("10.0.0.{n}:1")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(new.merge(record(&many, 7)).addresses.len(), ADDRESSES_MAX);
    }

    #[test]
    fn which_address_is_tried_first() {
        let mut addresses: Vec<SocketAddr> = ["[fe80::1%2]:3", "[2001:db8::1]:2", "10.0.0.1:1"]
            .map(|text| text.parse().unwrap())
            .into();
        addresses.sort_by_key(preference);
        let shown: Vec<u16> = addresses.iter().map(SocketAddr::port).collect();
        assert_eq!(shown, [1, 2, 3]);
    }
}
