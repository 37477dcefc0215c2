//! A grant: the operator's word that a session key speaks for him, for a few minutes.

use serde::{Deserialize, Serialize};

use crate::key::{Ed25519Key, Fingerprint};
use crate::limits;
use crate::signed::{decode_exact, encode};
use crate::sshsig::{OperatorSignature, SignatureError};

/// The SSHSIG namespace of a grant. Nothing else that an operator signs has it.
pub const NAMESPACE: &str = "dtx-grant-v1";

/// What the operator key signs, once for each invocation of `dtx`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Format of this grant; 1.
    pub version: u16,
    /// The key that will speak for the operator.
    pub session_key: Ed25519Key,
    /// The operator's own key, by fingerprint.
    pub operator: Fingerprint,
    /// The cluster for which it holds.
    pub cluster: String,
    /// From when, in milliseconds since 1970.
    pub issued_ms: u64,
    /// Until when, in milliseconds since 1970.
    pub expires_ms: u64,
    /// Tells two grants apart.
    #[serde(with = "serde_bytes")]
    pub nonce: [u8; 16],
    /// The host on which `dtx` runs, for the audit.
    pub client_host: String,
    /// The local user who runs it, for the audit.
    pub client_user: String,
}

/// A grant as it travels. Nothing in it may be believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedGrant {
    /// The encoded [`Grant`], exactly as it was signed.
    #[serde(with = "serde_bytes")]
    pub payload: Vec<u8>,
    /// The SSHSIG blob over `payload`.
    #[serde(with = "serde_bytes")]
    pub signature: Vec<u8>,
}

/// A grant whose signature holds over exactly the bytes that it was parsed from. Whether its
/// operator is known, its time is right and its session key is the peer's is for the node to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedGrant(Grant);

/// Why a grant's bytes were not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// Over [`limits::GRANT_MAX`].
    #[error("a grant of {0} bytes is too large")]
    TooLarge(usize),
    /// The signature does not hold.
    #[error("the grant's signature was not accepted: {0}")]
    Signature(#[from] SignatureError),
    /// Signed, and still not a grant of version 1.
    #[error("the grant cannot be read; client and agent may be of different versions")]
    Malformed,
    /// The key that signed is not the one named inside.
    #[error("the grant names another operator key than the one that signed it")]
    Operator,
}

impl SignedGrant {
    /// Checks the sizes and reads the signature, without any mathematics: enough to look the
    /// operator up.
    ///
    /// # Errors
    ///
    /// [`GrantError::TooLarge`] or a malformed signature.
    pub fn signature(&self) -> Result<OperatorSignature, GrantError> {
        let size = self.payload.len() + self.signature.len();
        if size > limits::GRANT_MAX {
            return Err(GrantError::TooLarge(size));
        }
        Ok(OperatorSignature::decode(&self.signature)?)
    }

    /// Verifies the bytes, then parses them.
    ///
    /// # Errors
    ///
    /// Says which check failed first.
    pub fn verify(&self) -> Result<VerifiedGrant, GrantError> {
        let signature = self.signature()?;
        signature.verify(NAMESPACE, &self.payload)?;
        let grant: Grant = decode_exact(&self.payload).map_err(|_| GrantError::Malformed)?;
        if grant.version != 1 {
            return Err(GrantError::Malformed);
        }
        if grant.operator != signature.claimed_fingerprint() {
            return Err(GrantError::Operator);
        }
        Ok(VerifiedGrant(grant))
    }
}

impl VerifiedGrant {
    /// What the operator signed.
    #[must_use]
    pub const fn grant(&self) -> &Grant {
        &self.0
    }
}

impl Grant {
    /// The bytes to be signed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }
}
