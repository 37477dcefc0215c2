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
     {node} presented {presented}; either it was installed anew, or something stands in its place",
    path = path.display()
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

impl Hint for ChangedKey {
    fn hints(&self) -> Vec<String> {
        let compare = format!("compare on {}: `dtx-agent check`", self.expected);
        let forget = if self.is_own_file {
            format!(
                "if it was installed anew: `dtx keys forget {}`",
                self.selected
            )
        } else {
            format!(
                "if it was installed anew: correct line {} of {}",
                self.line,
                self.path.display()
            )
        };
        vec![forget, compare]
    }
}
