//! The fan-out engine: many nodes, one task that owns the run's state and orders its events.

mod admission;
pub mod event;
mod options;
mod run;
mod stdin;

pub use admission::{Admission, Admit, Verdict};
pub use options::{BACKOFF, FANOUT, InvalidRetryOn, RetryOn, RunOptions};
pub use run::{Canceller, Run};
pub use stdin::StdinSource;
