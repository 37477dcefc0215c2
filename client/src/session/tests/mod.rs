//! Sessions against agents that follow a script.

pub(crate) mod agent;
pub(crate) mod greeting;
mod link;
