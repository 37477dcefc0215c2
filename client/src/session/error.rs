//! Why there is no session, and why one ended.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use dtx_proto_types::frame::FrameError;
use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::limits::SILENCE_MAX;
use dtx_proto_types::message::Refusal;
use dtx_proto_types::node::NodeName;
use dtx_proto_types::version::VersionRange;

use crate::pins::ChangedKey;

/// Why there is no session to a node. No byte of a job was written.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// There is nowhere to connect to.
    #[error("no address of it is known")]
    NoAddress,
    /// No address of it took a connection.
    #[error("no connection: {}", list(.0))]
    Tcp(Vec<(SocketAddr, io::Error)>),
    /// It took too long.
    #[error("no answer from {} within {within:?}", all(.addresses))]
    Late {
        /// What was tried.
        addresses: Vec<SocketAddr>,
        /// How long.
        within: Duration,
    },
    /// What answered does not speak TLS as an agent does.
    #[error("{address} does not speak TLS like an agent: {source}")]
    Tls {
        /// Where.
        address: SocketAddr,
        /// What went wrong.
        source: io::Error,
    },
    /// What answered has none of the expected keys.
    #[error("{address} has the key {offered}, which is not the one expected of {node}")]
    OtherKey {
        /// Where.
        address: SocketAddr,
        /// Who was expected.
        node: NodeName,
        /// The key that answered.
        offered: Fingerprint,
    },
    /// The same, with all that the pins say about it.
    #[error(transparent)]
    Changed(#[from] Box<ChangedKey>),
    /// What answered has another name than the one selected.
    #[error("{address} is the node {actual}, not {expected}")]
    WrongNode {
        /// Where.
        address: SocketAddr,
        /// Who should have answered.
        expected: NodeName,
        /// Who did.
        actual: NodeName,
    },
    /// It belongs to another cluster.
    #[error("{address} belongs to the cluster {actual:?}, not {expected:?}")]
    WrongCluster {
        /// Where.
        address: SocketAddr,
        /// Which was meant.
        expected: String,
        /// Which it is.
        actual: String,
    },
    /// The agent does not accept the grant.
    #[error("{}", .0.text)]
    Refused(Refusal),
    /// No common protocol.
    #[error("it chose protocol {theirs}, and this dtx speaks {ours}; upgrade the older of the two")]
    Version {
        /// What this build speaks.
        ours: VersionRange,
        /// What the agent chose.
        theirs: u16,
    },
    /// The connection broke, or the agent said something that makes no sense.
    #[error("{address} broke off before the session began: {reason}")]
    Broken {
        /// Where.
        address: SocketAddr,
        /// How.
        reason: SessionEnd,
    },
    /// The node is not to be used, for a reason found while it was selected.
    #[error("{0}")]
    Unusable(String),
    /// The operator's key did not sign when it was needed again.
    #[error("the grant cannot be renewed: {0}")]
    Grant(String),
}

impl ConnectError {
    /// Whether another try may end differently without anybody doing anything.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::Late { .. } | Self::Tls { .. } | Self::Broken { .. } => true,
            Self::Refused(refusal) => !refusal.code.is_denial(),
            Self::NoAddress
            | Self::OtherKey { .. }
            | Self::Changed(_)
            | Self::WrongNode { .. }
            | Self::WrongCluster { .. }
            | Self::Version { .. }
            | Self::Unusable(_)
            | Self::Grant(_) => false,
        }
    }

    /// Whether it says that the node is not at that address: it may be at another.
    #[must_use]
    pub const fn is_elsewhere(&self) -> bool {
        matches!(
            self,
            Self::Tls { .. }
                | Self::OtherKey { .. }
                | Self::Changed(_)
                | Self::WrongNode { .. }
                | Self::WrongCluster { .. }
                | Self::Broken { .. }
        )
    }
}

fn list(failures: &[(SocketAddr, io::Error)]) -> String {
    let mut text = String::new();
    for (index, (address, error)) in failures.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        let _infallible = write!(text, "{separator}{address}: {error}");
    }
    text
}

fn all(addresses: &[SocketAddr]) -> String {
    let texts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionEnd {
    /// This side closed it.
    #[error("the session was closed")]
    Closed,
    /// The agent closed it.
    #[error("the agent closed the session")]
    PeerClosed,
    /// The transport broke.
    #[error("the connection broke: {0}")]
    Transport(String),
    /// Nothing came for too long.
    #[error("the agent was silent for {}s", SILENCE_MAX.as_secs())]
    Silent,
    /// The agent broke the rules of the protocol.
    #[error("the agent broke the protocol: {0}")]
    Protocol(String),
}

impl From<FrameError> for SessionEnd {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Io(text) => Self::Transport(text),
            other => Self::Protocol(other.to_string()),
        }
    }
}

impl From<io::Error> for SessionEnd {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::PeerClosed,
            _ => Self::Transport(error.to_string()),
        }
    }
}
