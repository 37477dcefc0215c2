//! The node key: an Ed25519 key in OpenSSH format, made at the first start.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use dtx_proto_types::key::Ed25519Key;
use dtx_proto_types::signed::SecretKey;
use ring::rand::{SecureRandom, SystemRandom};
use ssh_key::private::{Ed25519Keypair, Ed25519PrivateKey, KeypairData};
use ssh_key::public::Ed25519PublicKey;
use ssh_key::{LineEnding, PrivateKey};

/// The seed of the node key and its public half.
pub struct NodeKey {
    seed: [u8; 32],
    public: Ed25519Key,
}

/// Why there is no node key.
#[derive(Debug, thiserror::Error)]
pub enum NodeKeyError {
    /// The file cannot be read or written.
    #[error("cannot use the node key {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something else lies there.
    #[error(
        "{path} is no unencrypted Ed25519 key; move it away, and the agent makes a new one \
             (operators will be told that the node's key changed)"
    )]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// Others can read it.
    #[error(
        "{path} can be read by others (mode {mode:04o}): run `chmod 600 {path}`, or move it \
             away if others may have seen it"
    )]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// No randomness.
    #[error("the system gives no random bytes for a node key")]
    Random,
}

impl NodeKey {
    /// Reads the key, or makes one where there is none; its public half lies beside it (`.pub`).
    ///
    /// # Errors
    ///
    /// If the file is unusable; it is never replaced.
    pub fn open(path: &Path, comment: &str) -> Result<Self, NodeKeyError> {
        let key = match fs::read_to_string(path) {
            Ok(text) => {
                let mode = fs::metadata(path)
                    .map_err(|source| io_error(path, source))?
                    .mode();
                if mode & 0o077 != 0 {
                    return Err(NodeKeyError::TooOpen {
                        path: path.to_owned(),
                        mode: mode & 0o777,
                    });
                }
                Self::from_openssh(&text).ok_or_else(|| NodeKeyError::NotAKey {
                    path: path.to_owned(),
                })?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(path, comment)?,
            Err(source) => return Err(io_error(path, source)),
        };
        key.write_public(path, comment)?;
        Ok(key)
    }

    /// The seed, for the front's TLS.
    #[must_use]
    pub const fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> Ed25519Key {
        self.public
    }

    fn from_openssh(text: &str) -> Option<Self> {
        let key = PrivateKey::from_openssh(text).ok()?;
        let KeypairData::Ed25519(pair) = key.key_data() else {
            return None;
        };
        let seed = pair.private.to_bytes();
        Some(Self {
            public: SecretKey::from_seed(&seed).public(),
            seed,
        })
    }

    fn make(path: &Path, comment: &str) -> Result<Self, NodeKeyError> {
        let mut seed = [0; 32];
        SystemRandom::new()
            .fill(&mut seed)
            .map_err(|_| NodeKeyError::Random)?;
        let public = SecretKey::from_seed(&seed).public();
        let pair = Ed25519Keypair {
            public: Ed25519PublicKey(*public.as_bytes()),
            private: Ed25519PrivateKey::from_bytes(&seed),
        };
        let text = PrivateKey::new(KeypairData::Ed25519(pair), comment)
            .and_then(|key| key.to_openssh(LineEnding::LF))
            .map_err(|_| NodeKeyError::NotAKey {
                path: path.to_owned(),
            })?;
        // Written aside and moved, so that a crash leaves no half of a key.
        let aside = path.with_extension("new");
        drop(fs::remove_file(&aside));
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&aside)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&aside, path))
            .map_err(|source| io_error(path, source))?;
        Ok(Self { seed, public })
    }

    fn write_public(&self, path: &Path, comment: &str) -> Result<(), NodeKeyError> {
        let path = path.with_extension("pub");
        let data = ssh_key::public::KeyData::from(Ed25519PublicKey(*self.public.as_bytes()));
        let text = ssh_key::PublicKey::new(data, comment)
            .to_openssh()
            .map_err(|_| NodeKeyError::NotAKey { path: path.clone() })?
            + "\n";
        if fs::read_to_string(&path).is_ok_and(|present| present == text) {
            return Ok(());
        }
        fs::write(&path, text)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o644)))
            .map_err(|source| io_error(&path, source))
    }
}

impl std::fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NodeKey({})", self.public.fingerprint())
    }
}

fn io_error(path: &Path, source: io::Error) -> NodeKeyError {
    NodeKeyError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_once_and_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("host_key");
        let first = NodeKey::open(&path, "n1").unwrap();
        let again = NodeKey::open(&path, "n1").unwrap();
        assert_eq!(first.public(), again.public());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let public = fs::read_to_string(path.with_extension("pub")).unwrap();
        let public = ssh_key::PublicKey::from_openssh(&public).unwrap();
        assert_eq!(
            dtx_proto_types::key::Fingerprint::of(public.key_data()),
            first.public().fingerprint()
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            NodeKey::open(&path, "n1"),
            Err(NodeKeyError::TooOpen { .. })
        ));
        fs::write(&path, "not a key").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(
            NodeKey::open(&path, "n1"),
            Err(NodeKeyError::NotAKey { .. })
        ));
        assert_eq!(fs::read_to_string(&path).unwrap(), "not a key");
    }
}
