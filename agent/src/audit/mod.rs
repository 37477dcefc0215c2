//! The audit log: who had what done here, or was not allowed to. One JSON object on each line,
//! written before what it tells of is done, and one more about how it ended.
//!
//! A line has a bounded length: of a longer command its beginning is there, with its length and
//! digest. Values of environment variables, scripts' texts and inputs are never in it.

mod budget;
mod cut;
mod entry;
mod file;
mod log;
#[cfg(test)]
mod tests;

pub use file::AuditError;
pub use log::Audit;
