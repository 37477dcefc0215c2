//! What the two sides say to each other: the typed meaning of frames.
//!
//! Bodies are maps with named fields. A reader skips fields that it does not know, and frames
//! whose kind it does not know; a missing field has the default written here. What a side may not
//! do without is a capability, named in the hello and refused by name.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::grant::SignedGrant;
use crate::id::{JobId, JournalId};
use crate::node::NodeName;
use crate::outcome::Ending;
use crate::signed::SignedJob;
use crate::version::VersionRange;

/// All that an agent reads before it has verified a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirstRequest {
    /// The client's hello.
    Hello(ClientHello),
}

/// All that a client reads before the agent has accepted its grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirstReply {
    /// Accepted.
    Hello(Box<ServerHello>),
    /// Not accepted; the session ends.
    Refusal(Refusal),
}

/// What a client says, on a stream of its own choosing for each job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Start this job and call it by this frame's stream from now on.
    Job(SignedJob),
    /// Go on with a job that was sent in an earlier session.
    Attach(Attach),
    /// Bytes for the command's standard input.
    Stdin(Chunk),
    /// The standard input ends.
    StdinEnd(StdinEnd),
    /// Output has arrived up to these offsets.
    Ack(Ack),
    /// End the job's process tree.
    Cancel,
    /// Let the job run on, whatever happens to this client.
    Keep,
    /// The ending has arrived: nothing of the job need be kept but its id.
    Release,
    /// Still here.
    Heartbeat,
    /// From a newer client: skipped.
    Unknown(u8),
}

/// What an agent says about the job of a stream, or about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// What became of a job so far.
    State(JobState),
    /// Bytes of standard output.
    Stdout(Chunk),
    /// Bytes of standard error.
    Stderr(Chunk),
    /// Stdin has arrived up to this offset.
    StdinAck(StdinAck),
    /// The job ended, and this is all.
    Ended(Ended),
    /// The job was not started, and why.
    Refusal(Refusal),
    /// Still here.
    Heartbeat,
    /// From a newer agent: skipped.
    Unknown(u8),
}

/// The client's first message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientHello {
    /// Protocol versions that it speaks.
    pub versions: VersionRange,
    /// What it can do beyond its version.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Who it speaks for.
    pub grant: SignedGrant,
    /// The build of `dtx`, for people.
    #[serde(default)]
    pub release: String,
}

/// The agent's answer to a hello whose grant it verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerHello {
    /// The protocol version of this session.
    pub version: u16,
    /// What the agent can do beyond it.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// The node's own name.
    pub node: NodeName,
    /// Its cluster.
    pub cluster: String,
    /// The kernel's boot id: another one means that the node was rebooted.
    pub boot_id: String,
    /// The journal's id: another one means that old records are gone.
    pub journal_id: JournalId,
    /// How long a job outlives its client, in milliseconds.
    pub reattach_grace_ms: u64,
    /// The build of the agent, for people.
    pub release: String,
    /// Jobs that it runs at once.
    pub slots: u32,
    /// Jobs that run or wait now.
    pub busy: u32,
    /// The one-minute load average, times 100.
    #[serde(default)]
    pub load_percent: u32,
    /// The node's clock in milliseconds since 1970.
    pub clock_ms: u64,
    /// The node's labels.
    #[serde(default)]
    pub labels: std::collections::BTreeMap<String, String>,
}

/// Why something was not done. The code is stable; the text is for a person and says what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What kind of no it is.
    pub code: RefusalCode,
    /// In words.
    pub text: String,
}

/// The kinds of no. `denied` ones depend on who asks for what; `refused` ones on circumstances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// The operator's key is in no operators file here, or revoked.
    UnknownOperator,
    /// No operator has claimed this agent yet.
    Unclaimed,
    /// Operators or policy cannot be read as they are: nothing runs.
    BrokenPolicy,
    /// No rule allows it, or the grant does not cover it.
    Denied,
    /// The grant is expired or longer than this node takes.
    GrantExpired,
    /// Meant for another cluster or node.
    WrongTarget,
    /// The clocks of client and node differ too much.
    Clock,
    /// The signature, the format or the session is wrong.
    Invalid,
    /// No common protocol version or a required capability is missing.
    Version,
    /// The same job id came with other contents, or was seen before and is over.
    Replay,
    /// All slots and the queue are full, or the job waited too long.
    Busy,
    /// The agent is stopping.
    Draining,
    /// The journal or the audit log cannot be written.
    Disk,
    /// The user to run as does not exist.
    UnknownUser,
    /// It could not be started for another local reason.
    Resources,
    /// It was ended, as asked, before it was started.
    Cancelled,
    /// From a newer agent.
    #[serde(other)]
    Other,
}

impl RefusalCode {
    /// Whether it is the node's rules that said no (`denied`), not circumstances (`refused`).
    #[must_use]
    pub const fn is_denial(self) -> bool {
        matches!(
            self,
            Self::UnknownOperator
                | Self::Unclaimed
                | Self::BrokenPolicy
                | Self::Denied
                | Self::GrantExpired
                | Self::WrongTarget
                | Self::Invalid
        )
    }
}

/// A job of an earlier session, and what has arrived of its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attach {
    /// The job.
    pub job: JobId,
    /// Bytes of standard output that have arrived.
    pub stdout: u64,
    /// Bytes of standard error that have arrived.
    pub stderr: u64,
}

/// What became of a job so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobState {
    /// How far it has come.
    pub phase: Phase,
    /// Bytes of standard input that have arrived.
    #[serde(default)]
    pub stdin: u64,
}

/// How far a job has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// There is no record of it: it never arrived.
    Unknown,
    /// Its standard input is wanted before it can start.
    NeedsStdin,
    /// Accepted; waits for a slot.
    Queued,
    /// Started.
    Running,
}

/// A run of raw bytes at its place in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Offset of the first byte.
    pub offset: u64,
    /// The bytes; at most [`crate::limits::CHUNK_MAX`].
    pub bytes: Bytes,
}

/// The standard input ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StdinEnd {
    /// How many bytes there were.
    pub size: u64,
}

/// Output that has arrived; the agent may send [`crate::limits::STREAM_WINDOW`] beyond it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ack {
    /// Bytes of standard output.
    pub stdout: u64,
    /// Bytes of standard error.
    pub stderr: u64,
}

/// Standard input that has arrived; the client may send [`crate::limits::STREAM_WINDOW`] beyond it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StdinAck {
    /// Bytes taken from the client.
    pub offset: u64,
    /// The command reads no more: send nothing further.
    #[serde(default)]
    pub closed: bool,
}

/// How a job ended. It follows all of the job's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// How.
    pub ending: Ending,
    /// Bytes that the command wrote to standard output; more than were sent if a limit cut it.
    #[serde(default)]
    pub stdout: u64,
    /// Bytes that the command wrote to standard error.
    #[serde(default)]
    pub stderr: u64,
    /// Most bytes of each stream that were sent, where there was a limit: the one asked for, or a
    /// lower one of the node's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<u64>,
    /// From start to end, in microseconds.
    #[serde(default)]
    pub duration_us: u64,
    /// What else a person should know: processes left over, a pipe held open.
    #[serde(default)]
    pub notes: Vec<String>,
}
