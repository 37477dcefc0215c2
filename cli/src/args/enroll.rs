//! `dtx enroll`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use dtx_proto_types::units::parse_duration;

/// Put your public key on nodes over ssh, once, and pin the keys that the nodes have.
///
/// On each node your key's public line is added to the operators file, unless it is there, and
/// the agent's own public key is read. Nothing else is changed, and nothing is installed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dtx enroll -w n[01-16]
  dtx enroll -w n[01-16] -l admin --sudo")]
pub struct EnrollArgs {
    /// These nodes, as ssh reaches them
    #[arg(
        short = 'w',
        long,
        value_name = "SELECTOR",
        required_unless_present = "hostfile"
    )]
    pub nodes: Vec<String>,
    /// But not these
    #[arg(short = 'x', long, value_name = "SELECTOR")]
    pub exclude: Vec<String>,
    /// The nodes in this file
    #[arg(long, value_name = "FILE")]
    pub hostfile: Vec<PathBuf>,
    /// Log in as this user [default: as ssh is configured]
    #[arg(short = 'l', long, value_name = "NAME")]
    pub user: Option<String>,
    /// Become root there with `sudo -n`
    #[arg(long)]
    pub sudo: bool,
    /// Most ssh processes at once
    #[arg(short = 'f', long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub fanout: u16,
    /// Give a node up after this time
    #[arg(short = 'u', long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub timeout: Duration,
    /// The operators file on the nodes
    #[arg(long, value_name = "FILE", default_value = "/etc/dtx/operators")]
    pub operators: String,
    /// The agent's state directory on the nodes
    #[arg(long, value_name = "DIR", default_value = "/var/lib/dtx")]
    pub agent_state: String,
}
