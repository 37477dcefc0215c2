//! What is started: everything about one execution, decided beforehand.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use dtx_policy::Shell;
use dtx_proto_types::id::{JobId, RunId};
use dtx_proto_types::job::Body;
use dtx_proto_types::node::NodeName;
use nix::unistd::geteuid;

use super::main_process::is_protected;
use crate::settings::ProcessLimit;
use crate::trust::AuthorizedJob;

/// A home directory on a slow file server is there by then, or not at all.
const SETUP_MAX: Duration = Duration::from_secs(10);

/// Whether the agent is protected from the OOM killer: its service manager says so before it
/// starts, and it is not asked again for each job.
static PROTECTED: OnceLock<bool> = OnceLock::new();

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
    /// Whether the agent is protected from the OOM killer, which its jobs must not be.
    pub(super) reset_oom_score: bool,
    pub(super) program: ProgramToRun,
    /// Accepted variables; they go over the defaults, and never over `DTX_…`.
    pub(super) env: BTreeMap<String, String>,
    /// The user's home when absent.
    pub(super) cwd: Option<PathBuf>,
    /// From the start to the moment when the program runs.
    pub(super) setup_max: Duration,
    pub(super) kill_grace: Duration,
    pub(super) limits: ProcessLimits,
    pub(super) stdin: LaunchStdin,
    pub(super) script_dir: PathBuf,
}

impl LaunchPlan {
    /// The plan for a job that may run.
    #[must_use]
    pub fn new(job: &AuthorizedJob, settings: &ExecSettings, stdin: LaunchStdin) -> Self {
        let program = match job.body() {
            Body::Shell(line) => ProgramToRun::Shell {
                shell: job.shell().clone(),
                line: line.clone(),
            },
            Body::Argv(words) => ProgramToRun::Argv(words.clone()),
            Body::Script { text, args } => ProgramToRun::Script {
                text: text.clone(),
                args: args.clone(),
                path: PathBuf::new(),
            },
            // Control of another job names no program, and is told so if it ever comes here.
            _ => ProgramToRun::Argv(Vec::new()),
        };
        let spec = job.spec();
        Self {
            job: spec.job,
            run: spec.run,
            node: job.node().clone(),
            rank: job.rank(),
            count: spec.count,
            user: job.user().to_owned(),
            switch_user: geteuid().is_root(),
            reset_oom_score: *PROTECTED.get_or_init(is_protected),
            program,
            env: spec.env.clone(),
            cwd: spec.cwd.clone().map(PathBuf::from),
            setup_max: SETUP_MAX,
            kill_grace: settings.kill_grace,
            limits: ProcessLimits {
                memory: job.memory(),
                procs: job.procs(),
                configured: settings.limits.clone(),
            },
            stdin,
            script_dir: settings.scripts.clone(),
        }
    }
}

/// What runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ProgramToRun {
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
        /// Where it lies while it runs; drawn by [`super::start`].
        path: PathBuf,
    },
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
pub(super) struct ProcessLimits {
    /// Bytes of address space of each process.
    pub memory: Option<u64>,
    /// Processes of the user; the kernel does not count root's.
    pub procs: Option<u64>,
    /// `agent.toml`'s `limits`: each is set as soft and hard limit.
    pub configured: Vec<ProcessLimit>,
}

/// What is the same for every job of this agent.
#[derive(Debug, Clone)]
pub struct ExecSettings {
    /// Between SIGTERM and SIGKILL.
    pub kill_grace: Duration,
    /// Where scripts lie while they run; see [`super::prepare`].
    pub scripts: PathBuf,
    /// Limits from the configuration.
    pub limits: Vec<ProcessLimit>,
}
