//! Finding agents by multicast.
//!
//! [`Discovery::start`] asks on every fit interface and tells who answers, as answers come, until
//! the rounds are over. What is [`Heard`] is a hint: who a node is, TLS shows.
//!
//! `rounds` decides what to ask, whom to believe and when it is enough, without I/O and clock.
//! One thread of its own does the rest, so that answers are read while hundreds of TLS handshakes
//! keep the runtime busy.

mod askers;
mod bell;
mod drops;
mod event;
mod interfaces;
mod loss;
mod options;
mod patience;
mod rounds;
#[cfg(test)]
mod simulation;
mod start;
mod worker;

pub use event::{Event, Finished, Heard, InterfaceReport};
pub use options::{DiscoveryError, Options};
pub use start::Discovery;
