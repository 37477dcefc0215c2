//! What is written, in the order in which it happens.

use dtx_proto_types::id::{JobId, RunId};
use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::message::Refusal;
use dtx_proto_types::outcome::Ending;
use serde::{Deserialize, Serialize};

/// One fact. The times of a record are those of the last `Boot` before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record {
    /// What follows happened in this life of the node.
    Boot { boot_id: String },
    /// A job was taken on: from here on it may have started.
    Accepted {
        key: Key,
        run: RunId,
        #[serde(with = "serde_bytes")]
        digest: [u8; 32],
        rule: String,
        wall_ms: u64,
        boot_ms: u64,
    },
    /// Its main process runs.
    Started { key: Key, pid: u32, start_time: u64 },
    /// It ended.
    Ended { key: Key, ending: Ending },
    /// It provably never started.
    NotStarted { key: Key, refusal: Refusal },
    /// A grant came for the first time.
    GrantSeen {
        #[serde(with = "serde_bytes")]
        nonce: [u8; 16],
        /// Whose it was; absent in what older agents wrote.
        #[serde(default)]
        operator: Option<Fingerprint>,
        issued_ms: u64,
        boot_ms: u64,
    },
}

/// Whose job it is, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Key {
    pub(super) operator: Fingerprint,
    pub(super) job: JobId,
}
