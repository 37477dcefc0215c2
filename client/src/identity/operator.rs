//! The operator's key in use.

use std::path::PathBuf;

use dtx_proto_types::grant::{Grant, NAMESPACE, SignedGrant};
use dtx_proto_types::key::{Ed25519Key, Fingerprint};
use dtx_proto_types::signed::SecretKey;
use dtx_proto_types::sshsig::{OperatorSignature, signed_data};
use ssh_key::PublicKey;

use super::agent::{self, AgentError, key_data};
use super::keygen::{self, KeygenError};
use crate::hint::Hint;

/// An operator's key, wherever its private half lies.
#[derive(Debug)]
pub struct Identity {
    public: Ed25519Key,
    comment: String,
    signer: Signer,
}

#[derive(Debug)]
pub(super) enum Signer {
    /// In memory, read from `file` if it has one.
    Memory {
        secret: SecretKey,
        file: Option<PathBuf>,
    },
    /// In the ssh-agent behind this socket.
    Agent(PathBuf),
    /// In a file that only `ssh-keygen` can open, with a person's help.
    Keygen(PathBuf),
}

/// Why the operator's key did not sign.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The agent was no help.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// `ssh-keygen` was no help.
    #[error(transparent)]
    Keygen(#[from] KeygenError),
    /// What came back is no signature of this key over these bytes.
    #[error("{0} answered with a signature that does not hold")]
    Invalid(String),
}

impl Hint for SignError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Agent(AgentError::Refused) => {
                vec!["unlock the agent (`ssh-add -X`) or name a key file: `-i FILE`".to_owned()]
            }
            Self::Agent(_) => vec!["name a key file: `-i FILE`".to_owned()],
            Self::Keygen(_) => vec!["load the key once: `ssh-add FILE`".to_owned()],
            Self::Invalid(_) => vec![],
        }
    }
}

impl Identity {
    pub(super) const fn new(public: Ed25519Key, comment: String, signer: Signer) -> Self {
        Self {
            public,
            comment,
            signer,
        }
    }

    /// An operator whose key is in memory: made on the spot for a demo or a test.
    #[must_use]
    pub fn from_secret(secret: SecretKey) -> Self {
        let public = secret.public();
        Self::new(public, String::new(), Signer::Memory { secret, file: None })
    }

    /// The name of the key.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.public.fingerprint()
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> Ed25519Key {
        self.public
    }

    /// The line for an operators file or `authorized_keys`: kind, key, comment.
    ///
    /// # Panics
    ///
    /// Never: an Ed25519 key can be written.
    #[must_use]
    pub fn public_line(&self) -> String {
        PublicKey::new(key_data(self.public), self.comment.clone())
            .to_openssh()
            .expect("an Ed25519 key can be written")
    }

    /// Where the private half lies, for a person.
    #[must_use]
    pub fn origin(&self) -> String {
        match &self.signer {
            Signer::Memory { file: None, .. } => "a key in memory".to_owned(),
            Signer::Memory {
                file: Some(path), ..
            }
            | Signer::Keygen(path) => path.display().to_string(),
            Signer::Agent(_) if self.comment.is_empty() => "ssh-agent".to_owned(),
            Signer::Agent(_) => format!("ssh-agent ({})", self.comment),
        }
    }

    /// Whether signing may ask a person for something each time.
    #[must_use]
    pub const fn asks(&self) -> bool {
        matches!(self.signer, Signer::Keygen(_))
    }

    /// Signs a grant: the one signature of an invocation.
    ///
    /// # Errors
    ///
    /// If the key cannot be used, or what it answered does not hold.
    ///
    /// # Panics
    ///
    /// Never: the namespace is not empty.
    pub async fn sign_grant(&self, grant: &Grant) -> Result<SignedGrant, SignError> {
        let payload = grant.encode();
        let data = signed_data(NAMESPACE, &payload).expect("the namespace is not empty");
        let signature = match &self.signer {
            Signer::Memory { secret, .. } => self.armour(&secret.sign(&data))?,
            Signer::Agent(socket) => {
                self.armour(&agent::sign(socket, self.public, &data).await?)?
            }
            Signer::Keygen(path) => keygen::sign(path, NAMESPACE, &payload).await?,
        };
        // A signature that 512 nodes would refuse is better refused here, once.
        let held = signature.claimed_fingerprint() == self.fingerprint()
            && signature.verify(NAMESPACE, &payload).is_ok();
        if !held {
            return Err(SignError::Invalid(self.origin()));
        }
        Ok(SignedGrant {
            payload,
            signature: signature.encode(),
        })
    }

    fn armour(&self, raw: &[u8]) -> Result<OperatorSignature, SignError> {
        OperatorSignature::from_ed25519(key_data(self.public), NAMESPACE, raw)
            .map_err(|_| SignError::Invalid(self.origin()))
    }
}
