//! `dtx doctor`: everything that a run depends on, and the one thing to do.

mod finding;
mod local;
mod network;
mod node;
mod verb;

pub use verb::doctor;
