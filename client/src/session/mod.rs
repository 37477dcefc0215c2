//! Sessions: authenticated connections to agents, each with one task that reads and writes.

mod connect;
mod error;
mod handle;
mod inbox;
mod link;
mod outbox;
#[cfg(test)]
pub(crate) mod tests;

pub use connect::{Expect, Opening};
pub use error::{ConnectError, SessionEnd};
pub use handle::{EncodedJob, JobStream, Session};
pub use inbox::{Broken, JobEvent};
