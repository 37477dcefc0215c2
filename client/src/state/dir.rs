//! The state directory.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::hint::Hint;

/// The directory that holds pinned keys and the cache of addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir(PathBuf);

/// What is remembered cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Neither `XDG_STATE_HOME` nor `HOME` says where.
    #[error("there is no place for the state of dtx: neither XDG_STATE_HOME nor HOME is set")]
    NoHome,
    /// A file or directory did not do what was wanted.
    #[error("cannot {what} {path}: {source}", path = path.display())]
    File {
        /// `read`, `write` …
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another dtx holds the lock for longer than it ever should.
    #[error("another dtx has been writing {path} for {seconds} s", path = path.display())]
    Locked {
        /// The file that it locks.
        path: PathBuf,
        /// How long was waited.
        seconds: u64,
    },
}

impl Hint for StateError {
    fn hints(&self) -> Vec<String> {
        let another = "or choose another directory: `--state-dir DIR`".to_owned();
        match self {
            Self::NoHome => vec!["choose a directory: `--state-dir DIR`".to_owned()],
            Self::File { path, .. } => vec![format!("look at {}", path.display()), another],
            Self::Locked { path, .. } => {
                vec![
                    format!("see who it is: `fuser {}`", path.display()),
                    another,
                ]
            }
        }
    }
}

impl StateDir {
    /// This directory.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The directory by the XDG rules: `$XDG_STATE_HOME/dtx`, or `~/.local/state/dtx`.
    ///
    /// # Errors
    ///
    /// [`StateError::NoHome`].
    pub fn from_environment() -> Result<Self, StateError> {
        Self::choose(std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME"))
    }

    /// A relative path in these variables is to be ignored, the XDG rules say.
    fn choose(state_home: Option<OsString>, home: Option<OsString>) -> Result<Self, StateError> {
        let absolute =
            |path: Option<OsString>| path.map(PathBuf::from).filter(|path| path.is_absolute());
        absolute(state_home)
            .or_else(|| absolute(home).map(|home| home.join(".local/state")))
            .map(|base| Self(base.join("dtx")))
            .ok_or(StateError::NoHome)
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it.
    #[must_use]
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Makes it, for its owner only, if it is not there.
    pub(crate) fn make(&self) -> Result<(), StateError> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)
            .map_err(|source| StateError::File {
                what: "make",
                path: self.0.clone(),
                source,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_it_lies() {
        for (state_home, home, path) in [
            (Some("/s"), Some("/h"), Some("/s/dtx")),
            (None, Some("/h"), Some("/h/.local/state/dtx")),
            (Some("relative"), Some("/h"), Some("/h/.local/state/dtx")),
            (Some(""), Some("/h"), Some("/h/.local/state/dtx")),
            (None, Some("relative"), None),
            (None, None, None),
        ] {
            let chosen = StateDir::choose(state_home.map(Into::into), home.map(Into::into));
            let path = path.map(StateDir::new);
            assert_eq!(chosen.ok(), path, "{state_home:?} {home:?}");
        }
    }
}
