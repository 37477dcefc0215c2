//! What can be typed: the `dtx` command line as types. No decisions are made here.

mod demo;
mod doctor;
mod enroll;
mod global;
mod keys;
mod nodes;
mod ping;
mod policy;
mod root;
mod run;
mod targets;
mod values;

pub use demo::{DemoArgs, KeeperArgs};
pub use doctor::DoctorArgs;
pub use enroll::EnrollArgs;
pub use global::GlobalArgs;
pub use keys::{KeysArgs, KeysCommand};
pub use nodes::{NodesArgs, NodesCommand, NodesFormat};
pub use ping::PingArgs;
pub use policy::{ExplainArgs, PolicyArgs, PolicyCommand};
pub use root::{Arguments, Command};
pub use run::{JobArgs, OutputArgs, PaceArgs, RunArgs};
pub use targets::{ConfirmArgs, TargetArgs};
pub use values::{ByteLimit, Variable};

#[cfg(test)]
mod tests;
