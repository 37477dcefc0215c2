//! A cluster, as a program uses it: select nodes, run jobs on them.

mod error;
mod handle;
mod job;
mod options;
mod selection;

pub use error::{OpenError, RunError, SelectError};
pub use handle::{Alive, Cluster, Pong};
pub use job::{JobTemplate, OUTPUT_BYTES};
pub use options::{CONNECT_TIMEOUT, ClusterOptions, InvalidNewNodes, NewNodes, PORT, SESSIONS_MAX};
pub use selection::{Conflict, Found, NewNode, Selected, Selection, Targets};
