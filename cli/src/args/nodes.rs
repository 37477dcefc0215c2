//! `dtx nodes`.

use clap::{Args, Subcommand, ValueEnum};

/// Show which nodes are there.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  dtx nodes                        who is here, who is silent, who is new
  dtx nodes accept n[01-16]        pin the keys of new nodes
  dtx nodes forget n07             drop what is known of a node, its key included"
)]
pub struct NodesArgs {
    /// Look again every few seconds
    #[arg(long)]
    pub watch: bool,
    /// How to show them
    #[arg(short = 'o', long, value_name = "FORMAT", default_value = "table")]
    pub output: NodesFormat,
    /// Something else than showing them.
    #[command(subcommand)]
    pub command: Option<NodesCommand>,
}

/// How nodes are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NodesFormat {
    /// For a person.
    Table,
    /// For a program.
    Json,
}

/// What can be done with nodes.
#[derive(Debug, Subcommand)]
pub enum NodesCommand {
    /// Pin the keys that these new nodes show
    Accept {
        /// Which, such as n[01-16]
        #[arg(value_name = "SET", required = true)]
        nodes: Vec<String>,
    },
    /// Drop what is known of these nodes: address and pinned key
    Forget {
        /// Which, such as n[01-16]
        #[arg(value_name = "SET", required = true)]
        nodes: Vec<String>,
    },
}
