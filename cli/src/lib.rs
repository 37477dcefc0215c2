//! The `dtx` command: arguments, settings, commands, reporters.
//!
//! One way, no loops: arguments ([`args`]) → settings ([`settings`]) → a command ([`command`]),
//! which asks the client library and hands its events to reporters ([`report`]). What goes wrong
//! before is a [`error::Failure`]; what a run comes to is an [`exit_code`].

mod app;
pub mod args;
pub mod command;
pub mod error;
pub mod exit_code;
pub mod report;
pub mod settings;
mod style;
mod suggest;
pub mod terminal;

pub use app::main_impl;
