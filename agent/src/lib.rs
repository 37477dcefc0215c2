//! The agent: one daemon on each node, in two processes of one binary.
//!
//! The *executor* ([`executor`]) is the main process. It decides and executes: operators, policy,
//! audit, journal, processes. The *front* ([`front`]) is a child of it that owns the network:
//! sockets, TLS, discovery, frames, output buffers. [`ipc`] is all that crosses between them.

pub mod args;
pub mod audit;
pub mod exec;
pub mod executor;
pub mod front;
pub mod ipc;
pub mod journal;
pub mod log;
pub mod settings;
pub mod state;
pub mod sys;
pub mod trust;

use std::process::ExitCode;

use clap::Parser;

/// The hidden command by which an executor starts its front.
pub const FRONT_COMMAND: &str = "__front";

/// Could not start.
const FAILURE: u8 = 1;
/// Something is wrong with what was configured.
const USAGE: u8 = 2;

/// The whole program.
#[must_use]
pub fn main_impl() -> ExitCode {
    let arguments = args::Arguments::parse();
    match arguments.command {
        Some(args::Command::Front) => front::main(inherited_socket()),
        Some(args::Command::Check { print, serve }) => settings::check(*serve, print),
        None => serve(arguments.serve),
    }
}

fn serve(serve: args::Serve) -> ExitCode {
    let level = log::level(serve.verbose);
    let settings = match settings::Settings::load(serve) {
        Ok(settings) => settings,
        Err(error) => {
            log::install(level, false, "executor");
            ::log::error!("{error}");
            return ExitCode::from(FAILURE);
        }
    };
    log::install(level, settings.log_json, "executor");
    match executor::run(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ::log::error!("{error}");
            ExitCode::from(FAILURE)
        }
    }
}

/// The end of the socket pair that the executor gave us as standard input.
fn inherited_socket() -> std::os::unix::net::UnixStream {
    use std::os::fd::AsFd;
    let socket = std::io::stdin().as_fd().try_clone_to_owned();
    socket
        .expect("descriptor 0 is open, or this is not a front")
        .into()
}
