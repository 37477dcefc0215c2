//! The fan-out engine: many nodes, one task that owns the run's state and orders its events.
//!
//! A run is a [`dispatch`]er and its [`attempt`]s. The dispatcher starts an attempt for each node
//! within the window, hears their news over a bounded channel and turns it into [`event`]s; an
//! attempt gets a session by [`dial`], hands over a job that was [`sign`]ed for its batch, and
//! follows it to its end, over several sessions if one breaks.

mod admission;
mod attempt;
pub(crate) mod dial;
pub(crate) mod dispatch;
pub mod event;
mod keep;
mod options;
mod run;
pub(crate) mod sign;
mod stdin;

use std::time::Duration;

pub use admission::{Admission, Admit, Verdict};
pub use options::{BACKOFF, FANOUT, InvalidRetryOn, RetryOn, RunOptions};
pub use run::{Canceller, Run};
pub use stdin::StdinSource;
pub(crate) use stdin::{SharedStdin, Supply};

/// Longer than any run: a timer that is not to fire.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);
