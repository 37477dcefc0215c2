//! The agent: one daemon on each node, in two processes of one binary.

pub mod ipc;
