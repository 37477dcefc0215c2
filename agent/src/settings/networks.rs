//! Networks from which sessions may be opened.

use std::net::IpAddr;
use std::str::FromStr;

/// An address and how many of its leading bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(pub IpAddr, pub u8);

/// A list of networks, and whether the node's own links belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Networks {
    /// Listed ones.
    pub listed: Vec<Network>,
    /// `on-link` was listed.
    pub on_link: bool,
}

/// Networks that no one routes on the Internet.
const PRIVATE: [&str; 8] = [
    "127.0.0.0/8",
    "::1/128",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "fc00::/7",
    "fe80::/10",
];

/// The text is no network.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no network: write on-link, private, an address, or 192.0.2.0/24")]
pub struct InvalidNetwork(String);

impl Networks {
    /// `on-link` and `private`: what accepts sessions unless configured otherwise.
    ///
    /// # Panics
    ///
    /// Never: the words are constants.
    #[must_use]
    pub fn local() -> Self {
        Self::parse(["on-link", "private"]).expect("both words are known")
    }

    /// Reads a list of words and networks.
    ///
    /// # Errors
    ///
    /// Names the first that is neither.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidNetwork> {
        let mut networks = Self {
            listed: Vec::new(),
            on_link: false,
        };
        for word in words {
            match word {
                "on-link" => networks.on_link = true,
                "private" => {
                    for network in PRIVATE {
                        networks.listed.push(network.parse()?);
                    }
                }
                network => networks.listed.push(network.parse()?),
            }
        }
        Ok(networks)
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let invalid = || InvalidNetwork(text.to_owned());
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let length = length
            .map_or(Ok(longest), str::parse)
            .map_err(|_| invalid())?;
        if length > longest {
            Err(invalid())
        } else {
            Ok(Self(address, length))
        }
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.0, self.1)
    }
}

impl std::fmt::Display for Networks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let on_link = self.on_link.then(|| "on-link".to_owned());
        let words: Vec<String> = on_link
            .into_iter()
            .chain(self.listed.iter().map(Network::to_string))
            .collect();
        f.write_str(&words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_network() {
        for (text, shown) in [
            ("192.0.2.0/24", Some("192.0.2.0/24")),
            ("192.0.2.7", Some("192.0.2.7/32")),
            ("2001:db8::/32", Some("2001:db8::/32")),
            ("::1", Some("::1/128")),
            ("192.0.2.0/33", None),
            ("192.0.2/24", None),
            ("all", None),
            ("", None),
        ] {
            let parsed = text
                .parse::<Network>()
                .ok()
                .map(|network| network.to_string());
            assert_eq!(parsed.as_deref(), shown, "{text}");
        }
        assert!(Networks::local().on_link);
        assert_eq!(Networks::parse([]).unwrap().listed, []);
    }
}
