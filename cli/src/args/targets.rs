//! Which nodes: the same options on every command that reaches some.

use std::path::PathBuf;

use clap::Args;

/// Which nodes. Without any of these, `$DTX_NODES` and then `$WCOLL` (a file) are read.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Targets")]
pub struct TargetArgs {
    /// Every node that answers, and every known one seen within a day
    #[arg(short = 'a', long, conflicts_with_all = ["nodes", "hostfile"])]
    pub all: bool,
    /// These nodes, such as n[01-16,20] or an address; `-` reads them from standard input
    #[arg(short = 'w', long, value_name = "SELECTOR", allow_hyphen_values = true)]
    pub nodes: Vec<String>,
    /// But not these
    #[arg(short = 'x', long, value_name = "SELECTOR")]
    pub exclude: Vec<String>,
    /// The nodes in this file, separated by white space; `#` begins a comment
    #[arg(long, value_name = "FILE")]
    pub hostfile: Vec<PathBuf>,
}

/// Looking before leaping.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Targets")]
pub struct ConfirmArgs {
    /// Print the nodes that are meant, and stop
    #[arg(long)]
    pub list: bool,
    /// Yes, this many nodes (needed above `confirm_above`)
    #[arg(long, value_name = "N")]
    pub yes: Option<usize>,
}
