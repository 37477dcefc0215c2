//! One writer at a time.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::dir::{StateDir, StateError};

/// Writing takes milliseconds; whoever holds the lock for so long hangs.
const PATIENCE: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_millis(5);

/// Held while a file is read, changed and replaced. The lock is a file of its own, because the
/// file itself is replaced. Released when dropped, and by the kernel when its holder dies.
#[derive(Debug)]
pub(crate) struct Lock {
    _held: Flock<File>,
}

impl Lock {
    /// Waits for the lock of a file in this directory. Blocks for at most five seconds.
    pub(crate) fn take(dir: &StateDir, name: &str) -> Result<Self, StateError> {
        dir.make()?;
        let path = dir.file(&format!("{name}.lock"));
        let deadline = Instant::now() + PATIENCE;
        let mut file = open(&path)?;
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(held) => return Ok(Self { _held: held }),
                Err((back, Errno::EWOULDBLOCK | Errno::EINTR)) => file = back,
                Err((_, error)) => {
                    return Err(StateError::File {
                        what: "lock",
                        path,
                        source: error.into(),
                    });
                }
            }
            if Instant::now() >= deadline {
                let seconds = PATIENCE.as_secs();
                return Err(StateError::Locked { path, seconds });
            }
            std::thread::sleep(RETRY);
        }
    }
}

fn open(path: &Path) -> Result<File, StateError> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|source| StateError::File {
            what: "open",
            path: path.to_owned(),
            source,
        })
}
