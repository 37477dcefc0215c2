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
//! table.rs    what is known, by operator and job id; pure
//! memory.rs   the three together
//! ```

mod file;
mod format;
mod memory;
mod record;
mod table;

#[cfg(test)]
mod tests;

pub use memory::{Journal, JournalError, Recovered};
pub use table::{LostJob, Seen};
