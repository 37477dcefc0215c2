//! One try of a job on one node: a session, the job, its story, its end.

mod course;
mod end;
mod follow;
mod live;
mod resume;

pub(super) use end::{End, stop_text};
pub(super) use live::{Attempt, Context, Message, News};
