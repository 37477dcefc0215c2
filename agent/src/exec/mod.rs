//! Starts jobs, watches over them, and ends them with everything they started.
//!
//! The executor forks one *supervisor* per job (no `exec`: the same image), and the supervisor
//! forks the *main process*, which becomes the user and then the program. A supervisor is the
//! subreaper of its job, so that whatever the job starts, daemons included, stays below it and
//! below nobody else's. It speaks to the executor over one socket; when that socket ends, because
//! the executor died, it kills its tree and leaves.
//!
//! Whatever touches a path or a user that the request chose happens in the main process or in a
//! helper ([`PathCheck`]), never in the executor, and always under a deadline.
//!
//! Called by the executor's loop alone. Nothing can be started but a [`LaunchPlan`], and there is
//! one way to get one.

mod become_user;
mod children;
mod environment;
mod failure;
mod helper;
mod kill;
pub mod leftovers;
mod main_process;
mod marked;
mod marks;
mod orphans;
mod paths;
mod plan;
mod process;
mod program;
mod running;
mod script;
mod start;
mod supervisor;
mod words;

#[cfg(test)]
mod tests;

pub use children::reap_strays;
pub use paths::PathCheck;
pub use plan::{ExecSettings, LaunchPlan, LaunchStdin};
pub use running::{Progress, Running, Stop};
pub use start::{Pipes, StartError, prepare, start};
