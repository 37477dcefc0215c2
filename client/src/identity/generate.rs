//! Making an operator key.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::signed::SecretKey;
use ssh_key::private::{Ed25519Keypair, Ed25519PrivateKey, KeypairData};
use ssh_key::public::Ed25519PublicKey;
use ssh_key::{LineEnding, PrivateKey};

use crate::hint::Hint;
use crate::random;

/// A key that has been made and written.
#[derive(Debug, Clone)]
pub struct Generated {
    /// Where its public half is.
    pub public_path: PathBuf,
    /// Its name.
    pub fingerprint: Fingerprint,
    /// The line that goes into an operators file.
    pub public_line: String,
}

/// Why no key was made. Nothing was overwritten.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// There is such a file already.
    #[error("{} exists and is not overwritten", .0.display())]
    Exists(PathBuf),
    /// A file cannot be written.
    #[error("{} cannot be written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system has no random bytes.
    #[error("the system gives no random bytes")]
    Random,
}

impl Hint for GenerateError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Exists(path) => vec![
                format!("use it: `dtx -i {} …`", path.display()),
                "or choose another name: `dtx keys new FILE`".to_owned(),
            ],
            Self::Io { .. } | Self::Random => vec![],
        }
    }
}

/// Makes an Ed25519 key and writes `path` (mode 0600) and `path.pub` in OpenSSH's format, without
/// a passphrase (`ssh-keygen -p -f FILE` sets one).
///
/// # Errors
///
/// If either file exists or cannot be written.
///
/// # Panics
///
/// Never: a key that was just made can be written.
pub fn generate_key_file(path: &Path, comment: &str) -> Result<Generated, GenerateError> {
    let seed = random::bytes::<32>().map_err(|_| GenerateError::Random)?;
    let secret = SecretKey::from_seed(&seed);
    let pair = Ed25519Keypair {
        public: Ed25519PublicKey(*secret.public().as_bytes()),
        private: Ed25519PrivateKey::from_bytes(&seed),
    };
    let key = PrivateKey::new(KeypairData::Ed25519(pair), comment)
        .expect("a key of both halves is a key");
    let text = key
        .to_openssh(LineEnding::LF)
        .expect("a key in memory can be written");
    let public_line = key
        .public_key()
        .to_openssh()
        .expect("a key in memory can be written");
    let public_path = with_pub(path);
    if public_path.exists() {
        return Err(GenerateError::Exists(public_path));
    }
    write_new(path, 0o600, text.as_bytes())?;
    write_new(&public_path, 0o644, format!("{public_line}\n").as_bytes())?;
    Ok(Generated {
        public_path,
        fingerprint: secret.public().fingerprint(),
        public_line,
    })
}

/// `FILE.pub` for `FILE`.
pub(super) fn with_pub(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), GenerateError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    options
        .open(path)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => GenerateError::Exists(path.to_owned()),
            _ => GenerateError::Io {
                path: path.to_owned(),
                source,
            },
        })
}
