//! The words that `dtx` and its agents share: node sets, jobs, outcomes, frames and signed
//! envelopes. Nothing in this crate does I/O, reads a clock or needs a runtime.
//!
//! A tour, in the order in which a run meets them:
//!
//! 1. An operator writes a selector; [`node`] turns it into a [`node::NodeSet`].
//! 2. The operator's SSH key signs one [`grant::Grant`] for a fresh session key.
//! 3. The session key signs a [`job::JobSpec`] for a batch of nodes: a [`signed::SignedJob`].
//! 4. [`frame::Frame`]s carry [`message::Request`]s to an agent and [`message::Reply`]s back.
//! 5. Each node's part ends in exactly one [`outcome::Outcome`].
//!
//! [`units`] reads and writes the durations and sizes in settings and messages.

pub mod discovery;
pub mod frame;
pub mod grant;
pub mod id;
pub mod job;
pub mod key;
pub mod limits;
pub mod message;
pub mod node;
pub mod outcome;
pub mod signed;
pub mod sshsig;
pub mod units;
pub mod version;
