//! What a discovery is to find.

use std::collections::BTreeSet;

use dtx_proto_types::node::NodeName;

use crate::hint::Hint;

/// Names that no pin vouches for and that are taken nevertheless, in one discovery.
const NEW_MAX: usize = 4096;

/// What a discovery is to find.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whose agents.
    pub cluster: String,
    /// Ask on these interfaces only; empty for every fit one. Loopback takes part only if named.
    pub interfaces: Vec<String>,
    /// Nodes that should answer (those pinned): when all have and nobody else has, one round is
    /// enough.
    pub expected: BTreeSet<NodeName>,
    /// Whether to go on through all rounds while an expected node is missing: for names that
    /// somebody typed and that nothing else leads to.
    pub insist: bool,
    /// How many nodes there may be, if more than are expected; 0 if unknown.
    pub population: usize,
    /// Most names beside the expected ones; more are ignored and counted.
    pub new_max: usize,
}

impl Options {
    /// Whoever is there in this cluster.
    #[must_use]
    pub fn new(cluster: impl Into<String>) -> Self {
        Self {
            cluster: cluster.into(),
            interfaces: Vec::new(),
            expected: BTreeSet::new(),
            insist: false,
            population: 0,
            new_max: NEW_MAX,
        }
    }
}

/// A discovery cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// A named interface does not exist, is down or cannot multicast.
    #[error("the interface {0} does not exist, is down or cannot multicast")]
    Interface(String),
    /// The cluster's name fits into no query.
    #[error("the cluster name {0:?} cannot be used: 1 to 64 visible ASCII characters")]
    Cluster(String),
    /// The system did not give what is needed.
    #[error("discovery cannot start: {0}")]
    System(#[from] std::io::Error),
}

impl Hint for DiscoveryError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Interface(_) => vec!["see which there are: `ip -br link`".to_owned()],
            Self::Cluster(_) => vec!["choose another: `--cluster NAME`".to_owned()],
            Self::System(_) => vec!["name nodes instead: `-w NAME,ADDRESS`".to_owned()],
        }
    }
}
