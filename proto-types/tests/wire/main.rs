//! The wire, from outside: bytes that never change, hostile bytes, and signatures.

mod bodies;
mod frames;
mod golden;
mod laws;
mod samples;
mod signatures;
