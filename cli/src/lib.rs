//! The `dtx` command: arguments, settings, commands, reporters.
//!
//! One way, no loops: arguments ([`args`]) → settings ([`settings`]) → a command ([`command`]),
//! which asks the client library and hands its events to reporters ([`report`]). What goes wrong
//! before is a [`error::Failure`]; what a run comes to is an [`exit_code`].

pub mod args;
pub mod error;
pub mod exit_code;
pub mod report;
mod style;
mod suggest;
pub mod terminal;

/// Runs the command of this process's arguments.
#[must_use]
pub fn main_impl() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
