//! What this agent has taken on: the memory that makes "at most one start per job id" true across
//! restarts.
//!
//! One file that is only appended to, each record by a single `write`, before what it tells is
//! done. It is not synced: after a power failure the boot id is another one, and clients call what
//! they cannot know `lost`. The end of a file that was cut off in the middle of a record is cut
//! away; damage anywhere else puts the whole file aside and begins a new one under a new id, which
//! tells clients the same. Nothing is ever started on the strength of a guess.
//!
//! ```text
//! record.rs   what is written
//! format.rs   bytes: header, lengths, checksums
//! file.rs     the file: append or take back, rewrite smaller
//! table.rs    what is known about jobs and grants; pure
//! jobs.rs     jobs, by operator and id
//! past.rs     those that are over, in few bytes
//! memory.rs   the three together
//! ```

mod digest;
mod file;
mod format;
mod jobs;
mod memory;
mod operators;
mod past;
mod record;
mod table;

#[cfg(test)]
mod tests;

pub use digest::Digest;
pub use jobs::{LostJob, Seen};
pub use memory::{Journal, JournalError, Recovered};
