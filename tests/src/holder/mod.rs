//! The process that a lab lives in: init of its own process namespace, and keeper of the
//! namespaces of every host. When it ends, everything in the lab ends with it; and it ends when
//! the test does, since its standard input then ends.

mod enter;
mod hold;
mod plan;
mod rootfs;
mod wiring;

pub use enter::enter;
pub use hold::{hold, init};
pub use plan::{HostPlan, Keys, Plan};
