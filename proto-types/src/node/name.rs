//! The name of one node.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A machine that one can name: a host name, or an address when that is all that is known.
///
/// Invariant: 1 to 253 bytes of `[A-Za-z0-9._:%-]`, not beginning with `-` or `.`; or an IPv6
/// address in brackets with a port, `[2001:db8::1]:15950`. So a name is safe in a file name, a log
/// line and a terminal, and never looks like an option.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeName(Arc<str>);

/// Longest name, as in the DNS.
pub(super) const NAME_MAX: usize = 253;

impl NodeName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host, and the port of a name that carries one: `192.0.2.7:15950`, `web1:15950`,
    /// `[2001:db8::1]:15950`. An address without brackets is all host.
    #[must_use]
    pub fn split_port(&self) -> (&str, Option<u16>) {
        let bracketed = self.0.strip_prefix('[');
        let split = match bracketed {
            Some(rest) => rest.split_once("]:"),
            None => self.0.split_once(':').filter(|(host, _)| !host.is_empty()),
        };
        match split.map(|(host, port)| (host, port.parse())) {
            Some((host, Ok(port))) => (host, Some(port)),
            _ => (&self.0, None),
        }
    }
}

/// The text cannot be a node's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNodeName {
    /// Nothing was written.
    #[error("a node name is empty")]
    Empty,
    /// Longer than a host name may be.
    #[error("a node name of {0} bytes is too long (253 at most)")]
    TooLong(usize),
    /// A character that no host name or address has.
    #[error("{character:?} cannot be in a node name (letters, digits, `.`, `_`, `-`, `:`)")]
    Character {
        /// The first one that is wrong.
        character: char,
        /// Its byte offset in the text.
        at: usize,
    },
    /// Begins with a bracket and is not an address.
    #[error("{0:?} is not an IPv6 address in brackets, as in [2001:db8::1]:15950")]
    Address(String),
}

/// Whether a character may stand in a name, other than the brackets around an address.
pub(super) const fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | ':' | '%' | '-')
}

impl FromStr for NodeName {
    type Err = InvalidNodeName;

    fn from_str(text: &str) -> Result<Self, InvalidNodeName> {
        if text.is_empty() {
            return Err(InvalidNodeName::Empty);
        }
        if text.len() > NAME_MAX {
            return Err(InvalidNodeName::TooLong(text.len()));
        }
        if let Some(rest) = text.strip_prefix('[') {
            return bracketed(text, rest).ok_or_else(|| InvalidNodeName::Address(text.to_owned()));
        }
        for (at, character) in text.char_indices() {
            let begins = at > 0 || !matches!(character, '-' | '.');
            if !(is_name_character(character) && begins) {
                return Err(InvalidNodeName::Character { character, at });
            }
        }
        Ok(Self(text.into()))
    }
}

/// An IPv6 address in brackets. They are kept only where they set off a port.
fn bracketed(text: &str, rest: &str) -> Option<NodeName> {
    let (address, tail) = rest.split_once(']')?;
    let (ip, zone) = match address.split_once('%') {
        Some((ip, zone)) => (ip, Some(zone)),
        None => (address, None),
    };
    ip.parse::<Ipv6Addr>().ok()?;
    let is_zone = |zone: &str| !zone.is_empty() && zone.chars().all(is_name_character);
    if !zone.is_none_or(is_zone) {
        return None;
    }
    if tail.is_empty() {
        return Some(NodeName(address.into()));
    }
    let port = tail.strip_prefix(':')?;
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    (digits && port.parse::<u16>().is_ok()).then(|| NodeName(text.into()))
}

impl TryFrom<String> for NodeName {
    type Error = InvalidNodeName;

    fn try_from(text: String) -> Result<Self, InvalidNodeName> {
        text.parse()
    }
}

impl From<NodeName> for String {
    fn from(name: NodeName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl AsRef<str> for NodeName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_name() {
        for good in [
            "n1",
            "web-01.example.org",
            "fe80::1%eth0",
            "192.0.2.7",
            "192.0.2.7:15950",
            "[2001:db8::1]:15950",
            "[fe80::1%eth0]:1",
            "_x",
            "A",
        ] {
            assert_eq!(
                good.parse::<NodeName>().map(String::from),
                Ok(good.to_owned())
            );
        }
        for bad in [
            "",
            "-n1",
            ".",
            "..",
            ".x",
            "a b",
            "a/b",
            "a\n",
            "ä",
            "a\0",
            "a\u{202e}b",
            "[",
            "[]",
            "[]:1",
            "[1-3]",
            "[1.2.3.4]:1",
            "[::1]1",
            "[::1]:",
            "[::1]:+1",
            "[::1]:65536",
            "[::1%]:1",
            "[::1%a]b]:1",
            "[::1]:1]",
            "x[::1]:1",
        ] {
            assert!(bad.parse::<NodeName>().is_err(), "{bad:?}");
        }
        assert!("x".repeat(254).parse::<NodeName>().is_err());
    }

    #[test]
    fn brackets_without_a_port_mean_nothing() {
        let name: NodeName = "[fe80::1%eth0]".parse().unwrap();
        assert_eq!(name.as_str(), "fe80::1%eth0");
    }

    #[test]
    fn hosts_and_ports() {
        for (text, host, port) in [
            ("web1", "web1", None),
            ("web1:15950", "web1", Some(15950)),
            ("192.0.2.7:1", "192.0.2.7", Some(1)),
            ("192.0.2.7", "192.0.2.7", None),
            ("[2001:db8::1]:15950", "2001:db8::1", Some(15950)),
            ("2001:db8::1", "2001:db8::1", None),
            ("::1", "::1", None),
            ("fe80::1%eth0", "fe80::1%eth0", None),
            ("web1:", "web1:", None),
            ("web1:70000", "web1:70000", None),
            (":5", ":5", None),
        ] {
            let name: NodeName = text.parse().unwrap();
            assert_eq!(name.split_port(), (host, port), "{text}");
        }
    }
}
