//! The command line of `dtx-agent`: strings in, no logic.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Runs what operators ask for on this node, and nothing else.
#[derive(Debug, Parser)]
#[command(name = "dtx-agent", version, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to serve.
    #[command(flatten)]
    pub serve: Serve,
}

/// What `dtx-agent` does besides serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read configuration, operators and policy, say what was found; exit 0 or 2
    Check {
        /// Show every setting, its value and where it came from
        #[arg(long)]
        print: bool,
        /// The settings to check.
        #[command(flatten)]
        serve: Box<Serve>,
    },
    /// Serve sessions for an executor; started by the agent itself
    #[command(name = crate::FRONT_COMMAND, hide = true)]
    Front,
}

/// Settings that can be given on the command line; each wins over the file.
#[derive(Debug, Default, Args)]
pub struct Serve {
    /// Configuration file [default: /etc/dtx/agent.toml, which may be absent]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// This node's name [default: the short host name, kept in the state directory]
    #[arg(long)]
    pub name: Option<String>,
    /// The cluster that this node belongs to [default: default]
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Where to accept sessions; port 0 is any free one [default: [::]:15943]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Vec<String>,
    /// Whether to answer multicast discovery [default: on]
    #[arg(long, value_name = "on|off")]
    pub discovery: Option<Switch>,
    /// Limit discovery to these interfaces; `lo` only when named
    #[arg(long, value_name = "NAME")]
    pub interface: Vec<String>,
    /// Where journal, audit log and node key are kept [default: /var/lib/dtx]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Files that list the operators' public keys [default: /etc/dtx/operators]
    #[arg(long, value_name = "FILE")]
    pub operators: Vec<PathBuf>,
    /// What operators may do [default: /etc/dtx/policy.toml, or any command if that is absent]
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Jobs at once [default: twice the cores, 4 at least]
    #[arg(long, value_name = "N")]
    pub slots: Option<u32>,
    /// Form of the log on standard error [default: text]
    #[arg(long, value_name = "text|json")]
    pub log_format: Option<LogFormat>,
    /// Say more; twice for debugging
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Yes.
    On,
    /// No.
    Off,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people and journald.
    Text,
    /// One JSON object a line.
    Json,
}
