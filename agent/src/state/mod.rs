//! What an agent keeps between starts: its directories, its name and its key.
//!
//! ```text
//! STATE/            0711
//!   host_key(.pub)  the node key, OpenSSH format
//!   name            the node's name, unless configured
//!   executor/ 0700  journal, audit.jsonl, lock
//!   scripts/  0711  scripts of running jobs
//! ```

mod directory;
mod node_key;

pub use directory::{StateDir, StateError};
pub use node_key::{NodeKey, NodeKeyError};
