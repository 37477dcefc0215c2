//! What the product promises, tried with its own binaries on real hosts. One file for each theme.

mod fleet_of;
mod turn;

mod cuts;
mod demo;
mod discovery;
mod enroll;
mod fleet;
mod forged;
mod idle;
mod kill;
mod outcomes;
mod output;
mod path;
mod policy;
mod reattach;
mod spoofed;
mod stdin;
mod trust;
