//! A node that is not the one that it was.

use std::path::PathBuf;

use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::node::NodeName;

use crate::hint::Hint;

/// The node presented another key than the one pinned for it, or what was typed led to another
/// node than before. It is refused; no flag turns this off.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the key of {selected} has changed: {path}:{line} pins {pinned} for {expected}, \
     {node} presented {presented}; either something stands in its place, or it was installed anew: \
     then {way_back}",
    path = path.display(),
    way_back = self.way_back()
)]
pub struct ChangedKey {
    /// What the operator selected.
    pub selected: NodeName,
    /// The node that it was.
    pub expected: NodeName,
    /// The key that it had.
    pub pinned: Fingerprint,
    /// The node that answered.
    pub node: NodeName,
    /// The key that it has.
    pub presented: Fingerprint,
    /// The file that pins the key.
    pub path: PathBuf,
    /// The line in it.
    pub line: usize,
    /// Whether the file is the operator's own.
    pub is_own_file: bool,
}

impl ChangedKey {
    /// What lets the operator in again, once it is known that the new key is right.
    fn way_back(&self) -> String {
        if !self.is_own_file {
            return format!("correct line {} of {}", self.line, self.path.display());
        }
        // The same node with a new key; or what was typed now leads to another one.
        let forget = if self.node == self.expected {
            &self.expected
        } else {
            &self.selected
        };
        format!("`dtx keys forget {forget}`")
    }
}

impl Hint for ChangedKey {
    fn hints(&self) -> Vec<String> {
        vec![format!("compare on {}: `dtx-agent check`", self.expected)]
    }
}
