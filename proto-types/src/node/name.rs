//! The name of one node.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A machine that one can name: a host name, or an address when that is all that is known.
///
/// Invariant: 1 to 253 bytes of `[A-Za-z0-9._:%-]`, not beginning with `-` or `.`. So a name is
/// safe in a file name, a log line and a terminal, and never looks like an option.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeName(Arc<str>);

/// Longest name, as in the DNS.
const NAME_MAX: usize = 253;

impl NodeName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
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
        for (at, character) in text.char_indices() {
            let inside = character.is_ascii_alphanumeric() || "._:%-".contains(character);
            let begins = at > 0 || !matches!(character, '-' | '.');
            if !(inside && begins) {
                return Err(InvalidNodeName::Character { character, at });
            }
        }
        Ok(Self(text.into()))
    }
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
        ] {
            assert!(bad.parse::<NodeName>().is_err(), "{bad:?}");
        }
        assert!("x".repeat(254).parse::<NodeName>().is_err());
    }
}
