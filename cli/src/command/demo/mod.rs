//! `dtx demo`: a throw-away cluster on this machine, and a first job on it.
//!
//! Two processes: the demo itself, which does what `dtx run --all` does, and its keeper, which
//! holds the agents. The keeper ends when the pipe from the demo does, however the demo ended, and
//! takes processes and files with it.

mod keeper;
mod layout;
mod program;
mod verb;

pub use keeper::demo_keeper;
pub use verb::demo;
