//! Nodes in the order in which people look for them, and folded.

use dtx_proto_types::node::{NodeName, fold_names, natural_cmp};

/// The nodes by name, with numbers in their own order.
pub(super) fn sorted<'a>(nodes: impl IntoIterator<Item = &'a NodeName>) -> Vec<NodeName> {
    let mut nodes: Vec<_> = nodes.into_iter().cloned().collect();
    nodes.sort_by(|a, b| natural_cmp(a.as_str(), b.as_str()));
    nodes
}

/// `n[01-16]`.
pub(super) fn fold<'a>(nodes: impl IntoIterator<Item = &'a NodeName>) -> String {
    fold_names(nodes)
}
