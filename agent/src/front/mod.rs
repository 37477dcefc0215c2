//! The front: the process that faces the network for the executor.
//!
//! It owns sockets, TLS, sessions, frames and the output that no client has acknowledged yet. It
//! decides nothing: what it reports to the executor may deny, never allow, and it starts nothing.
//! It can die at any time; another one takes its place and clients come back to their jobs.
//!
//! One thread runs all of it:
//!
//! ```text
//! process.rs        the life of the process
//! listen.rs         accepts connections            admission.rs, networks.rs, descriptors.rs: how many
//! handshake.rs      TLS, hello, grant              tls.rs: whose key
//! session.rs        one task for each session      requests.rs: in, stage.rs: out, pulse.rs: time
//! desk.rs           what a session's streams have to say
//! job.rs            a job, whoever listens to it   output.rs, stdin.rs: its bytes
//! pump.rs           one task for each job: its pipes
//! discovery/        answers those who look for agents
//! executor_link.rs  messages of the executor       dispatch.rs: what each does
//! ```

mod admission;
mod budget;
mod descriptors;
mod desk;
pub mod discovery;
mod dispatch;
mod door;
mod executor_link;
mod handshake;
mod job;
mod listen;
mod log_limit;
mod networks;
mod output;
mod process;
mod pulse;
mod pump;
mod requests;
mod session;
mod socket;
mod stage;
mod state;
mod stdin;
#[cfg(test)]
mod tests;
mod tls;

pub use process::main;
