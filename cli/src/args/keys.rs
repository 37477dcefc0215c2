//! `dtx keys`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Show or make your key; forget a node's.
#[derive(Debug, Args)]
pub struct KeysArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: KeysCommand,
}

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Show which key signs for you, and the pinned keys of nodes
    Show,
    /// Make an ssh-ed25519 key without a passphrase
    New {
        /// Where to write it [default: ~/.ssh/id_ed25519]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// The comment in its public half [default: user@host]
        #[arg(short = 'C', long, value_name = "TEXT")]
        comment: Option<String>,
    },
    /// Drop the pinned keys of these nodes, so that their next ones are new
    Forget {
        /// Which, such as n[01-16]
        #[arg(value_name = "SET", required = true)]
        nodes: Vec<String>,
    },
}
