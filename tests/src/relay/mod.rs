//! A TCP relay between an operator and an agent that cuts, flips and pauses as told.

mod control;
mod fault;
mod server;

pub use control::{Passed, Relay};
pub use fault::{Direction, Fault};
pub use server::serve;
