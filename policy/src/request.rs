//! What is asked for, and where.

use std::collections::BTreeMap;
use std::time::Duration;

use dtx_proto_types::job::Control;
use dtx_proto_types::node::NodeName;

use crate::principal::Operator;

/// One thing that an operator wants done, after substitution.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Who asks.
    pub operator: &'a Operator,
    /// For what.
    pub action: Action<'a>,
    /// As which local user: the one of the job in question, for its control.
    pub user: &'a str,
    /// Variables to set.
    pub env: &'a BTreeMap<String, String>,
    /// Working directory.
    pub cwd: Option<&'a str>,
    /// The shell asked for.
    pub shell: Option<&'a str>,
    /// Whether the command reads anything.
    pub stdin: bool,
    /// Whether it is to outlive its client for good.
    pub detach: bool,
    /// The timeout asked for.
    pub timeout: Option<Duration>,
    /// Bytes of each output stream asked for.
    pub output: Option<u64>,
    /// How long the operator's grant lives in all.
    pub grant_life: Duration,
}

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub enum Action<'a> {
    /// A line for a shell.
    Shell(&'a str),
    /// A program and its arguments.
    Exec(&'a [String]),
    /// A script, by the SHA-256 digest of its bytes, and its arguments.
    Script {
        /// The digest.
        sha256: [u8; 32],
        /// The arguments.
        args: &'a [String],
    },
    /// Control of a job that another key started.
    Control(Control),
}

impl Action<'_> {
    /// The word for it in policies: what follows `run.`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Shell(_) => "shell",
            Self::Exec(_) => "exec",
            Self::Script { .. } => "script",
            Self::Control(_) => "control",
        }
    }
}

/// The node that decides: its own name and labels, never what a request says about it.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    /// Its name.
    pub name: &'a NodeName,
    /// Its labels.
    pub labels: &'a BTreeMap<String, String>,
    /// The user that the agent runs as.
    pub agent_user: &'a str,
    /// The longest life of a grant where no rule says otherwise.
    pub max_grant: Duration,
}

/// What has to be looked up outside of the policy.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Executions that run now, by the id of the rule that allowed them.
    pub running: &'a BTreeMap<String, u32>,
    /// What the node said about paths so far.
    pub paths: &'a crate::argv::PathAnswers,
}
