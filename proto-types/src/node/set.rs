//! Sets of nodes.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::error::{NodeSetProblem, ParseNodeSetError};
use super::fold::fold_names;
use super::name::NodeName;
use super::pattern::Pattern;
use super::scan::Scanner;
use crate::limits;

/// A set of nodes in the order written, without duplicates; shown folded and sorted.
///
/// A node's position is its rank in a run, so two sets are equal only if the order is the same;
/// [`NodeSet::has_same_nodes`] does not look at it.
///
/// ```
/// use dtx_proto_types::node::NodeSet;
///
/// let set: NodeSet = "n3 n[1-2],n3".parse()?;
/// assert_eq!(set.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["n3", "n1", "n2"]);
/// assert_eq!(set.to_string(), "n[1-3]");
/// # Ok::<(), dtx_proto_types::node::ParseNodeSetError>(())
/// ```
///
/// Invariant: `names` and `positions` hold the same names, each once, and `positions` says where.
#[derive(Clone, Default)]
pub struct NodeSet {
    names: Vec<NodeName>,
    positions: BTreeMap<NodeName, usize>,
}

impl NodeSet {
    /// Reads names with ranges, separated by commas or white space: `n[01-16/5],web1 192.0.2.7`.
    /// Text that names no node is an error, as is everything that cannot be read.
    ///
    /// # Errors
    ///
    /// Says what is wrong and where, before any name is written out.
    pub fn parse(text: &str) -> Result<Self, ParseNodeSetError> {
        let mut scanner = Scanner::new(text);
        let mut items = Vec::new();
        let mut total: u64 = 0;
        while let Some(item) = scanner.next_item()? {
            let at = item.start..item.start + item.text.len();
            let pattern = Pattern::parse(item)?;
            total = total.saturating_add(pattern.count());
            if usize::try_from(total).map_or(true, |total| total > limits::NODES_MAX) {
                return Err(ParseNodeSetError::new(at, NodeSetProblem::TooMany));
            }
            items.push((at, pattern));
        }
        let mut set = Self::default();
        for (at, pattern) in items {
            pattern
                .for_each_name(|name| {
                    set.push(name.parse()?);
                    Ok(())
                })
                .map_err(|problem| ParseNodeSetError::new(at, NodeSetProblem::Name(problem)))?;
        }
        Ok(set)
    }

    /// Adds a node at the end; false if it was there already, which keeps its place.
    pub fn push(&mut self, name: NodeName) -> bool {
        use std::collections::btree_map::Entry;
        match self.positions.entry(name) {
            Entry::Occupied(_) => false,
            Entry::Vacant(entry) => {
                self.names.push(entry.key().clone());
                entry.insert(self.names.len() - 1);
                true
            }
        }
    }

    /// Takes a node out; the ones after it move up. False if it was not there. For many nodes
    /// [`NodeSet::retain`] and [`NodeSet::difference`] are faster.
    pub fn remove(&mut self, name: &NodeName) -> bool {
        let Some(position) = self.positions.remove(name) else {
            return false;
        };
        self.names.remove(position);
        for later in self.positions.values_mut() {
            if *later > position {
                *later -= 1;
            }
        }
        true
    }

    /// Keeps the nodes for which `keep` says so, in their order.
    pub fn retain(&mut self, mut keep: impl FnMut(&NodeName) -> bool) {
        let before = self.names.len();
        self.names.retain(|name| keep(name));
        if self.names.len() < before {
            self.positions = positions(&self.names);
        }
    }

    /// The nodes of this set that are not in `other`, in the order of this set.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.iter()
            .filter(|name| !other.contains(name))
            .cloned()
            .collect()
    }

    /// Whether the node is in the set.
    #[must_use]
    pub fn contains(&self, name: &NodeName) -> bool {
        self.positions.contains_key(name)
    }

    /// The node's place in the order written, from 0.
    #[must_use]
    pub fn position(&self, name: &NodeName) -> Option<usize> {
        self.positions.get(name).copied()
    }

    /// The nodes in the order written.
    pub fn iter(&self) -> std::slice::Iter<'_, NodeName> {
        self.names.iter()
    }

    /// The nodes in the order written.
    #[must_use]
    pub fn as_slice(&self) -> &[NodeName] {
        &self.names
    }

    /// How many nodes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no node at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether both sets have the same nodes, in whatever order.
    #[must_use]
    pub fn has_same_nodes(&self, other: &Self) -> bool {
        self.positions.keys().eq(other.positions.keys())
    }

    /// The set as text, folded and sorted: `n[1-3,7],r[1-2]n[01-16]`. It depends on the nodes
    /// alone, and [`NodeSet::parse`] reads the same nodes from it.
    #[must_use]
    pub fn fold(&self) -> String {
        fold_names(&self.names)
    }
}

fn positions(names: &[NodeName]) -> BTreeMap<NodeName, usize> {
    names.iter().cloned().zip(0..).collect()
}

impl FromStr for NodeSet {
    type Err = ParseNodeSetError;

    fn from_str(text: &str) -> Result<Self, ParseNodeSetError> {
        Self::parse(text)
    }
}

impl fmt::Display for NodeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.fold())
    }
}

impl fmt::Debug for NodeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.names).finish()
    }
}

impl PartialEq for NodeSet {
    fn eq(&self, other: &Self) -> bool {
        self.names == other.names
    }
}

impl Eq for NodeSet {}

impl Extend<NodeName> for NodeSet {
    fn extend<T: IntoIterator<Item = NodeName>>(&mut self, names: T) {
        for name in names {
            self.push(name);
        }
    }
}

impl FromIterator<NodeName> for NodeSet {
    fn from_iter<T: IntoIterator<Item = NodeName>>(names: T) -> Self {
        let mut set = Self::default();
        set.extend(names);
        set
    }
}

impl IntoIterator for NodeSet {
    type Item = NodeName;
    type IntoIter = std::vec::IntoIter<NodeName>;

    fn into_iter(self) -> Self::IntoIter {
        self.names.into_iter()
    }
}

impl<'a> IntoIterator for &'a NodeSet {
    type Item = &'a NodeName;
    type IntoIter = std::slice::Iter<'a, NodeName>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
