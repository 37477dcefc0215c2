//! How a cluster is reached.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use dtx_proto_types::limits;

/// How long a connection to a node may take unless the operator says otherwise.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Sessions kept open at once unless the caller says otherwise: every one is a descriptor, and
/// 1,024 of those are the usual allowance of a process.
pub const SESSIONS_MAX: usize = 900;
/// The TCP and UDP port of agents.
pub const PORT: u16 = 15943;

/// How a cluster is reached.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// Its name; agents of other clusters stay silent.
    pub cluster: String,
    /// Where pinned node keys and the cache are kept.
    pub state_dir: PathBuf,
    /// What to do with a node whose key is not pinned.
    pub new_nodes: NewNodes,
    /// Whether to look for agents by multicast and broadcast.
    pub discovery: bool,
    /// Interfaces for discovery; empty means all that are fit.
    pub interfaces: Vec<String>,
    /// Addresses or names of agents to ask besides, with or without a port.
    pub seeds: Vec<String>,
    /// How long a connection to a node may take.
    pub connect_timeout: Duration,
    /// How long one signature of the operator speaks for this process.
    pub grant_life: Duration,
    /// Most sessions open at once.
    pub sessions_max: usize,
}

impl ClusterOptions {
    /// The cluster `default`, with everything as documented, and its state in `state_dir`.
    #[must_use]
    pub fn new(state_dir: PathBuf) -> Self {
        Self {
            cluster: "default".to_owned(),
            state_dir,
            new_nodes: NewNodes::Ask,
            discovery: true,
            interfaces: Vec::new(),
            seeds: Vec::new(),
            connect_timeout: CONNECT_TIMEOUT,
            grant_life: limits::GRANT_LIFE,
            sessions_max: SESSIONS_MAX,
        }
    }
}

/// What to do with a node whose key is not pinned, once the cluster has pinned nodes. (Where none
/// is pinned yet, what answers is pinned, and a notice says so.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NewNodes {
    /// List it; somebody has to accept it.
    #[default]
    Ask,
    /// Pin it.
    Accept,
    /// Never use it.
    Refuse,
}

/// The text is no way to treat new nodes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("new_nodes is `ask`, `accept` or `refuse`, not {0:?}")]
pub struct InvalidNewNodes(String);

impl FromStr for NewNodes {
    type Err = InvalidNewNodes;

    fn from_str(text: &str) -> Result<Self, InvalidNewNodes> {
        match text {
            "ask" => Ok(Self::Ask),
            "accept" => Ok(Self::Accept),
            "refuse" => Ok(Self::Refuse),
            other => Err(InvalidNewNodes(other.to_owned())),
        }
    }
}
