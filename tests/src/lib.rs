//! A laboratory: real binaries on real hosts of a real network segment, on one machine.
//!
//! A [`lab::Lab`] is a bridge and N hosts, each with its own network, root directory, host name
//! and agent, in namespaces that end with the test, however it ends. Hosts can be cut off,
//! frozen, killed and lied to; [`relay`] cuts and flips the bytes between them.

pub mod dice;
pub mod forge;
pub mod holder;
pub mod lab;
pub mod measure;
pub mod probe;
pub mod relay;
pub mod skip;
pub mod spoof;
pub mod wait;
pub mod workspace;
