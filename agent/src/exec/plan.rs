//! What is started: everything about one execution, decided beforehand.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use dtx_proto_types::id::{JobId, RunId};
use dtx_proto_types::node::NodeName;

use crate::settings::ProcessLimit;

/// Everything about one execution. Invariant: made from an authorized job, and from nothing else.
#[derive(Debug)]
pub struct LaunchPlan {
    pub(super) job: JobId,
    pub(super) run: RunId,
    pub(super) node: NodeName,
    pub(super) rank: u32,
    pub(super) count: u32,
    /// The user's name; looked up in the node's own database by the main process.
    pub(super) user: String,
    /// Whether the agent can become another user; otherwise `user` must be its own.
    pub(super) switch_user: bool,
    pub(super) program: ProgramToRun,
    /// Accepted variables; they go over the defaults, and never over `DTX_…`.
    pub(super) env: BTreeMap<String, String>,
    /// The user's home when absent.
    pub(super) cwd: Option<PathBuf>,
    pub(super) kill_grace: Duration,
    pub(super) limits: ProcessLimits,
    pub(super) stdin: LaunchStdin,
    pub(super) script_dir: PathBuf,
}

/// What runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProgramToRun {
    /// A line for a shell.
    Shell {
        /// Which shell.
        shell: Shell,
        /// The line.
        line: String,
    },
    /// A program and its arguments.
    Argv(Vec<String>),
    /// A script and its arguments.
    Script {
        /// The script's bytes.
        text: Vec<u8>,
        /// Its arguments.
        args: Vec<String>,
    },
}

/// The shell for a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shell {
    /// The user's own, as `ssh` does.
    Login,
    /// `/bin/sh`: the policy's pattern was written for it.
    Bin,
    /// What the request named.
    Named(PathBuf),
}

/// What the command reads.
#[derive(Debug)]
pub enum LaunchStdin {
    /// `/dev/null`.
    Null,
    /// A sealed memfd, from its beginning.
    Memfd(OwnedFd),
    /// A pipe whose other end [`super::Running`] has.
    Pipe,
}

/// Bounds that the kernel keeps, from the matching rule and from the configuration.
#[derive(Debug, Clone, Default)]
pub struct ProcessLimits {
    /// Bytes of address space of each process.
    pub memory: Option<u64>,
    /// Processes of the user; the kernel does not count root's.
    pub procs: Option<u64>,
    /// `agent.toml`'s `limits`: each is set as soft and hard limit.
    pub configured: Vec<ProcessLimit>,
}

/// What is the same for every job of this agent.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The node's name.
    pub node: NodeName,
    /// Whether the agent can become other users: it runs as root.
    pub switch_user: bool,
    /// Between SIGTERM and SIGKILL.
    pub kill_grace: Duration,
    /// Limits from the configuration.
    pub limits: Vec<ProcessLimit>,
    /// Where scripts lie while they run; see [`super::prepare_script_dir`].
    pub script_dir: PathBuf,
}
