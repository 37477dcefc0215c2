//! The state directory.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use dtx_proto_types::node::NodeName;
use nix::fcntl::{Flock, FlockArg};

/// The state directory of one agent, held by a lock as long as this value lives.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    _lock: Flock<File>,
}

/// Why the state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It cannot be made or written.
    #[error("cannot use the state directory {path}: {source}; give another with --state-dir")]
    Io {
        /// What was touched.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another agent runs there.
    #[error("another agent uses the state directory {0}; give each agent its own --state-dir")]
    Locked(PathBuf),
    /// The node has no usable name.
    #[error("cannot tell this node's name from {origin}: {reason}; give one with --name")]
    Name {
        /// Where the name came from.
        origin: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl StateDir {
    /// Makes the directories where they are missing, sets their modes and takes the lock.
    ///
    /// # Errors
    ///
    /// If something cannot be made, or another agent holds the lock.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        make_directory(path, 0o711)?;
        make_directory(&path.join("executor"), 0o700)?;
        make_directory(&path.join("scripts"), 0o711)?;
        let lock_path = path.join("executor/lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(|source| StateError::Io {
                path: lock_path.clone(),
                source,
            })?;
        let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock)
            .map_err(|_| StateError::Locked(path.to_owned()))?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Where journal and audit log lie.
    #[must_use]
    pub fn executor(&self) -> PathBuf {
        self.path.join("executor")
    }

    /// Where the scripts of running jobs lie.
    #[must_use]
    pub fn scripts(&self) -> PathBuf {
        self.path.join("scripts")
    }

    /// Where the node key lies.
    #[must_use]
    pub fn node_key(&self) -> PathBuf {
        self.path.join("host_key")
    }

    /// The node's name: the one kept from an earlier start, else the short host name, which is
    /// kept from now on. So a node that is renamed by DHCP does not become another node.
    ///
    /// # Errors
    ///
    /// If there is no usable name or it cannot be kept.
    pub fn node_name(&self) -> Result<NodeName, StateError> {
        let path = self.path.join("name");
        match fs::read_to_string(&path) {
            Ok(text) => parse_name(text.trim(), &path.display().to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let host = nix::unistd::gethostname().unwrap_or_default();
                let host = host.to_string_lossy();
                let short = host.split('.').next().unwrap_or_default();
                let name = parse_name(short, "the host name")?;
                fs::write(&path, format!("{name}\n"))
                    .map_err(|source| StateError::Io { path, source })?;
                Ok(name)
            }
            Err(source) => Err(StateError::Io { path, source }),
        }
    }
}

fn parse_name(text: &str, origin: &str) -> Result<NodeName, StateError> {
    text.parse().map_err(|error| StateError::Name {
        origin: origin.to_owned(),
        reason: format!("{error}"),
    })
}

fn make_directory(path: &Path, mode: u32) -> Result<(), StateError> {
    let made = DirBuilder::new().recursive(true).mode(mode).create(path);
    made.and_then(|()| fs::set_permissions(path, Permissions::from_mode(mode)))
        .map_err(|source| StateError::Io {
            path: path.to_owned(),
            source,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_agent_at_a_time_and_a_name_that_stays() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("state");
        let state = StateDir::open(&path).unwrap();
        assert!(matches!(StateDir::open(&path), Err(StateError::Locked(_))));
        fs::write(path.join("name"), "kept\n").unwrap();
        assert_eq!(state.node_name().unwrap().as_str(), "kept");
        drop(state);
        assert_eq!(
            StateDir::open(&path).unwrap().node_name().unwrap().as_str(),
            "kept"
        );
        fs::write(path.join("name"), "-bad\n").unwrap();
        let error = StateDir::open(&path)
            .unwrap()
            .node_name()
            .unwrap_err()
            .to_string();
        assert!(error.contains("--name"), "{error}");
    }
}
