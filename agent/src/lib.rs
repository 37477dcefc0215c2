//! The agent: one daemon on each node, in two processes of one binary.
//!
//! The *executor* ([`executor`]) is the main process. It decides and executes: operators, policy,
//! audit, journal, processes. The *front* ([`front`]) is a child of it that owns the network:
//! sockets, TLS, discovery, frames, output buffers. [`ipc`] is all that crosses between them.

pub mod args;
pub mod exec;
pub mod front;
pub mod ipc;
pub mod journal;
pub mod log;
pub mod settings;
pub mod state;
pub mod sys;
pub mod trust;

/// The hidden command by which an executor starts its front.
pub const FRONT_COMMAND: &str = "__front";
