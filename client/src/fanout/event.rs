//! The run's story, one event at a time: all that a reporter ever sees.

use std::time::Duration;

use bytes::Bytes;
use dtx_proto_types::id::RunId;
use dtx_proto_types::node::NodeName;
use dtx_proto_types::outcome::Outcome;

/// One fact about a run, with the counts that hold after it.
#[derive(Debug, Clone)]
pub struct RunEvent {
    /// Since the run began.
    pub elapsed: Duration,
    /// How the nodes stand after this event.
    pub counts: Counts,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum What {
    /// The selection is complete; nothing has been sent yet.
    RunStarted {
        /// The run.
        run: RunId,
        /// The command as the operator wrote it.
        command: String,
        /// The nodes, in the order written.
        nodes: Vec<NodeName>,
    },
    /// The node started the job.
    NodeStarted {
        /// Which.
        node: NodeName,
        /// From 1.
        attempt: u32,
    },
    /// The command wrote something. In order for each node and stream.
    Output {
        /// Which node.
        node: NodeName,
        /// Which of its streams.
        stream: Stream,
        /// What it wrote.
        bytes: Bytes,
    },
    /// The session broke and the job was found again by its id.
    NodeReattached {
        /// Which.
        node: NodeName,
    },
    /// An attempt ended in a way that is tried again.
    NodeRetrying {
        /// Which.
        node: NodeName,
        /// The attempt that ended, from 1.
        attempt: u32,
        /// How.
        outcome: Outcome,
        /// Why.
        reason: Option<String>,
        /// How long until the next one.
        delay: Duration,
    },
    /// The node's part is over.
    NodeFinished(NodeResult),
    /// Something that the operator should know and that is no node's outcome.
    Warning(String),
    /// The run is being ended early, and why.
    Stopping(StopReason),
    /// Every node has its outcome.
    RunFinished,
}

/// One of a command's two output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// `stdout` or `stderr`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// How one node's part of the run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeResult {
    /// Which node.
    pub node: NodeName,
    /// Its position in the run, from 0.
    pub rank: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// The command's exit code, where it exited.
    pub exit_code: Option<i32>,
    /// The signal that ended the command, where one did.
    pub signal: Option<i32>,
    /// Attempts made; 0 if the node was skipped.
    pub attempts: u32,
    /// From the first attempt to the end.
    pub duration: Duration,
    /// Bytes that the command wrote to standard output, sent or not.
    pub stdout_bytes: u64,
    /// Bytes that the command wrote to standard error, sent or not.
    pub stderr_bytes: u64,
    /// How often the session broke and the job was found again.
    pub reconnects: u32,
    /// Why, for everything but a plain exit.
    pub reason: Option<String>,
    /// What else a person should know: processes left over, a pipe held open.
    pub notes: Vec<String>,
}

/// Why a run ends early. The worst that happened counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopReason {
    /// `--deadline` passed.
    Deadline,
    /// `--fail-fast`, and a node did not end well.
    FailFast,
    /// A failure budget is spent or a gate closed.
    Budget,
    /// Output cannot be written any more.
    OutputClosed,
    /// The operator interrupted once: everything is cancelled and answers are awaited.
    Interrupt,
    /// The operator interrupted again, or the process must end: nothing is awaited.
    Leave,
}

/// How many nodes stand where. They always add up to the nodes of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Nodes of the run.
    pub nodes: usize,
    /// Not begun yet.
    pub waiting: usize,
    /// Begun and not finished.
    pub running: usize,
    /// Finished, by outcome, in the order of [`Outcome::ALL`].
    pub finished: [usize; Outcome::ALL.len()],
}

impl Counts {
    /// Nodes that finished with this outcome.
    #[must_use]
    pub const fn of(&self, outcome: Outcome) -> usize {
        self.finished[outcome as usize]
    }

    /// Nodes that finished.
    #[must_use]
    pub fn done(&self) -> usize {
        self.finished.iter().sum()
    }
}

/// What a run comes to.
#[derive(Debug, Clone)]
pub struct RunSummary {
    /// The run.
    pub run: RunId,
    /// Every node's result, in the order in which the nodes were written.
    pub results: Vec<NodeResult>,
    /// The counts over them.
    pub counts: Counts,
    /// From the start of the run to its end.
    pub wall: Duration,
    /// Why it ended early, if it did.
    pub stopped: Option<StopReason>,
}
