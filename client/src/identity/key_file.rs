//! Private and public key files of OpenSSH.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use dtx_proto_types::key::Ed25519Key;
use dtx_proto_types::signed::SecretKey;
use ssh_key::private::KeypairData;
use ssh_key::public::KeyData;
use ssh_key::{PrivateKey, PublicKey};

/// Larger files are no keys.
const FILE_MAX: u64 = 64 * 1024;

/// What a private key file holds.
#[derive(Debug)]
pub(super) enum KeyFile {
    /// A key that can be used at once.
    Plain {
        /// The key.
        secret: SecretKey,
        /// The comment beside it.
        comment: String,
    },
    /// A key behind a passphrase. Its public half is readable.
    Encrypted {
        /// The public half.
        public: Ed25519Key,
    },
}

/// Why a key file cannot be used. The text follows the file's name.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyFileError {
    /// There is none.
    #[error("does not exist")]
    Missing,
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Io(io::Error),
    /// Others may read it, so `ssh` would not use it, either.
    #[error("is refused: its permissions {mode:04o} are too open (`chmod 600 {}`)", path.display())]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is no key in OpenSSH's format.
    #[error("is not a key in OpenSSH's format")]
    Malformed,
    /// Another kind of key.
    #[error("is a key of another kind ({0}); operator keys are ssh-ed25519 for now")]
    Algorithm(String),
}

/// Reads a private key file, which must be as private as `ssh` demands.
pub(super) fn read_private(path: &Path) -> Result<KeyFile, KeyFileError> {
    let mut file = open(path)?;
    let metadata = file.metadata().map_err(KeyFileError::Io)?;
    let mode = metadata.mode() & 0o7777;
    // The rule of ssh: it minds only files of the user who runs it. Whoever reads another's
    // private key has been let.
    if metadata.uid() == nix::unistd::getuid().as_raw() && mode & 0o077 != 0 {
        return Err(KeyFileError::TooOpen {
            path: path.to_owned(),
            mode,
        });
    }
    parse_private(&read(&mut file)?)
}

fn parse_private(text: &str) -> Result<KeyFile, KeyFileError> {
    let key = PrivateKey::from_openssh(text).map_err(unreadable)?;
    let public = ed25519(key.public_key().key_data())?;
    match key.key_data() {
        KeypairData::Encrypted(_) => Ok(KeyFile::Encrypted { public }),
        KeypairData::Ed25519(pair) => {
            let secret = SecretKey::from_seed(&pair.private.to_bytes());
            // The file repeats the public half, and nothing but mathematics says that it is true.
            if secret.public() == public {
                let comment = key.comment().to_owned();
                Ok(KeyFile::Plain { secret, comment })
            } else {
                Err(KeyFileError::Malformed)
            }
        }
        _ => Err(KeyFileError::Malformed),
    }
}

/// Reads a `.pub` file: the key and its comment.
pub(super) fn read_public(path: &Path) -> Result<(Ed25519Key, String), KeyFileError> {
    let text = read(&mut open(path)?)?;
    let key = PublicKey::from_openssh(text.trim()).map_err(|error| match unreadable(error) {
        // The line itself says what kind it is.
        KeyFileError::Algorithm(_) => KeyFileError::Algorithm(
            text.split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned(),
        ),
        other => other,
    })?;
    Ok((ed25519(key.key_data())?, key.comment().to_owned()))
}

/// A kind of key that is not read here is told from what is no key at all.
fn unreadable(error: ssh_key::Error) -> KeyFileError {
    match error {
        ssh_key::Error::AlgorithmUnsupported { algorithm } => {
            KeyFileError::Algorithm(algorithm.to_string())
        }
        ssh_key::Error::AlgorithmUnknown => KeyFileError::Algorithm("unknown".to_owned()),
        _ => KeyFileError::Malformed,
    }
}

fn open(path: &Path) -> Result<File, KeyFileError> {
    File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => KeyFileError::Missing,
        _ => KeyFileError::Io(error),
    })
}

fn read(file: &mut File) -> Result<String, KeyFileError> {
    let mut text = String::new();
    file.take(FILE_MAX)
        .read_to_string(&mut text)
        .map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => KeyFileError::Malformed,
            _ => KeyFileError::Io(error),
        })?;
    Ok(text)
}

/// The raw key, if it is of the kind that can be an operator's.
pub(super) fn ed25519(key: &KeyData) -> Result<Ed25519Key, KeyFileError> {
    key.ed25519()
        .map(|key| Ed25519Key::from_bytes(key.0))
        .ok_or_else(|| KeyFileError::Algorithm(key.algorithm().to_string()))
}
