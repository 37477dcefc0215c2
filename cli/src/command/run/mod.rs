//! `dtx run`: a command on nodes.

mod drive;
mod job;
mod plan;
mod signals;
mod verb;

pub(super) use drive::drive;
pub(super) use verb::login_name;
pub use verb::run;
