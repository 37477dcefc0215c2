//! The messages. Whatever the front reports may deny, never allow: the executor decides from
//! signed bytes and its own state alone.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use dtx_proto_types::grant::SignedGrant;
use dtx_proto_types::id::{JobId, JournalId};
use dtx_proto_types::key::Ed25519Key;
use dtx_proto_types::message::{Ended, Refusal};
use dtx_proto_types::node::NodeName;
use dtx_proto_types::outcome::Ending;
use dtx_proto_types::signed::SignedJob;
use serde::{Deserialize, Serialize};

/// A TCP connection, numbered by the front.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Connection(pub u64);

/// An authenticated session, numbered by the executor and never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SessionNumber(pub u64);

/// A job that the executor accepted, numbered by it and never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobKey(pub u64);

/// From the front to the executor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToExecutor {
    /// The front listens and answers.
    Ready,
    /// A peer said hello. Answered by `Opened` or `OpenRefused`.
    Open {
        /// Where it came in.
        connection: Connection,
        /// Its grant, as it came.
        grant: SignedGrant,
        /// The key that it proved in the TLS handshake.
        peer_key: Ed25519Key,
        /// Its address, for the audit.
        peer: SocketAddr,
    },
    /// A session is gone; its jobs have lost their client until one attaches.
    Closed(SessionNumber),
    /// A job for this node. Answered by `Accepted`, `Attached`, `AttachedEnded` or `JobRefused`.
    Job {
        /// The session that it came by.
        session: SessionNumber,
        /// The stream that the client gave it.
        stream: u32,
        /// As it came.
        job: SignedJob,
    },
    /// A client came back for a job. Answered by `Attached`, `AttachedEnded`, `AttachUnknown` or
    /// `JobRefused`.
    Attach {
        /// The session that it came by.
        session: SessionNumber,
        /// The stream that the client gave it.
        stream: u32,
        /// The job that it means.
        job: JobId,
    },
    /// The memfd of a sized stdin is full: check it and start.
    StdinReady(JobKey),
    /// The client wants the job ended.
    Cancel {
        /// The session that asked.
        session: SessionNumber,
        /// The job.
        key: JobKey,
    },
    /// The client wants the job to run on without it.
    Keep {
        /// The session that asked.
        session: SessionNumber,
        /// The job.
        key: JobKey,
    },
    /// The client has the ending: the output need not be kept.
    Release {
        /// The session that said so.
        session: SessionNumber,
        /// The job.
        key: JobKey,
    },
    /// Said before the front takes bytes out of the job's pipes: from now on they would be lost
    /// with the front.
    Taking(JobKey),
    /// All bytes taken so far have been acknowledged by the client.
    Clean {
        /// The job.
        key: JobKey,
        /// Bytes of standard output so far.
        stdout: u64,
        /// Bytes of standard error so far.
        stderr: u64,
    },
}

