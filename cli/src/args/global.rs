//! Options of every command.

use std::path::PathBuf;

use clap::Args;

use crate::terminal::ColorChoice;

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Common options")]
pub struct GlobalArgs {
    /// Your private key, or a public one whose private half is in the ssh-agent
    #[arg(short = 'i', long, global = true, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// The cluster to talk to
    #[arg(long, global = true, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Read this configuration instead of the system's and your own
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where pinned node keys and the cache are kept
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Pin the keys of nodes that are new
    #[arg(long, global = true)]
    pub accept_new: bool,
    /// Use colours: auto, always or never
    #[arg(long, global = true, value_name = "WHEN")]
    pub color: Option<ColorChoice>,
    /// Say nothing as long as all is well
    #[arg(short = 'q', long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more
    #[arg(short = 'v', long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}
