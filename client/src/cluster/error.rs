//! What can go wrong before a run begins. Afterwards, whatever happens is a node's outcome.

use std::path::PathBuf;

use dtx_proto_types::limits;

use crate::discovery::DiscoveryError;
use crate::hint::Hint;
use crate::identity::SignError;
use crate::pins::PinsError;

/// A cluster cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operator's key did not sign the grant.
    #[error("the operator's key cannot be used")]
    Sign(#[from] SignError),
    /// The grant would be larger than any node accepts.
    #[error("the grant would be larger than {max} bytes", max = limits::GRANT_MAX)]
    GrantTooLarge,
    /// The system has no random bytes.
    #[error("the system gives no random bytes")]
    Random,
    /// Pinned keys or the cache cannot be read.
    #[error("{text}")]
    State {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        text: String,
    },
}

impl Hint for OpenError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Sign(error) => error.hints(),
            Self::State { path, .. } => vec![format!(
                "look at {}, or choose another directory: `--state-dir DIR`",
                path.display()
            )],
            Self::GrantTooLarge | Self::Random => vec![],
        }
    }
}

/// No selection can be made. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// Nothing is left to run on.
    #[error("the selection is empty: {0}")]
    Empty(String),
    /// A name has no address.
    #[error("no way to {} is known", .0.join(", "))]
    Unknown(Vec<String>),
    /// Discovery cannot be asked.
    #[error("discovery is not possible")]
    Discovery(#[source] DiscoveryError),
    /// The keys of new nodes could not be written.
    #[error("the keys of new nodes cannot be pinned")]
    Pin(#[from] PinsError),
    /// The program is ending.
    #[error("the selection was interrupted: {0}")]
    Interrupted(String),
}

impl Hint for SelectError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Empty(_) => vec![
                "see who is there: `dtx nodes`".to_owned(),
                "where multicast is filtered, name nodes: `-w NAME,ADDRESS`".to_owned(),
            ],
            Self::Unknown(_) => vec![
                "see who is there: `dtx nodes`".to_owned(),
                "or give an address, or a name that the system can look up".to_owned(),
            ],
            Self::Discovery(error) => error.hints(),
            Self::Pin(error) => error.hints(),
            Self::Interrupted(_) => vec![],
        }
    }
}

/// A job cannot be sent to any node. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The selection has no node.
    #[error("the selection is empty")]
    Empty,
    /// A run has more nodes than can be counted.
    #[error("a run of {0} nodes is too large")]
    TooManyNodes(usize),
    /// No agent would take it.
    #[error("the job has {size} bytes, and at most {max} are taken", max = limits::JOB_MAX)]
    JobTooLarge {
        /// As it would be signed.
        size: usize,
    },
    /// Linux would refuse it.
    #[error("a command line or argument of {size} bytes is more than Linux takes ({max})", max = limits::ARGUMENT_MAX)]
    ArgumentTooLong {
        /// Its length.
        size: usize,
    },
    /// A zero byte cannot be handed to a program.
    #[error("{0} contains a zero byte")]
    ZeroByte(&'static str),
    /// Too much for a digest.
    #[error("standard input of {size} bytes is more than {max}", max = limits::SIZED_STDIN_MAX)]
    StdinTooLarge {
        /// Its length.
        size: u64,
    },
    /// The system has no random bytes.
    #[error("the system gives no random bytes")]
    Random,
}

impl Hint for RunError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::ArgumentTooLong { .. } => {
                vec!["put it into a file and send that: `--script FILE`".to_owned()]
            }
            Self::JobTooLarge { .. } => {
                vec!["send data on standard input: `--stdin`".to_owned()]
            }
            Self::StdinTooLarge { .. } => vec!["stream it instead".to_owned()],
            Self::Empty | Self::TooManyNodes(_) | Self::ZeroByte(_) | Self::Random => vec![],
        }
    }
}
