//! The command line as a whole.

use clap::{Parser, Subcommand};

use super::{
    DemoArgs, DoctorArgs, EnrollArgs, GlobalArgs, KeeperArgs, KeysArgs, NodesArgs, PingArgs,
    PolicyArgs, RunArgs,
};

/// Run it everywhere, know what happened.
#[derive(Debug, Parser)]
#[command(
    name = "dtx",
    version,
    propagate_version = false,
    disable_help_subcommand = true,
    after_help = "\
First steps:
  dtx demo                         a throw-away cluster on this machine, and a first job on it
  dtx enroll -w root@n[01-16]      put your public key on nodes, over ssh, once
  dtx run --all uptime             run a command on every node that answers

Exit status: 0 every node ok, 1 some failed, 2 nothing was sent, 3 some not reached or lost,
4 some denied, 130 interrupted. `dtx COMMAND --help` has the details."
)]
pub struct Arguments {
    /// Options of every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a command on nodes
    Run(Box<RunArgs>),
    /// Show which nodes are there; accept or forget some
    Nodes(NodesArgs),
    /// Measure the way to nodes, without running anything
    Ping(PingArgs),
    /// Put your public key on nodes over ssh, and pin their keys
    Enroll(EnrollArgs),
    /// Check a policy, or explain what it decides
    Policy(PolicyArgs),
    /// Show or make your key; forget a node's
    Keys(KeysArgs),
    /// Find out what is wrong, and what to do about it
    Doctor(DoctorArgs),
    /// Start a throw-away cluster on this machine, and run a first job on it
    Demo(DemoArgs),
    /// Hold the agents of a demo and remove them when it ends
    #[command(hide = true)]
    DemoKeeper(KeeperArgs),
}
