//! Run a job on many nodes, from Rust: discovery, sessions, signing and the fan-out engine.

pub mod cluster;
pub mod discovery;
pub mod fanout;
pub mod hint;
pub mod identity;
pub mod inventory;
pub mod pins;
mod random;
pub mod session;
pub mod state;
mod tls;
