//! One line of `known_nodes`.

use std::fmt;

use dtx_proto_types::key::{Ed25519Key, Fingerprint};
use dtx_proto_types::node::NodeName;

/// A key as it is pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinnedKey {
    /// The key itself.
    Key(Ed25519Key),
    /// Its fingerprint only.
    Fingerprint(Fingerprint),
}

impl PinnedKey {
    /// The name of the key.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        match self {
            Self::Key(key) => key.fingerprint(),
            Self::Fingerprint(fingerprint) => *fingerprint,
        }
    }
}

/// A pin, or what was typed for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) cluster: String,
    /// What the operator writes; the node's own name, if nothing else was typed.
    pub(super) typed: NodeName,
    pub(super) node: NodeName,
    pub(super) key: PinnedKey,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Too few words.
    #[error("a line is CLUSTER NODE KEY, or CLUSTER TYPED=NODE KEY")]
    Words,
    /// A name that no node can have.
    #[error("{0}")]
    Name(#[from] dtx_proto_types::node::InvalidNodeName),
    /// Neither an Ed25519 key nor a fingerprint.
    #[error("the key is neither `ssh-ed25519 AAAA…` nor `SHA256:…`")]
    Key,
}

impl Line {
    /// Reads a line; nothing for an empty one or a comment.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, LineError> {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            return Ok(None);
        }
        // What follows the key is a comment.
        let mut words = text.split_ascii_whitespace();
        let mut word = || words.next().ok_or(LineError::Words);
        let (cluster, names, first) = (word()?, word()?, word()?);
        let (typed, node) = names.split_once('=').unwrap_or((names, names));
        let key = if first == "ssh-ed25519" {
            parse_key(word()?)?
        } else {
            PinnedKey::Fingerprint(first.parse().map_err(|_| LineError::Key)?)
        };
        Ok(Some(Self {
            cluster: cluster.to_owned(),
            typed: typed.parse()?,
            node: node.parse()?,
            key,
        }))
    }
}

fn parse_key(base64: &str) -> Result<PinnedKey, LineError> {
    let line = format!("ssh-ed25519 {base64}");
    let key = ssh_key::PublicKey::from_openssh(&line).map_err(|_| LineError::Key)?;
    let key = key.key_data().ed25519().ok_or(LineError::Key)?;
    Ok(PinnedKey::Key(Ed25519Key::from_bytes(key.0)))
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.cluster)?;
        if self.typed != self.node {
            write!(f, "{}=", self.typed)?;
        }
        write!(f, "{} ", self.node)?;
        match self.key {
            PinnedKey::Fingerprint(fingerprint) => write!(f, "{fingerprint}"),
            PinnedKey::Key(key) => {
                let data = ssh_key::public::Ed25519PublicKey(*key.as_bytes());
                let key = ssh_key::PublicKey::new(data.into(), "");
                // A key in memory always has a text.
                f.write_str(&key.to_openssh().map_err(|_| fmt::Error)?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH";

    #[test]
    fn text_and_back() {
        let fingerprint = Ed25519Key::from_bytes([7; 32]).fingerprint();
        for text in [
            format!("default n7 {KEY}"),
            format!("default n7 {fingerprint}"),
            format!("a/b 10.0.0.7=n7 {KEY}"),
            format!("c fe80::1%eth0=n7 {fingerprint}"),
        ] {
            let line = Line::parse(&text).unwrap().unwrap();
            assert_eq!(line.to_string(), text);
            assert_eq!(line.key.fingerprint(), fingerprint);
            let spaced = format!("  {}  by hand, 2026 ", text.replace(' ', "\t "));
            assert_eq!(Line::parse(&spaced).unwrap(), Some(line));
        }
        for nothing in ["", "  ", "# default n7", "  #"] {
            assert_eq!(Line::parse(nothing), Ok(None));
        }
    }

    #[test]
    fn what_is_no_line() {
        let name = |text: &str| LineError::Name(text.parse::<NodeName>().unwrap_err());
        for (text, error) in [
            ("default", LineError::Words),
            ("default n7", LineError::Words),
            ("default n7 ssh-ed25519", LineError::Words),
            ("default n7 ssh-ed25519 AAAA", LineError::Key),
            ("default n7 ssh-rsa AAAA", LineError::Key),
            ("default n7 MD5:00", LineError::Key),
            (&format!("default -n7 {KEY}"), name("-n7")),
            (&format!("default =n7 {KEY}"), name("")),
            (&format!("default a=b=n7 {KEY}"), name("b=n7")),
        ] {
            assert_eq!(Line::parse(text), Err(error), "{text}");
        }
    }
}
