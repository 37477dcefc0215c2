//! Answering those who look for agents.
//!
//! [`serve`] keeps one socket for each fit interface and family, joined to the group there and
//! nowhere else, so the socket tells by which interface a query came. A query is answered only if
//! its sender is a neighbour on that interface, after a delay of its own (`Mark`), within a
//! budget for each sender and one for all. `answerer` decides, without I/O; the rest carries
//! out.

mod announcement;
mod answerer;
mod budget;
mod interfaces;
mod links;
mod membership;
mod report;
mod serve;
mod socket;
mod watch;

pub use announcement::{Announcement, Settings};
pub use serve::serve;
