//! `dtx policy`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Variable;

/// Check a policy, or explain what it decides.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: PolicyCommand,
}

/// What can be done with a policy.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Read a policy and say what is wrong with it
    Check {
        /// The policy
        #[arg(value_name = "FILE", default_value = "/etc/dtx/policy.toml")]
        file: PathBuf,
    },
    /// Say which rule allows a command, or what each rule lacks
    Explain(Box<ExplainArgs>),
}

/// A request to be explained.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dtx policy explain --who file:alice@example.org -l nobody 'echo hello >> /tmp/hello.txt'
  dtx policy explain --policy new.toml --who file:bob -l root -e systemctl restart nginx.service")]
pub struct ExplainArgs {
    /// The policy; without it and without /etc/dtx/policy.toml, the built-in one
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Who asks, such as file:alice@example.org or key:SHA256:…; repeat for all that he is
    #[arg(long, value_name = "PRINCIPAL", required = true)]
    pub who: Vec<String>,
    /// The node's own name [default: this host's]
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
    /// A label of the node
    #[arg(long, value_name = "KEY=VALUE")]
    pub node_label: Vec<Variable>,
    /// The user that the agent there runs as
    #[arg(long, value_name = "NAME", default_value = "root")]
    pub agent_user: String,
    /// The user to run as [default: your own name]
    #[arg(short = 'l', long, value_name = "NAME")]
    pub user: Option<String>,
    /// The words are a program and its arguments: no shell
    #[arg(short = 'e', long, conflicts_with = "script")]
    pub exec: bool,
    /// Ask about this script, with the words as its arguments
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,
    /// A shell that is asked for
    #[arg(long, value_name = "PATH")]
    pub shell: Option<String>,
    /// A directory that is asked for
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<String>,
    /// A variable that is asked for
    #[arg(long, value_name = "KEY=VALUE")]
    pub env: Vec<Variable>,
    /// Standard input is asked for
    #[arg(long)]
    pub stdin: bool,
    /// The command
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    pub words: Vec<String>,
}
