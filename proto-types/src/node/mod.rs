//! Nodes and sets of nodes: names, the text they are written in, and how a set is shown.

mod name;

pub use name::{InvalidNodeName, NodeName};
