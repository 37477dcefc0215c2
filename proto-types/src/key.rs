//! Public keys: the session key and node key of a TLS session, and the fingerprint that names
//! any SSH key.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A raw Ed25519 public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ed25519Key(#[serde(with = "serde_bytes")] [u8; 32]);

/// What precedes the 32 bytes of an Ed25519 key in a `SubjectPublicKeyInfo` (RFC 8410, section 4).
const SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

impl Ed25519Key {
    /// Wraps the 32 bytes of a public key.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key inside a raw public key of TLS (RFC 7250), which is exactly 44 bytes.
    #[must_use]
    pub fn from_spki(spki: &[u8]) -> Option<Self> {
        let key = spki.strip_prefix(&SPKI_PREFIX)?;
        key.try_into().ok().map(Self)
    }

    /// The key as a raw public key of TLS.
    #[must_use]
    pub fn to_spki(self) -> [u8; 44] {
        let mut spki = [0; 44];
        spki[..12].copy_from_slice(&SPKI_PREFIX);
        spki[12..].copy_from_slice(&self.0);
        spki
    }

    /// The name of this key, as `ssh-keygen -l` would print it.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&ssh_key::public::KeyData::from(
            ssh_key::public::Ed25519PublicKey(self.0),
        ))
    }

    /// Whether `signature` over `message` was made with this key's private half.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, &self.0)
            .verify(message, signature)
            .is_ok()
    }
}

impl fmt::Debug for Ed25519Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ed25519Key({})", self.fingerprint())
    }
}

/// The SHA-256 fingerprint of an SSH public key, written `SHA256:` and unpadded Base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint(#[serde(with = "serde_bytes")] [u8; 32]);

impl Fingerprint {
    /// The fingerprint of an SSH public key of any kind.
    ///
    /// # Panics
    ///
    /// Never: SHA-256 has 32 bytes.
    #[must_use]
    pub fn of(key: &ssh_key::public::KeyData) -> Self {
        let fingerprint = key.fingerprint(ssh_key::HashAlg::Sha256);
        Self(
            fingerprint
                .as_bytes()
                .try_into()
                .expect("SHA-256 has 32 bytes"),
        )
    }

    /// Wraps the 32 bytes of a digest.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", ssh_key::Fingerprint::Sha256(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = InvalidFingerprint;

    fn from_str(text: &str) -> Result<Self, InvalidFingerprint> {
        match text.parse() {
            Ok(ssh_key::Fingerprint::Sha256(bytes)) => Ok(Self(bytes)),
            _ => Err(InvalidFingerprint),
        }
    }
}

/// The text is not a SHA-256 fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a fingerprint is written SHA256: and 43 characters of Base64, as `ssh-keygen -l` prints it"
)]
pub struct InvalidFingerprint;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spki_and_back() {
        let key = Ed25519Key::from_bytes([7; 32]);
        assert_eq!(Ed25519Key::from_spki(&key.to_spki()), Some(key));
        assert_eq!(Ed25519Key::from_spki(&key.to_spki()[1..]), None);
        assert_eq!(
            Ed25519Key::from_spki(&[&key.to_spki()[..], &[0]].concat()),
            None
        );
        assert_eq!(Ed25519Key::from_spki(&[]), None);
    }

    #[test]
    fn fingerprint_and_back() {
        let fingerprint = Ed25519Key::from_bytes([7; 32]).fingerprint();
        assert!(fingerprint.to_string().starts_with("SHA256:"));
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        assert!("MD5:aa".parse::<Fingerprint>().is_err());
        assert!("SHA256:AA".parse::<Fingerprint>().is_err());
    }
}
