//! The executor: the agent's main process. Single-threaded, no runtime, one loop around `poll`.
//!
//! It owns everything that decides or lasts: operators, policy, audit, journal, clock, processes
//! and their kills. It learns of the world through the front's messages, and believes of them
//! only what can deny.
//!
//! A job's way through it, a file for each part:
//!
//! ```text
//! arrival.rs   verify → seen? → policy (→ paths) → audit → journal
//! waiting.rs   stdin, slots, the queue
//! running.rs   start, progress, timeout, end
//! clients.rs   who listens to a job: attach, cancel, keep, release, gone
//! fronts.rs    the front's life, and what a new one is told
//! ```

mod arrival;
mod clients;
mod core;
mod event_loop;
mod front_process;
mod fronts;
mod job;
mod notify;
mod running;
mod sessions;
mod start;
mod stdin_file;
mod timers;
mod waiting;

pub use start::{StartError, run};
