//! A cluster, as a program uses it: select nodes, run jobs on them.
//!
//! [`Cluster::open`] has the operator's key sign one grant for a session key made on the spot.
//! [`Cluster::select`] finds the nodes that are meant and opens sessions to them meanwhile;
//! [`Cluster::run`] signs a job for them and starts the fan-out engine.

mod address;
mod core;
mod error;
mod finder;
mod fleet;
mod grants;
mod handle;
mod job;
mod launch;
mod options;
mod route;
mod seen;
mod select;
mod selection;
#[cfg(test)]
mod tests;
mod trust;

pub use error::{OpenError, RunError, SelectError};
pub use handle::{Alive, Cluster, Pong};
pub use job::{JobTemplate, OUTPUT_BYTES};
pub use options::{CONNECT_TIMEOUT, ClusterOptions, InvalidNewNodes, NewNodes, PORT, SESSIONS_MAX};
pub use selection::{Conflict, Found, NewNode, Selected, Selection, Targets};
