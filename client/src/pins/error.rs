//! What can go wrong with `known_nodes`.

use std::path::PathBuf;

use super::changed::ChangedKey;
use super::line::LineError;
use crate::hint::Hint;
use crate::state::StateError;

/// The known keys cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum PinsError {
    /// A line that makes no sense. Nothing is believed until it does.
    #[error("{path}:{line}: {source}", path = path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line's number.
        line: usize,
        /// What is wrong.
        source: LineError,
    },
    /// The file or its directory.
    #[error(transparent)]
    State(#[from] StateError),
    /// Somebody pinned another key in the meantime.
    #[error(transparent)]
    Changed(#[from] Box<ChangedKey>),
    /// A cluster name that would not be read back.
    #[error("the cluster name {0:?} cannot stand in known_nodes: no spaces, not empty, no `#`")]
    Cluster(String),
}

impl Hint for PinsError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Line { path, line, .. } => {
                vec![format!(
                    "repair or delete line {line} of {}",
                    path.display()
                )]
            }
            Self::State(error) => error.hints(),
            Self::Changed(changed) => changed.hints(),
            Self::Cluster(_) => vec!["choose another: `--cluster NAME`".to_owned()],
        }
    }
}
