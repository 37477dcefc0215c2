//! Which nodes exist and where to reach them.
//!
//! Three sources meet here: pinned keys, the [`Cache`] of addresses of earlier runs, and what a
//! discovery heard. [`Inventory::merge`] sorts every node into exactly one list. It believes
//! nobody: a node becomes a target under its name, and TLS shows whether it is the one.

mod cache;
mod duplicates;
mod merge;
#[cfg(test)]
mod merge_tests;
mod record;

pub use cache::Cache;
pub use duplicates::Unusable;
pub use merge::{Candidate, Inventory, SEEN_WITHIN, Sources};
pub use record::Record;
