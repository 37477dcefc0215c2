//! `dtx doctor`.

use clap::Args;

/// Look at all that a run depends on, and say the one thing to do.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dtx doctor
  dtx doctor n07                   the whole way to one node")]
pub struct DoctorArgs {
    /// Also go the whole way to this node
    #[arg(value_name = "NODE")]
    pub node: Option<String>,
}
