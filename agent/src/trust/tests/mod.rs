//! Trust from outside: bytes, files and clocks in, decisions out.

mod clocks;
mod files;
mod fixture;
mod jobs;
mod operators;
mod owner;
mod paths;
mod tampering;
