//! What can be wrong with a configuration.

use std::io;
use std::path::PathBuf;

use dtx_client::hint::Hint;

/// A configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file that was named, or exists, cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file has something wrong in it.
    #[error("{}:{line}: {problem}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What.
        problem: Problem,
    },
    /// There is nowhere to keep state.
    #[error("there is no home directory to keep state in")]
    NoStateDir,
}

/// What is wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Not TOML.
    #[error("{0}")]
    Syntax(String),
    /// A key that there is not.
    #[error("there is no key `{key}`")]
    UnknownKey {
        /// As written.
        key: String,
        /// What was meant, perhaps.
        meant: Option<&'static str>,
    },
    /// A value that the key does not take.
    #[error("`{key}`: {text}")]
    Value {
        /// Whose.
        key: String,
        /// What is wrong with it.
        text: String,
    },
}

impl Hint for SettingsError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Wrong {
                problem:
                    Problem::UnknownKey {
                        meant: Some(meant), ..
                    },
                ..
            } => vec![format!("did you mean `{meant}`?")],
            Self::Wrong {
                problem: Problem::UnknownKey { meant: None, .. },
                ..
            } => vec![format!("the keys are {}", super::KEYS.join(", "))],
            Self::NoStateDir => vec!["name a directory: `--state-dir DIR`".to_owned()],
            Self::Unreadable { .. } | Self::Wrong { .. } => vec![],
        }
    }
}
