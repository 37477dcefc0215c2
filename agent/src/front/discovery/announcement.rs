//! What an agent says of itself.

use std::net::{IpAddr, SocketAddr};

use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::node::NodeName;

/// Where the agent answers.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Only on these interfaces; empty for every fit one. Loopback takes part only if named.
    pub interfaces: Vec<String>,
}

/// What an agent tells those who look for it.
#[derive(Debug, Clone)]
pub struct Announcement {
    /// Its node.
    pub node: NodeName,
    /// Its cluster; queries of others get no answer.
    pub cluster: String,
    /// Where it listens for sessions, each with the port that was really opened. Nothing is
    /// announced at an address where no session could be opened.
    pub listen: Vec<SocketAddr>,
    /// Its node key.
    pub fingerprint: Fingerprint,
}

impl Announcement {
    /// The port for sessions at one of the node's own addresses. `[::]` takes IPv4 too.
    pub(super) fn port_at(&self, own: IpAddr) -> Option<u16> {
        let exact = self.listen.iter().find(|listen| listen.ip() == own);
        let any = || {
            self.listen
                .iter()
                .find(|listen| listen.ip().is_unspecified() && (listen.is_ipv6() || own.is_ipv4()))
        };
        exact.or_else(any).map(SocketAddr::port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_at_an_address() {
        for (listen, own, port) in [
            (&["[::]:1"][..], "10.0.0.1", Some(1)),
            (&["[::]:1"], "fe80::1", Some(1)),
            (&["0.0.0.0:1"], "10.0.0.1", Some(1)),
            (&["0.0.0.0:1"], "fe80::1", None),
            (&["127.0.0.1:1"], "10.0.0.1", None),
            (&["127.0.0.1:1"], "127.0.0.1", Some(1)),
            (&["[::]:1", "10.0.0.1:2"], "10.0.0.1", Some(2)),
            (&["10.0.0.1:2", "10.0.0.2:3"], "10.0.0.2", Some(3)),
            (&[], "10.0.0.1", None),
        ] {
            let announcement = Announcement {
                node: "n1".parse().unwrap(),
                cluster: "default".to_owned(),
                listen: listen.iter().map(|text| text.parse().unwrap()).collect(),
                fingerprint: Fingerprint::from_bytes([0; 32]),
            };
            assert_eq!(
                announcement.port_at(own.parse().unwrap()),
                port,
                "{listen:?}"
            );
        }
    }
}
