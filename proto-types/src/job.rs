//! What to do: the signed part of a job.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{JobId, RunId};
use crate::node::NodeName;

/// One job, for a batch of nodes. The session key signs these bytes, and every node of the batch
/// receives the same ones.
///
/// Unknown fields are an error: what was signed is what runs, so an agent that does not know a
/// field may not guess that it is harmless. New fields are left out when unused, so that older
/// agents go on accepting the jobs that they can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// Remembered by the agent: one start for each id.
    pub job: JobId,
    /// The run that it belongs to.
    pub run: RunId,
    /// The cluster for which it is meant.
    pub cluster: String,
    /// The nodes that may start it, each with its rank; at most [`crate::limits::BATCH_MAX`].
    pub batch: Vec<Seat>,
    /// How many nodes the whole run has (`DTX_COUNT`).
    pub count: u32,
    /// What is to be done.
    pub body: Body,
    /// The local user on the node, by name.
    pub run_as: String,
    /// Variables added to the environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Working directory; the user's home when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// The shell for a line; the user's login shell when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<String>,
    /// Replace `%h %n %u %%` on the node, before policy looks at the result.
    #[serde(default, skip_serializing_if = "is_false")]
    pub subst: bool,
    /// Which attempt this is, from 1: the operator's repetitions of what had started. A retry of
    /// what never started keeps its number, as it keeps its job id.
    pub attempt: u32,
    /// What the command reads.
    #[serde(default, skip_serializing_if = "Stdin::is_none")]
    pub stdin: Stdin,
    /// Bounds on the execution.
    #[serde(default, skip_serializing_if = "JobLimits::is_none")]
    pub limits: JobLimits,
    /// When it was signed, in milliseconds since 1970.
    pub issued_ms: u64,
    /// Not started after this moment, in milliseconds since 1970.
    pub start_by_ms: u64,
}

/// A node's place in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat(pub NodeName, pub u32);

/// What a job does. Tags for task calls and files are reserved (`task`, `push`, `pull`, `sync`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Body {
    /// A line for a shell.
    Shell(String),
    /// A program and its arguments, no shell.
    Argv(Vec<String>),
    /// A script and its arguments; its first line names the interpreter.
    Script {
        /// The script's bytes.
        #[serde(with = "serde_bytes")]
        text: Vec<u8>,
        /// Its arguments.
        #[serde(default)]
        args: Vec<String>,
    },
    /// Control of a job that was started earlier, perhaps by somebody else.
    Control {
        /// The job in question.
        job: JobId,
        /// What to do with it.
        action: Control,
    },
}

impl Body {
    /// The word for this kind of body in policies, audit lines and messages.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Shell(_) => "shell",
            Self::Argv(_) => "exec",
            Self::Script { .. } => "script",
            Self::Control { .. } => "control",
        }
    }
}

/// What can be done with an earlier job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// End it, with its whole process tree.
    Cancel,
}

/// What a command reads from its standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Stdin {
    /// Nothing: `/dev/null`.
    #[default]
    None,
    /// Exactly these bytes, checked before the start.
    Sized {
        /// How many.
        size: u64,
        /// Their BLAKE3 digest.
        #[serde(with = "serde_bytes")]
        blake3: [u8; 32],
    },
    /// Bytes as they come, vouched for by the session alone.
    Streamed,
}

impl Stdin {
    /// Whether the command reads nothing.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

/// Bounds on one execution; absent means none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobLimits {
    /// The process tree is ended after this many milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Bytes of each output stream that are sent; the rest is read and counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<u64>,
}

impl JobLimits {
    const fn is_none(&self) -> bool {
        self.timeout_ms.is_none() && self.output_bytes.is_none()
    }

    /// The timeout as a duration.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout_ms.map(Duration::from_millis)
    }
}

impl JobSpec {
    /// The rank of `node` in the run, if the job is meant for it.
    #[must_use]
    pub fn rank_of(&self, node: &NodeName) -> Option<u32> {
        self.batch
            .iter()
            .find(|Seat(name, _)| name == node)
            .map(|Seat(_, rank)| *rank)
    }

    /// A digest of all that may not differ between two sendings of one job id: everything but the
    /// batch and the two times.
    #[must_use]
    pub fn identity_digest(&self) -> [u8; 32] {
        let same = Self {
            batch: Vec::new(),
            issued_ms: 0,
            start_by_ms: 0,
            ..self.clone()
        };
        *blake3::hash(&crate::signed::encode(&same)).as_bytes()
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde asks for"
)]
fn is_false(value: &bool) -> bool {
    !*value
}
