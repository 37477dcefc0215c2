//! `dtx demo`.

use std::path::PathBuf;

use clap::Args;

/// Start agents on this machine, run a first job on them, and leave nothing behind.
#[derive(Debug, Args)]
#[command(after_help = "\
The agents listen on the loopback interface only, run as you, and trust a key made on the spot.
Processes, ports and files are gone when the demo ends, however it ends.

Examples:
  dtx demo
  dtx demo -n 16 --keep            leave it running until Ctrl-C, for `dtx run` from another shell")]
pub struct DemoArgs {
    /// How many agents
    #[arg(short = 'n', long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub nodes: u16,
    /// Leave them running until Ctrl-C
    #[arg(long)]
    pub keep: bool,
    /// The agent to start [default: dtx-agent beside dtx]
    #[arg(long, value_name = "FILE")]
    pub agent: Option<PathBuf>,
}

/// What the keeper of a demo is told.
#[derive(Debug, Args)]
pub struct KeeperArgs {
    /// The demo's directory, which is removed at the end.
    pub directory: PathBuf,
    /// The agent to start.
    pub agent: PathBuf,
    /// The demo's cluster.
    pub demo_cluster: String,
    /// How many agents.
    pub nodes: u16,
}
