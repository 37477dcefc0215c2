//! Who asks: typed names, and the operator who holds some of them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use dtx_proto_types::key::Fingerprint;

/// A name that an operators file gives to a key: 1 to 255 bytes of `[A-Za-z0-9._@+-]`, and not
/// the name of an `authorized_keys` option or of a key type, so that a line pasted from such a
/// file never names anybody.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PrincipalName(String);

/// The text names nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPrincipal {
    /// Nothing was written, or far too much.
    #[error("a principal has 1 to 255 characters")]
    Length,
    /// A character that no principal has.
    #[error("{0:?} cannot be in a principal (letters, digits, `.`, `_`, `@`, `+`, `-`)")]
    Character(char),
    /// A word of `authorized_keys`.
    #[error(
        "`{0}` is a word of authorized_keys, not a principal; this file has lines of the form \
         `principal ssh-ed25519 AAAA… comment`"
    )]
    Reserved(String),
    /// Another kind than there is.
    #[error("a principal is written file:NAME or key:SHA256:…")]
    Kind,
    /// `file:*` where one has to be named.
    #[error("`file:*` can only stand in `who`; name one principal here")]
    Everyone,
    /// There is no way to let everyone in.
    #[error("`{0}` names everyone; `file:*` is every key of the operators file")]
    Unspeakable(String),
    /// Not a fingerprint.
    #[error("{0}")]
    Fingerprint(#[from] dtx_proto_types::key::InvalidFingerprint),
}

const NAME_MAX: usize = 255;

/// Options of OpenSSH's `authorized_keys`, in lower case.
const AUTHORIZED_KEYS_OPTIONS: [&str; 24] = [
    "agent-forwarding",
    "cert-authority",
    "command",
    "environment",
    "expiry-time",
    "from",
    "no-agent-forwarding",
    "no-port-forwarding",
    "no-pty",
    "no-touch-required",
    "no-user-rc",
    "no-x11-forwarding",
    "permitlisten",
    "permitopen",
    "port-forwarding",
    "principals",
    "pty",
    "restrict",
    "tunnel",
    "user-rc",
    "verify-required",
    "x11-forwarding",
    "zos-key-ring-label",
    "touch-required",
];

impl PrincipalName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PrincipalName {
    type Err = InvalidPrincipal;

    fn from_str(text: &str) -> Result<Self, InvalidPrincipal> {
        if text.is_empty() || text.len() > NAME_MAX {
            return Err(InvalidPrincipal::Length);
        }
        let speakable = |c: &char| c.is_ascii_alphanumeric() || "._@+-".contains(*c);
        if let Some(wrong) = text.chars().find(|c| !speakable(c)) {
            return Err(InvalidPrincipal::Character(wrong));
        }
        let lower = text.to_ascii_lowercase();
        if AUTHORIZED_KEYS_OPTIONS.contains(&lower.as_str()) || is_key_type(&lower) {
            return Err(InvalidPrincipal::Reserved(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for PrincipalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Whether a word is the name of an SSH key type, of any that OpenSSH has.
#[must_use]
pub fn is_key_type(word: &str) -> bool {
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-", "rsa-sha2-"]
        .iter()
        .any(|prefix| word.starts_with(prefix))
}

/// One principal. Its kind is part of it: what a file calls a key never becomes another kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Principal {
    /// `file:NAME`, a name in the operators file.
    File(PrincipalName),
    /// `key:SHA256:…`, a key by its fingerprint.
    Key(Fingerprint),
}

impl FromStr for Principal {
    type Err = InvalidPrincipal;

    fn from_str(text: &str) -> Result<Self, InvalidPrincipal> {
        match text.split_once(':') {
            _ if text == "*" || text == "key:*" => {
                Err(InvalidPrincipal::Unspeakable(text.to_owned()))
            }
            Some(("file", "*")) => Err(InvalidPrincipal::Everyone),
            Some(("file", name)) => name.parse().map(Self::File),
            Some(("key", fingerprint)) => Ok(Self::Key(fingerprint.parse()?)),
            _ => Err(InvalidPrincipal::Kind),
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(name) => write!(f, "file:{name}"),
            Self::Key(fingerprint) => write!(f, "key:{fingerprint}"),
        }
    }
}

/// An operator whom a node knows: a key that a configured source lists, and the names it has
/// there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    fingerprint: Fingerprint,
    names: BTreeSet<PrincipalName>,
}

impl Operator {
    /// A key of the operators file and its names there; a plain line gives none.
    #[must_use]
    pub const fn of_file(fingerprint: Fingerprint, names: BTreeSet<PrincipalName>) -> Self {
        Self { fingerprint, names }
    }

    /// The fingerprint of the operator's key.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The names of the key in the operators file.
    #[must_use]
    pub const fn names(&self) -> &BTreeSet<PrincipalName> {
        &self.names
    }

    /// Whether this principal means this operator.
    #[must_use]
    pub fn is(&self, principal: &Principal) -> bool {
        match principal {
            Principal::File(name) => self.names.contains(name),
            Principal::Key(fingerprint) => self.fingerprint == *fingerprint,
        }
    }
}

impl fmt::Display for Operator {
    /// The first of the names, or the fingerprint: how audit lines and refusals call the operator.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.names.first() {
            Some(name) => write!(f, "file:{name}"),
            None => write!(f, "key:{}", self.fingerprint),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_principal() {
        let key = format!("key:{}", Fingerprint::from_bytes([1; 32]));
        for good in [
            "file:alice",
            "file:alice+ci@example.org",
            "file:a-b_c",
            &key,
        ] {
            assert_eq!(good.parse::<Principal>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "*",
            "alice",
            "file:",
            "file:*",
            "file:a*",
            "file:a b",
            "file:a,b",
            "file:!alice",
            "file:key:SHA256:x",
            "file:restrict",
            "file:Command",
            "file:no-X11-forwarding",
            "file:ssh-ed25519",
            "key:*",
            "key:",
            "key:MD5:aa",
            "key:SHA256:AA",
            "ssh:alice",
            "File:alice",
            " file:alice",
        ] {
            assert!(bad.parse::<Principal>().is_err(), "{bad:?}");
        }
    }
}
