//! `dtx run`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use dtx_client::fanout::RetryOn;
use dtx_proto_types::units::parse_duration;

use super::{ByteLimit, ConfirmArgs, TargetArgs, Variable};
use crate::report::Format;

/// Run a command on nodes.
///
/// The words are joined by one space and run by the login shell of the user; options end at the
/// first of them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dtx run --all uptime
  dtx run -w n[01-16] -b 'nvidia-smi --query-gpu=driver_version --format=csv,noheader'
  dtx run -w n01,n02 -u 30s --retries 2 -- systemctl is-active nginx
  dtx run --all --script setup.sh eth0 9000
  tar c conf | dtx run --all --stdin 'tar x -C /etc/app'
  dtx run --all -o json hostname | jq '.nodes[] | select(.outcome != \"ok\")'")]
pub struct RunArgs {
    /// Which nodes.
    #[command(flatten)]
    pub targets: TargetArgs,
    /// Looking before leaping.
    #[command(flatten)]
    pub confirm: ConfirmArgs,
    /// How the run goes through its nodes.
    #[command(flatten)]
    pub pace: PaceArgs,
    /// What is started.
    #[command(flatten)]
    pub job: JobArgs,
    /// How it is shown.
    #[command(flatten)]
    pub output: OutputArgs,
    /// The command, or the arguments of the script
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    pub words: Vec<String>,
}

/// How a run goes through its nodes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Pace")]
pub struct PaceArgs {
    /// Most nodes at once [default: 512]
    #[arg(short = 'f', long, value_name = "N", value_parser = parse_fanout)]
    pub fanout: Option<usize>,
    /// How long a connection may take [default: 5s]
    #[arg(short = 't', long, value_name = "TIME", value_parser = parse_duration)]
    pub connect_timeout: Option<Duration>,
    /// Kill the command on a node after this time
    #[arg(short = 'u', long, value_name = "TIME", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
    /// End the whole run after this time
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub deadline: Option<Duration>,
    /// Try a node again this often
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub retries: u32,
    /// Longest wait before the first retry; doubles each time [default: 200ms]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub backoff: Option<Duration>,
    /// What is tried again, of unreachable,refused,failed,timeout [default: unreachable,refused]
    #[arg(long, value_name = "OUTCOMES")]
    pub retry_on: Option<RetryOn>,
    /// Stop everywhere as soon as one node does not end well
    #[arg(short = 'k', long)]
    pub fail_fast: bool,
}

/// What is started on the nodes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Command")]
pub struct JobArgs {
    /// The words are a program and its arguments: no shell
    #[arg(short = 'e', long, conflicts_with_all = ["script", "shell"])]
    pub exec: bool,
    /// Send this script and run it with the words as its arguments
    #[arg(long, value_name = "FILE", conflicts_with = "shell")]
    pub script: Option<PathBuf>,
    /// Use this shell instead of the user's login shell
    #[arg(long, value_name = "PATH")]
    pub shell: Option<String>,
    /// Run as this user [default: `user` of the configuration, else your own name]
    #[arg(short = 'l', long, value_name = "NAME")]
    pub user: Option<String>,
    /// Run in this directory [default: the user's home]
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<String>,
    /// Set a variable
    #[arg(long, value_name = "KEY=VALUE")]
    pub env: Vec<Variable>,
    /// Send standard input to every node
    #[arg(long)]
    pub stdin: bool,
    /// Replace %h (node), %n (rank), %u (user) and %% in the command
    #[arg(long)]
    pub subst: bool,
}

/// How a run is shown.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// lines, fold, table, json, jsonl or none [default: fold on a terminal, else lines]
    #[arg(short = 'o', long, value_name = "FORMAT")]
    pub output: Option<Format>,
    /// Show equal results once (-o fold)
    #[arg(short = 'b')]
    pub fold: bool,
    /// Show equal results once, standard error included
    #[arg(short = 'B')]
    pub fold_stderr: bool,
    /// In the order of the nodes' names
    #[arg(short = 'L')]
    pub by_name: bool,
    /// Do not name the node before its lines
    #[arg(short = 'N')]
    pub no_label: bool,
    /// Show only what differs from the largest group
    #[arg(long)]
    pub diff: bool,
    /// Write each node's standard output to a file here
    #[arg(long, value_name = "DIR")]
    pub outdir: Option<PathBuf>,
    /// Write each node's standard error to a file here
    #[arg(long, value_name = "DIR")]
    pub errdir: Option<PathBuf>,
    /// Keep at most this much of each stream and node, 0 for all [default: 16MiB]
    #[arg(long, value_name = "SIZE")]
    pub max_output: Option<ByteLimit>,
    /// Exit with the largest remote code; 254 counts for a node without one
    #[arg(short = 'S')]
    pub remote_code: bool,
}

fn parse_fanout(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least one node at once is needed".to_owned()),
        Ok(fanout) => Ok(fanout),
        Err(_) => Err("not a number".to_owned()),
    }
}
