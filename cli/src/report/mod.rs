//! Turning a run's events into output. The only door to the terminal besides [`crate::error`]:
//! stdout is data, stderr is everything else.
//!
//! A [`Reporter`] holds presentation state only; what a run comes to is in its summary, not here.
//! [`Reporters`] calls them in order, so the order of the list is the order of writing.

mod base64;
mod block;
mod capture;
mod console;
mod diff;
mod files;
mod fold;
mod json;
mod jsonl;
mod lines;
mod names;
mod numbers;
mod progress;
mod reasons;
mod reporter;
mod set;
mod sorted;
mod summary;
mod table;
mod visible;

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;

pub use console::{Console, Pen};
pub use files::Files;
pub use fold::{Fold, FoldOptions};
pub use json::Json;
pub use jsonl::JsonLines;
pub use lines::{Lines, LinesOptions};
pub use numbers::{amount, nodes, span};
pub use progress::Progress;
pub use reasons::{Covered, Reasons};
pub use reporter::Reporter;
pub use set::{Format, Plan, Reporters};
pub use sorted::Sorted;
pub use summary::{Summary, Verbosity};
pub use table::{Column, Table, grid};
pub use visible::{one_line, visible};
