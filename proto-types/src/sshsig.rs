//! SSHSIG, the signature format of `ssh-keygen -Y sign` (OpenSSH's `PROTOCOL.sshsig`).

use ssh_key::public::KeyData;
use ssh_key::{Algorithm, HashAlg, Signature, SshSig};

use crate::key::Fingerprint;

/// An operator's signature as it travels: the binary blob, without its PEM armour.
///
/// Nothing in it may be believed before [`OperatorSignature::verify`]; the key that it names is
/// only a claim by which to look the operator up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorSignature(SshSig);

/// Why a signature was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The bytes are not an SSHSIG blob.
    #[error("not an SSHSIG signature")]
    Malformed,
    /// Another kind of key than Ed25519.
    #[error("operator keys are ssh-ed25519 for now, not {0}")]
    Algorithm(String),
    /// Made for another purpose.
    #[error("the signature is for the namespace {0:?}")]
    Namespace(String),
    /// The mathematics says no.
    #[error("the signature does not match")]
    Mismatch,
}

impl OperatorSignature {
    /// Parses the binary form. All bytes must belong to it.
    ///
    /// # Errors
    ///
    /// [`SignatureError::Malformed`] for anything but one SSHSIG blob.
    pub fn decode(blob: &[u8]) -> Result<Self, SignatureError> {
        use ssh_encoding::{Decode, Reader};
        let mut reader = blob;
        let signature = SshSig::decode(&mut reader).map_err(|_| SignatureError::Malformed)?;
        if !reader.is_finished() {
            return Err(SignatureError::Malformed);
        }
        let signature = Self::check(signature)?;
        // The parser is lenient about lengths too. One signature has one form: ours.
        match signature.written() {
            Ok(ours) if ours == blob => Ok(signature),
            _ => Err(SignatureError::Malformed),
        }
    }

    /// Parses the armoured form that `ssh-keygen -Y sign` writes.
    ///
    /// # Errors
    ///
    /// [`SignatureError::Malformed`] for anything else.
    pub fn from_pem(pem: &str) -> Result<Self, SignatureError> {
        SshSig::from_pem(pem)
            .map_err(|_| SignatureError::Malformed)
            .and_then(Self::check)
    }

    /// Refuses what the parser lets through and no signature covers: an older version, and bytes
    /// in the reserved field, which [`signed_data`] takes to be empty.
    fn check(signature: SshSig) -> Result<Self, SignatureError> {
        if signature.version() == SshSig::VERSION && signature.reserved().is_empty() {
            Ok(Self(signature))
        } else {
            Err(SignatureError::Malformed)
        }
    }

    /// Builds one from a raw Ed25519 signature over [`signed_data`].
    ///
    /// # Errors
    ///
    /// [`SignatureError::Malformed`] if the parts do not belong together.
    pub fn from_ed25519(key: KeyData, namespace: &str, raw: &[u8]) -> Result<Self, SignatureError> {
        let signature =
            Signature::new(Algorithm::Ed25519, raw).map_err(|_| SignatureError::Malformed)?;
        SshSig::new(key, namespace, HashAlg::Sha512, signature)
            .map(Self)
            .map_err(|_| SignatureError::Malformed)
    }

    /// The binary form.
    ///
    /// # Panics
    ///
    /// Never: a signature that was built or parsed can be written.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.written().expect("a parsed signature can be written")
    }

    fn written(&self) -> Result<Vec<u8>, ssh_encoding::Error> {
        use ssh_encoding::Encode;
        let mut blob = Vec::new();
        self.0.encode(&mut blob)?;
        Ok(blob)
    }

    /// The armoured form, which `ssh-keygen -Y verify` reads.
    ///
    /// # Panics
    ///
    /// Never: a signature that was built or parsed can be written.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.0
            .to_pem(ssh_key::LineEnding::LF)
            .expect("a parsed signature can be written")
    }

    /// The key that claims to have signed.
    #[must_use]
    pub fn claimed_key(&self) -> &KeyData {
        self.0.public_key()
    }

    /// The fingerprint of the key that claims to have signed.
    #[must_use]
    pub fn claimed_fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.claimed_key())
    }

    /// Checks that the claimed key signed exactly `message` for exactly `namespace`.
    ///
    /// # Errors
    ///
    /// Says which check failed.
    pub fn verify(&self, namespace: &str, message: &[u8]) -> Result<(), SignatureError> {
        let KeyData::Ed25519(key) = self.0.public_key() else {
            return Err(SignatureError::Algorithm(self.0.algorithm().to_string()));
        };
        if self.0.namespace() != namespace {
            return Err(SignatureError::Namespace(self.0.namespace().to_owned()));
        }
        if self.0.signature().algorithm() != Algorithm::Ed25519 {
            return Err(SignatureError::Algorithm(
                self.0.signature().algorithm().to_string(),
            ));
        }
        let data = SshSig::signed_data(namespace, self.0.hash_alg(), message)
            .map_err(|_| SignatureError::Malformed)?;
        let key = crate::key::Ed25519Key::from_bytes(key.0);
        if key.verifies(&data, self.0.signature_bytes()) {
            Ok(())
        } else {
            Err(SignatureError::Mismatch)
        }
    }
}

/// The bytes that a key signs when it signs `message` for `namespace`.
///
/// # Errors
///
/// [`SignatureError::Namespace`] for an empty namespace.
pub fn signed_data(namespace: &str, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
    SshSig::signed_data(namespace, HashAlg::Sha512, message)
        .map_err(|_| SignatureError::Namespace(namespace.to_owned()))
}
