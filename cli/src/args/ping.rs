//! `dtx ping`.

use std::time::Duration;

use clap::Args;
use dtx_proto_types::units::parse_duration;

use super::TargetArgs;

/// Open a session to each node and measure how long its answers take. Nothing is run.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dtx ping --all
  dtx ping -w n[01-16] -c 10")]
pub struct PingArgs {
    /// Which nodes.
    #[command(flatten)]
    pub targets: TargetArgs,
    /// How often each node is asked
    #[arg(short = 'c', long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub count: u32,
    /// How long a connection may take [default: 5s]
    #[arg(short = 't', long, value_name = "TIME", value_parser = parse_duration)]
    pub connect_timeout: Option<Duration>,
}
