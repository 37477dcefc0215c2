//! The audit log: who had what done here, or was not allowed to. One JSON object on each line,
//! written before what it tells of is done, and one more about how it ended.
//!
//! Values of environment variables, scripts' texts and inputs are never in it.

mod entry;
mod file;
mod log;
#[cfg(test)]
mod tests;

pub use file::AuditError;
pub use log::Audit;
