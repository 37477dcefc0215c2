//! Signed jobs, and how far each is trusted: by type.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::job::JobSpec;
use crate::key::Ed25519Key;
use crate::limits;

/// What precedes a job's bytes when they are signed, so that no other signature can pass for one.
const JOB_DOMAIN: &[u8] = b"dtx-job-v1\0";

/// A job as it travels. Nothing in it may be acted on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedJob {
    /// The encoded [`JobSpec`], exactly as it was signed.
    #[serde(with = "serde_bytes")]
    pub payload: Vec<u8>,
    /// The session key's Ed25519 signature.
    #[serde(with = "serde_bytes")]
    pub signature: Vec<u8>,
}

/// A job whose signature holds over exactly the bytes that `spec` was parsed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedJob {
    signer: Ed25519Key,
    spec: JobSpec,
}

/// Why a job's bytes were not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// Over [`limits::JOB_MAX`].
    #[error("a job of {0} bytes is too large ({max} at most)", max = limits::JOB_MAX)]
    TooLarge(usize),
    /// The signature does not hold.
    #[error("the job's signature does not match this session's key")]
    Signature,
    /// Signed, and still not a job that this build can read.
    #[error("the job asks for something that this agent does not know; it may be older than dtx")]
    Malformed,
}

impl SignedJob {
    /// Verifies the bytes as signed by `signer`, then parses them; every byte must belong.
    ///
    /// # Errors
    ///
    /// Says which check failed first.
    pub fn verify(&self, signer: Ed25519Key) -> Result<VerifiedJob, JobError> {
        if self.payload.len() > limits::JOB_MAX {
            return Err(JobError::TooLarge(self.payload.len()));
        }
        if !signer.verifies(&job_message(&self.payload), &self.signature) {
            return Err(JobError::Signature);
        }
        let spec: JobSpec = decode_exact(&self.payload).map_err(|_| JobError::Malformed)?;
        if spec.batch.len() > limits::BATCH_MAX {
            return Err(JobError::Malformed);
        }
        Ok(VerifiedJob { signer, spec })
    }
}

impl VerifiedJob {
    /// The session key that signed.
    #[must_use]
    pub const fn signer(&self) -> Ed25519Key {
        self.signer
    }

    /// What was signed.
    #[must_use]
    pub const fn spec(&self) -> &JobSpec {
        &self.spec
    }

    /// Gives up the proof for what was signed.
    #[must_use]
    pub fn into_spec(self) -> JobSpec {
        self.spec
    }
}

/// A private Ed25519 key in memory: a session key, or a key made on the spot.
pub struct SecretKey {
    pair: ring::signature::Ed25519KeyPair,
    public: Ed25519Key,
}

impl SecretKey {
    /// Makes the key of a 32-byte seed, which the caller draws from a secure source.
    ///
    /// # Panics
    ///
    /// Never: every seed of 32 bytes is a key.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        use ring::signature::KeyPair;
        let pair = ring::signature::Ed25519KeyPair::from_seed_unchecked(seed)
            .expect("every 32 bytes are a seed");
        let public = pair
            .public_key()
            .as_ref()
            .try_into()
            .expect("a key has 32 bytes");
        Self {
            pair,
            public: Ed25519Key::from_bytes(public),
        }
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> Ed25519Key {
        self.public
    }

    /// Signs bytes as they are. For jobs use [`SecretKey::sign_job`].
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.pair
            .sign(message)
            .as_ref()
            .try_into()
            .expect("a signature has 64 bytes")
    }

    /// Encodes and signs a job.
    ///
    /// # Errors
    ///
    /// [`JobError::TooLarge`] if no agent would take it.
    pub fn sign_job(&self, spec: &JobSpec) -> Result<SignedJob, JobError> {
        let payload = encode(spec);
        if payload.len() > limits::JOB_MAX {
            return Err(JobError::TooLarge(payload.len()));
        }
        let signature = self.sign(&job_message(&payload)).to_vec();
        Ok(SignedJob { payload, signature })
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKey({})", self.public.fingerprint())
    }
}

fn job_message(payload: &[u8]) -> Vec<u8> {
    [JOB_DOMAIN, payload].concat()
}

/// Encodes a value as `MessagePack` with named fields.
///
/// # Panics
///
/// Never for the types of this crate: all of them can be written to memory.
#[must_use]
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    rmp_serde::to_vec_named(value).expect("the wire's types can be written to memory")
}

/// The bytes are not one value of the type asked for.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not such a value.
    #[error("{0}")]
    Malformed(#[from] rmp_serde::decode::Error),
    /// A value, and then something else.
    #[error("{0} bytes too many")]
    Trailing(usize),
}

/// Decodes one value that takes up all of `bytes`.
///
/// # Errors
///
/// For bytes of another form, and for any left over.
pub fn decode_exact<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    // Not `from_read_ref`: that one does not tell how much is left.
    let mut reader = rmp_serde::Deserializer::new(bytes);
    // Nothing on the wire nests deeper than a body in a spec; a peer's nesting may not use up the
    // stack.
    reader.set_max_depth(16);
    let value = T::deserialize(&mut reader)?;
    let rest = reader.get_ref().len();
    if rest > 0 {
        Err(DecodeError::Trailing(rest))
    } else {
        Ok(value)
    }
}
