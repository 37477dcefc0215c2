//! The node keys that are known, by name: `known_nodes`.
//!
//! A line is a cluster, a node and a key; what an operator typed in place of a node's own name
//! stands before it:
//!
//! ```text
//! # comment
//! default n7 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA…
//! default n8 SHA256:fgFpxdOi8GqbK5N0gW7bZk1T8yu0VfxRrnMnA/RqrQc
//! default 10.0.0.7=n7 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA…
//! ```
//!
//! The operator's own file lies in the state directory and is written by `dtx`; the system's,
//! `/etc/dtx/known_nodes`, counts as well and is only read. A node with several keys may present
//! any of them.

mod changed;
mod error;
mod known_nodes;
mod line;
#[cfg(test)]
mod tests;
mod text;

pub use changed::ChangedKey;
pub use error::PinsError;
pub use known_nodes::{Check, Forgotten, KnownNodes, NewPin, SYSTEM_FILE};
pub use line::PinnedKey;
