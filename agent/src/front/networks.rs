//! Which addresses may open a session at all.

use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How long a list of the node's own networks is believed: addresses come and go with links.
const ON_LINK_LIFE: Duration = Duration::from_secs(10);

/// The networks that may open sessions.
#[derive(Debug)]
pub(super) struct Networks {
    listed: Vec<(IpAddr, u8)>,
    on_link: Option<OnLink>,
}

/// The networks of the node's own interfaces, looked up when an address is in no listed one.
#[derive(Debug, Default)]
struct OnLink {
    networks: Vec<(IpAddr, u8)>,
    looked_up: Option<Instant>,
}

impl Networks {
    /// The listed networks and, if wanted, those of the node's own links.
    pub(super) fn new(listed: Vec<(IpAddr, u8)>, on_link: bool) -> Self {
        let on_link = on_link.then(OnLink::default);
        Self { listed, on_link }
    }

    /// Whether a peer with this address may open a session.
    pub(super) fn allow(&mut self, peer: IpAddr, now: Instant) -> bool {
        // A dual-stack socket shows IPv4 peers as mapped addresses.
        let peer = peer.to_canonical();
        if contains(&self.listed, peer) {
            return true;
        }
        let Some(on_link) = &mut self.on_link else {
            return false;
        };
        let fresh = |at| now.saturating_duration_since(at) < ON_LINK_LIFE;
        if !on_link.looked_up.is_some_and(fresh) {
            on_link.networks = of_own_links();
            on_link.looked_up = Some(now);
        }
        contains(&on_link.networks, peer)
    }
}

fn contains(networks: &[(IpAddr, u8)], peer: IpAddr) -> bool {
    networks
        .iter()
        .any(|(network, length)| leading_bits_agree(*network, peer, *length))
}

fn leading_bits_agree(network: IpAddr, peer: IpAddr, length: u8) -> bool {
    let length = u32::from(length);
    match (network.to_canonical(), peer) {
        (IpAddr::V4(network), IpAddr::V4(peer)) => {
            let differ = u32::from(network) ^ u32::from(peer);
            differ.leading_zeros() >= length
        }
        (IpAddr::V6(network), IpAddr::V6(peer)) => {
            let differ = u128::from(network) ^ u128::from(peer);
            differ.leading_zeros() >= length
        }
        _ => false,
    }
}

fn of_own_links() -> Vec<(IpAddr, u8)> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        log::warn!("the node's own networks cannot be read: {error}");
        Vec::new()
    });
    interfaces
        .into_iter()
        .map(|interface| match interface.addr {
            if_addrs::IfAddr::V4(address) => (IpAddr::V4(address.ip), address.prefixlen),
            if_addrs::IfAddr::V6(address) => (IpAddr::V6(address.ip), address.prefixlen),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_inside() {
        for (network, length, peer, inside) in [
            ("192.0.2.0", 24, "192.0.2.255", true),
            ("192.0.2.0", 24, "192.0.3.0", false),
            ("192.0.2.77", 24, "192.0.2.1", true),
            ("192.0.2.0", 24, "::ffff:192.0.2.9", true),
            ("192.0.2.0", 24, "::ffff:192.0.3.9", false),
            ("192.0.2.7", 32, "192.0.2.7", true),
            ("192.0.2.7", 32, "192.0.2.6", false),
            ("0.0.0.0", 0, "203.0.113.1", true),
            ("0.0.0.0", 0, "2001:db8::1", false),
            ("fe80::", 10, "fe80::1", true),
            ("fe80::", 10, "fec0::1", false),
            ("::1", 128, "::1", true),
            ("::", 0, "::ffff:192.0.2.9", false),
        ] {
            let listed = vec![(network.parse().unwrap(), length)];
            let mut networks = Networks::new(listed, false);
            let allowed = networks.allow(peer.parse().unwrap(), Instant::now());
            assert_eq!(allowed, inside, "{peer} in {network}/{length}");
        }
    }

    #[test]
    fn the_nodes_own_links_count_when_asked() {
        let peer = IpAddr::from([127, 1, 2, 3]);
        assert!(!Networks::new(vec![], false).allow(peer, Instant::now()));
        assert!(Networks::new(vec![], true).allow(peer, Instant::now()));
    }
}
