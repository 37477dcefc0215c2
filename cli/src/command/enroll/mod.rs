//! `dtx enroll`: your public key onto nodes over ssh, and their keys pinned.
//!
//! `verb` resolves and shows, `ssh` runs one process for each node within bounds, `script` is what
//! that process does there, and `answer` is what it says back.

mod answer;
mod script;
mod ssh;
mod verb;

pub use verb::enroll;
