//! Nodes and sets of nodes: names, the text they are written in, and how a set is shown.
//!
//! Text becomes a set in three steps, each in its own file: `scan` cuts the text into items and
//! knows the operators between them, `pattern` reads one item with its brackets and counts what it
//! stands for, and only then are the names written out. `fold` is the way back.

mod error;
mod fold;
mod name;
mod natural;
mod pattern;
mod range;
mod scan;
mod set;
mod shorten;
mod table;

pub use error::{NodeSetProblem, ParseNodeSetError};
pub use fold::fold_names;
pub use name::{InvalidNodeName, NodeName};
pub use natural::natural_cmp;
pub use set::NodeSet;
pub use shorten::shorten;
