//! A network segment with hosts on it.

mod agent;
mod binaries;
mod host;
mod network;
mod operator;
mod process;
mod report;
mod segment;

pub use agent::Agent;
pub use binaries::Binaries;
pub use host::Host;
pub use operator::Operator;
pub use process::{Finished, Process, Program};
pub use report::{NodeRow, Report};
pub use segment::{Lab, LabOptions};