/// From the executor to the front. The comments name the descriptors that come along, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToFront {
    /// The first message. Descriptors: one listening TCP socket for each of `listen`.
    Setup(Box<Setup>),
    /// A grant was verified. `Job`s and `Attach`es may follow under this number.
    Opened {
        /// Where the peer came in.
        connection: Connection,
        /// What to tell it.
        opened: Opened,
    },
    /// A grant was not accepted.
    OpenRefused {
        /// Where the peer came in.
        connection: Connection,
        /// What to tell it.
        refusal: Refusal,
    },
    /// A job was not accepted.
    JobRefused {
        /// Whom to tell.
        session: SessionNumber,
        /// On which stream.
        stream: u32,
        /// What to tell it.
        refusal: Refusal,
    },
    /// A job was accepted; it waits for its stdin or for a slot, or starts at once.
    /// Descriptors: the memfd to fill, if `stdin_size`.
    Accepted {
        /// Whose it is.
        session: SessionNumber,
        /// On which stream.
        stream: u32,
        /// Its number from now on.
        key: JobKey,
        /// Bytes of stdin to put into the memfd before `StdinReady`.
        stdin_size: Option<u64>,
    },
    /// An accepted job now runs.
    /// Descriptors: read ends of stdout and stderr; the write end of stdin, if `streamed_stdin`.
    Started {
        /// Which.
        key: JobKey,
        /// Whether a third descriptor takes the client's stdin.
        streamed_stdin: bool,
        /// Bytes of each stream to send; the rest is read and counted.
        output_bytes: Option<u64>,
    },
    /// An accepted job provably never started.
    NotStarted {
        /// Which.
        key: JobKey,
        /// Why.
        refusal: Refusal,
    },
    /// The command ended. Its pipes are read to the end, or for 200 ms if something else holds
    /// them open, before the client is told.
    Ended {
        /// Which.
        key: JobKey,
        /// How.
        ending: Ending,
        /// From start to end, in microseconds.
        duration_us: u64,
        /// What else a person should know.
        notes: Vec<String>,
    },
    /// A client came back for a job that this front knows: bind it to this stream.
    Attached {
        /// The session by which it came.
        session: SessionNumber,
        /// On which stream.
        stream: u32,
        /// Which.
        key: JobKey,
    },
    /// A client came back for a job whose output is gone; this is all that is known.
    AttachedEnded {
        /// The session by which it came.
        session: SessionNumber,
        /// On which stream.
        stream: u32,
        /// What is known.
        ended: Ended,
    },
    /// A client came back for a job that never arrived here.
    AttachUnknown {
        /// The session by which it came.
        session: SessionNumber,
        /// On which stream.
        stream: u32,
    },
    /// After a front died, the next one learns of each accepted job by the messages above, in
    /// order, preceded by this one: nobody is bound to it yet.
    Adopt {
        /// Which.
        key: JobKey,
        /// Offset of the next byte of standard output in the pipe.
        stdout: u64,
        /// Offset of the next byte of standard error in the pipe.
        stderr: u64,
    },
    /// The operator was removed, or the session may not go on for another reason: tell the client
    /// and end it.
    Close {
        /// Which.
        session: SessionNumber,
        /// What to tell it.
        refusal: Refusal,
    },
    /// Nothing more will be asked about this job: drop its buffers and descriptors.
    Forget(JobKey),
    /// Load as it is now, for hellos and discovery.
    Load {
        /// Jobs that run or wait.
        busy: u32,
        /// The one-minute load average, times 100.
        load_percent: u32,
    },
    /// No new connections from now on; sessions go on.
    Drain,
    /// Send what is queued, close everything and exit.
    Stop,
}

/// What a front needs to know to begin with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// The node's name.
    pub node: NodeName,
    /// Its cluster.
    pub cluster: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The addresses of the listening sockets that come along.
    pub listen: Vec<SocketAddr>,
    /// Networks that may open a session, as address and prefix length.
    pub accept_from: Vec<(IpAddr, u8)>,
    /// Whether hosts on the node's own links may open a session, too.
    pub accept_on_link: bool,
    /// Whether discovery is answered.
    pub discovery: bool,
    /// Interfaces for discovery; empty means all that are fit.
    pub interfaces: Vec<String>,
    /// The seed of the node key.
    #[serde(with = "serde_bytes")]
    pub node_key_seed: [u8; 32],
    /// The kernel's boot id.
    pub boot_id: String,
    /// The journal's id.
    pub journal_id: JournalId,
    /// How long a job outlives its client, in milliseconds.
    pub reattach_grace_ms: u64,
    /// Jobs at once.
    pub slots: u32,
    /// The build of the agent.
    pub release: String,
    /// Most verbose level of the log (`error` to `trace`).
    pub log_level: String,
    /// Whether log lines are JSON.
    pub log_json: bool,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup")
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

/// What to tell a peer whose grant was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The session's number.
    pub session: SessionNumber,
    /// Jobs that run or wait now.
    pub busy: u32,
    /// The one-minute load average, times 100.
    pub load_percent: u32,
    /// The node's clock in milliseconds since 1970.
    pub clock_ms: u64,
}
