//! Every maximum on the wire and in a node set, each with its reason. What exceeds one is refused
//! before memory is set aside for it.

use std::time::Duration;

/// Largest frame once a session is authenticated: a job with its script, with room for a header.
pub const FRAME_MAX: usize = 1024 * 1024;
/// Largest frame before authentication: a hello with a grant, and nothing worth flooding with.
pub const FRAME_MAX_UNAUTHENTICATED: usize = 16 * 1024;
/// Largest run of output or stdin bytes in one frame, so that control frames never wait long.
pub const CHUNK_MAX: usize = 64 * 1024;
/// Bytes of one stream that may be under way unacknowledged; also what an agent keeps for a
/// client that comes back.
pub const STREAM_WINDOW: u64 = 256 * 1024;
/// Largest grant, payload and signature together.
pub const GRANT_MAX: usize = 4 * 1024;
/// Largest signed job with script and arguments.
pub const JOB_MAX: usize = 512 * 1024;
/// Nodes that one signed job may name, so that the cost of a run stays linear in its nodes.
pub const BATCH_MAX: usize = 256;
/// Largest stdin whose digest is part of the signed job.
pub const SIZED_STDIN_MAX: u64 = 16 * 1024 * 1024;
/// One command line or argument above this is refused by Linux (`MAX_ARG_STRLEN`, 32 pages).
pub const ARGUMENT_MAX: usize = 128 * 1024 - 1;
/// Names that one node-set text may stand for: far more than there are machines, and few enough
/// that a slip of the finger does not fill the memory.
pub const NODES_MAX: usize = 1_000_000;
/// Jobs at once on one session; a client needs one stream each.
pub const STREAMS_MAX: usize = 1024;

/// A session must be authenticated within this time.
pub const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// Each side says something at least this often, whatever the output does.
pub const HEARTBEAT_PERIOD: Duration = Duration::from_secs(10);
/// A peer silent for this long has lost its session.
pub const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Most time between a job's issue and the latest moment at which it may start.
pub const START_WINDOW: Duration = Duration::from_secs(60);
/// Most that two honest clocks may differ.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(5 * 60);
/// How long a grant lives unless its operator asks for less.
pub const GRANT_LIFE: Duration = Duration::from_secs(10 * 60);
/// Longest life of a grant that a node accepts unless its policy says otherwise.
pub const GRANT_LIFE_MAX: Duration = Duration::from_secs(15 * 60);

const _: () = assert!(JOB_MAX + 4096 < FRAME_MAX);
const _: () = assert!(GRANT_MAX < FRAME_MAX_UNAUTHENTICATED);
const _: () = assert!(CHUNK_MAX + 64 < FRAME_MAX);
