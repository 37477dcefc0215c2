//! Addresses and host names as operators type them, and what the system knows about them.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use nix::net::if_::if_nametoindex;
use tokio::time::timeout;

use super::PORT;

/// An address, with a port or without, if that is what the text is.
pub(super) fn parse(text: &str) -> Option<SocketAddr> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, PORT));
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address);
    }
    // A link-local address means nothing without its interface.
    let (ip, interface) = text.split_once('%')?;
    let ip: Ipv6Addr = ip.parse().ok()?;
    let scope = interface
        .parse()
        .ok()
        .or_else(|| if_nametoindex(interface).ok())?;
    Some(SocketAddrV6::new(ip, PORT, 0, scope).into())
}

/// A host name and a port.
fn split(text: &str) -> (&str, u16) {
    text.rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse().ok()?)))
        .unwrap_or((text, PORT))
}

/// The addresses that the system's resolver knows for a name; none if it knows none in time.
pub(super) async fn look_up(name: &str, within: Duration) -> Vec<SocketAddr> {
    if let Some(address) = parse(name) {
        return vec![address];
    }
    match timeout(within, tokio::net::lookup_host(split(name))).await {
        Ok(Ok(found)) => {
            let mut addresses: Vec<SocketAddr> = Vec::new();
            for address in found {
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
            addresses
        }
        Ok(Err(_unknown)) => Vec::new(),
        Err(_late) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_an_address() {
        for (text, address) in [
            ("192.0.2.7", Some("192.0.2.7:15943")),
            ("192.0.2.7:99", Some("192.0.2.7:99")),
            ("2001:db8::7", Some("[2001:db8::7]:15943")),
            ("fe80::1%2", Some("[fe80::1%2]:15943")),
            ("fe80::1%no-such-interface", None),
            ("n7", None),
            ("n7:99", None),
        ] {
            let expected = address.map(|address| address.parse().unwrap());
            assert_eq!(parse(text), expected, "{text}");
        }
        assert_eq!(split("n7:99"), ("n7", 99));
        assert_eq!(split("n7"), ("n7", PORT));
        assert_eq!(split("n7:x"), ("n7:x", PORT));
    }

    #[tokio::test]
    async fn what_the_system_knows() {
        let localhost = look_up("localhost:7", Duration::from_secs(5)).await;
        assert!(
            localhost
                .iter()
                .all(|a| a.ip().is_loopback() && a.port() == 7)
        );
        let nobody = look_up("no-such-host.invalid", Duration::from_millis(500)).await;
        assert_eq!(nobody, []);
    }
}
