//! The front between a client on a real socket and an executor that a test plays.

mod client;
mod executor;
mod handshake;
mod jobs;
mod rig;
mod sessions;
mod stdin;
