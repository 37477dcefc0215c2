//! What a run does on each of its nodes.

use std::collections::BTreeMap;
use std::time::Duration;

use dtx_proto_types::job::Body;

use crate::fanout::StdinSource;

/// Bytes of each output stream of a node that are sent unless the caller says otherwise.
pub const OUTPUT_BYTES: u64 = 16 * 1024 * 1024;

/// What a run does on each of its nodes: a job before it is bound to nodes and signed.
#[derive(Debug)]
pub struct JobTemplate {
    /// The command as the operator wrote it, for display.
    pub command: String,
    /// What is to be done.
    pub body: Body,
    /// The local user on the node, by name.
    pub run_as: String,
    /// Variables added to the environment.
    pub env: BTreeMap<String, String>,
    /// Working directory; the user's home when absent.
    pub cwd: Option<String>,
    /// The shell for a line; the user's login shell when absent.
    pub shell: Option<String>,
    /// Replace `%h %n %u %%` on the node.
    pub subst: bool,
    /// What the command reads.
    pub stdin: StdinSource,
    /// An attempt's process tree is ended after this time.
    pub timeout: Option<Duration>,
    /// Bytes of each output stream and node that are sent; the rest is counted. `None`: all.
    pub output_bytes: Option<u64>,
}

impl JobTemplate {
    /// A line for the login shell of `run_as`.
    #[must_use]
    pub fn shell(line: &str, run_as: &str) -> Self {
        Self::new(line, Body::Shell(line.to_owned()), run_as)
    }

    /// A program and its arguments, without a shell.
    #[must_use]
    pub fn argv(words: Vec<String>, run_as: &str) -> Self {
        Self::new(&words.join(" "), Body::Argv(words), run_as)
    }

    /// Any body; `command` is what people are shown.
    #[must_use]
    pub fn new(command: &str, body: Body, run_as: &str) -> Self {
        Self {
            command: command.to_owned(),
            body,
            run_as: run_as.to_owned(),
            env: BTreeMap::new(),
            cwd: None,
            shell: None,
            subst: false,
            stdin: StdinSource::None,
            timeout: None,
            output_bytes: Some(OUTPUT_BYTES),
        }
    }
}
