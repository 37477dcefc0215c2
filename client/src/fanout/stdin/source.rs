//! What the commands of a run read.

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dtx_proto_types::limits::SIZED_STDIN_MAX;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Where the standard input of a run's commands comes from. Every node reads all of it.
#[derive(Default)]
pub enum StdinSource {
    /// Nowhere: the commands read `/dev/null`.
    #[default]
    None,
    /// These bytes, at most [`SIZED_STDIN_MAX`] of them. Their digest is part of the signed job,
    /// and every node has all of them before it starts.
    Bytes(Bytes),
    /// Bytes as they come. All nodes of the run are started at once, and the slowest sets the
    /// pace.
    Stream(Box<dyn AsyncRead + Send + Unpin>),
}

impl StdinSource {
    /// Reads `reader` to its end if that comes within `patience` and [`SIZED_STDIN_MAX`] bytes;
    /// otherwise the source is a stream that begins with what was read.
    ///
    /// # Errors
    ///
    /// If the reader fails.
    pub async fn gather<R>(mut reader: R, patience: Duration) -> io::Result<Self>
    where
        R: AsyncRead + Send + Unpin + 'static,
    {
        let mut read = BytesMut::new();
        let until = tokio::time::Instant::now() + patience;
        while u64::try_from(read.len()).unwrap_or(u64::MAX) <= SIZED_STDIN_MAX {
            match tokio::time::timeout_at(until, reader.read_buf(&mut read)).await {
                Ok(Ok(0)) => return Ok(Self::Bytes(read.freeze())),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(error),
                Err(_late) => break,
            }
        }
        let begun = io::Cursor::new(read.freeze());
        Ok(Self::Stream(Box::new(begun.chain(reader))))
    }
}

impl fmt::Debug for StdinSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}
