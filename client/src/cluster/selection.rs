//! The nodes of a run, and what was learned while they were found.

use std::net::SocketAddr;

use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::node::NodeName;

/// Which nodes are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Targets {
    /// All that answer now, and all pinned ones seen within a day.
    All,
    /// These, in this order: names, aliases or addresses.
    Nodes(Vec<NodeName>),
}

impl Targets {
    /// These nodes, in this order.
    pub fn nodes(nodes: impl IntoIterator<Item = NodeName>) -> Self {
        Self::Nodes(nodes.into_iter().collect())
    }
}

/// The nodes of a run, in order, and what was learned while they were found.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// In the order written; with [`Targets::All`], sorted.
    pub nodes: Vec<Selected>,
    /// Proved their keys and are not accepted yet. Typed ones are among `nodes`, too, and are
    /// `unreachable` unless they are accepted; found ones are not part of the selection.
    pub new: Vec<NewNode>,
    /// Expected and did not answer discovery. They are among `nodes` and tried by unicast.
    pub silent: Vec<NodeName>,
    /// Names that cannot be used until the operator chooses.
    pub conflicts: Vec<Conflict>,
    /// What the operator should know: first use, drops, interfaces that failed.
    pub notices: Vec<String>,
}

/// One node of a selection.
#[derive(Debug, Clone)]
pub struct Selected {
    /// As it was typed or found. It labels the node in events and results.
    pub node: NodeName,
    /// How it was found.
    pub found: Found,
    /// Where it is tried, best first.
    pub addresses: Vec<SocketAddr>,
    /// Why it will not be tried, if so.
    pub unusable: Option<String>,
}

/// How a node was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Found {
    /// It answered discovery.
    Discovery,
    /// From the cache of earlier runs.
    Cache,
    /// Its name was looked up by the system (DNS, hosts file).
    Dns,
    /// An address was typed.
    Address,
    /// No way to it is known.
    Nowhere,
}

impl Found {
    /// The word for it in outputs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Discovery => "discovery",
            Self::Cache => "cache",
            Self::Dns => "dns",
            Self::Address => "address",
            Self::Nowhere => "nowhere",
        }
    }
}

/// A node that proved its key and is not accepted yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNode {
    /// As it was typed or found.
    pub node: NodeName,
    /// The name that it gave.
    pub name: NodeName,
    /// Its key.
    pub key: Fingerprint,
    /// Where it was reached.
    pub address: SocketAddr,
    /// Whether it was named by the operator.
    pub typed: bool,
}

/// A name that cannot be used until the operator chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The name.
    pub node: NodeName,
    /// Who claims it, and what to do.
    pub text: String,
}

impl Selection {
    /// The nodes' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &NodeName> {
        self.nodes.iter().map(|selected| &selected.node)
    }

    /// Keeps only some nodes, in their order.
    pub fn retain(&mut self, mut keep: impl FnMut(&NodeName) -> bool) {
        self.nodes.retain(|selected| keep(&selected.node));
        self.new.retain(|new| keep(&new.node));
        self.silent.retain(|node| keep(node));
    }
}
