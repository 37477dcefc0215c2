//! Frames: a length, a header of fixed size, a body.
//!
//! ```text
//! length u32 BE (of what follows) │ kind u8 │ flags u8 │ stream u32 BE │ body
//! ```
//!
//! Control bodies are `MessagePack` maps; output and stdin are an offset (u64 BE) and raw bytes.
//! Kinds are never reused. Requests have the kinds 1 to 63, replies 64 to 127, so that a message
//! on the wrong side is recognised. Flags are zero and ignored.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::codec::Decoder;

use crate::limits;
use crate::message::{Chunk, FirstReply, FirstRequest, Reply, Request};
use crate::signed::{decode_exact, encode};

/// The kinds of frames. A retired one keeps its line with the version in which it left.
pub mod kind {
    /// `ClientHello`.
    pub const CLIENT_HELLO: u8 = 1;
    /// `SignedJob`.
    pub const JOB: u8 = 2;
    /// `Attach`.
    pub const ATTACH: u8 = 3;
    /// Raw bytes of standard input.
    pub const STDIN: u8 = 4;
    /// `StdinEnd`.
    pub const STDIN_END: u8 = 5;
    /// `Ack`.
    pub const ACK: u8 = 6;
    /// No body.
    pub const CANCEL: u8 = 7;
    /// No body.
    pub const KEEP: u8 = 8;
    /// No body.
    pub const RELEASE: u8 = 9;
    /// No body, either direction.
    pub const HEARTBEAT: u8 = 10;

    /// `ServerHello`.
    pub const SERVER_HELLO: u8 = 64;
    /// `Refusal`, of a session on stream 0, of a job on its own.
    pub const REFUSAL: u8 = 65;
    /// `JobState`.
    pub const STATE: u8 = 66;
    /// Raw bytes of standard output.
    pub const STDOUT: u8 = 67;
    /// Raw bytes of standard error.
    pub const STDERR: u8 = 68;
    /// `StdinAck`.
    pub const STDIN_ACK: u8 = 69;
    /// `Ended`.
    pub const ENDED: u8 = 70;
}

/// Bytes of a frame's header, without the length that precedes it.
pub const HEADER_LEN: usize = 6;
/// Bytes of the length that precedes a header.
pub const LENGTH_LEN: usize = 4;

/// One frame: bytes with a tag. What they mean is a [`Request`] or a [`Reply`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// One of [`kind`].
    pub kind: u8,
    /// The job that it belongs to; 0 for the session itself.
    pub stream: u32,
    /// The body.
    pub body: Bytes,
}

/// Why bytes are not a frame, or a frame not a message. The session ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length announced is over the limit in force.
    #[error("a frame of {announced} bytes, where {max} are allowed")]
    TooLong {
        /// As the peer announced it.
        announced: usize,
        /// The limit in force.
        max: usize,
    },
    /// Shorter than a header.
    #[error("a frame of {0} bytes has no header")]
    TooShort(usize),
    /// The body is not what the kind says.
    #[error("a frame of kind {0} cannot be read")]
    Malformed(u8),
    /// A kind that has no business here.
    #[error("a frame of kind {0} is not allowed here")]
    Unexpected(u8),
    /// The transport broke.
    #[error("{0}")]
    Io(String),
}

impl From<std::io::Error> for FrameError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error.to_string())
    }
}

impl Frame {
    fn control<T: Serialize>(kind: u8, stream: u32, body: &T) -> Self {
        Self {
            kind,
            stream,
            body: encode(body).into(),
        }
    }

    const fn bare(kind: u8, stream: u32) -> Self {
        Self {
            kind,
            stream,
            body: Bytes::new(),
        }
    }

    fn chunk(kind: u8, stream: u32, chunk: &Chunk) -> Self {
        let mut body = BytesMut::with_capacity(8 + chunk.bytes.len());
        body.put_u64(chunk.offset);
        body.put_slice(&chunk.bytes);
        Self {
            kind,
            stream,
            body: body.freeze(),
        }
    }

    /// Appends the frame to a buffer.
    ///
    /// # Panics
    ///
    /// If the body is larger than any frame may be, which the message types rule out.
    pub fn write_to(&self, buffer: &mut BytesMut) {
        let length = u32::try_from(HEADER_LEN + self.body.len()).expect("bodies are bounded");
        buffer.reserve(LENGTH_LEN + HEADER_LEN + self.body.len());
        buffer.put_u32(length);
        buffer.put_u8(self.kind);
        buffer.put_u8(0);
        buffer.put_u32(self.stream);
        buffer.put_slice(&self.body);
    }

    fn read<T: DeserializeOwned>(&self) -> Result<T, FrameError> {
        decode_exact(&self.body).map_err(|_| FrameError::Malformed(self.kind))
    }

    fn read_bare<T>(&self, message: T) -> Result<T, FrameError> {
        if self.body.is_empty() {
            Ok(message)
        } else {
            Err(FrameError::Malformed(self.kind))
        }
    }

    fn read_chunk(self) -> Result<Chunk, FrameError> {
        let mut body = self.body;
        if body.len() < 8 || body.len() - 8 > limits::CHUNK_MAX {
            return Err(FrameError::Malformed(self.kind));
        }
        let offset = body.get_u64();
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        // Whoever adds the two may rely on it that there is a sum.
        if offset.checked_add(length).is_none() {
            return Err(FrameError::Malformed(self.kind));
        }
        Ok(Chunk {
            offset,
            bytes: body,
        })
    }
}

/// Cuts a stream of bytes into frames. Nothing is set aside for a frame over the limit.
#[derive(Debug)]
pub struct FrameDecoder {
    frame_max: usize,
}

impl FrameDecoder {
    /// For a peer that has not been authenticated.
    #[must_use]
    pub const fn unauthenticated() -> Self {
        Self {
            frame_max: limits::FRAME_MAX_UNAUTHENTICATED,
        }
    }

    /// The peer has been authenticated: larger frames are allowed from now on.
    pub const fn authenticated(&mut self) {
        self.frame_max = limits::FRAME_MAX;
    }
}

impl Decoder for FrameDecoder {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let Some(length) = buffer.first_chunk::<LENGTH_LEN>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length > self.frame_max {
            return Err(FrameError::TooLong {
                announced: length,
                max: self.frame_max,
            });
        }
        if length < HEADER_LEN {
            return Err(FrameError::TooShort(length));
        }
        if buffer.len() < LENGTH_LEN + length {
            buffer.reserve(LENGTH_LEN + length - buffer.len());
            return Ok(None);
        }
        buffer.advance(LENGTH_LEN);
        let mut frame = buffer.split_to(length);
        let kind = frame.get_u8();
        let _flags = frame.get_u8();
        let stream = frame.get_u32();
        Ok(Some(Frame {
            kind,
            stream,
            body: frame.freeze(),
        }))
    }
}

impl FirstRequest {
    /// As a frame.
    #[must_use]
    pub fn to_frame(&self) -> Frame {
        match self {
            Self::Hello(hello) => Frame::control(kind::CLIENT_HELLO, 0, hello),
        }
    }

    /// The meaning of a frame from a client that is not authenticated.
    ///
    /// # Errors
    ///
    /// For every kind but a hello.
    pub fn from_frame(frame: &Frame) -> Result<Self, FrameError> {
        match frame.kind {
            kind::CLIENT_HELLO => frame.read().map(Self::Hello),
            other => Err(FrameError::Unexpected(other)),
        }
    }
}

impl FirstReply {
    /// As a frame.
    #[must_use]
    pub fn to_frame(&self) -> Frame {
        match self {
            Self::Hello(hello) => Frame::control(kind::SERVER_HELLO, 0, hello),
            Self::Refusal(refusal) => Frame::control(kind::REFUSAL, 0, refusal),
        }
    }

    /// The meaning of an agent's first frame.
    ///
    /// # Errors
    ///
    /// For every kind but a hello and a refusal.
    pub fn from_frame(frame: &Frame) -> Result<Self, FrameError> {
        match frame.kind {
            kind::SERVER_HELLO => frame.read().map(|hello| Self::Hello(Box::new(hello))),
            kind::REFUSAL => frame.read().map(Self::Refusal),
            other => Err(FrameError::Unexpected(other)),
        }
    }
}

impl Request {
    /// As a frame of `stream`.
    #[must_use]
    pub fn to_frame(&self, stream: u32) -> Frame {
        match self {
            Self::Job(job) => Frame::control(kind::JOB, stream, job),
            Self::Attach(attach) => Frame::control(kind::ATTACH, stream, attach),
            Self::Stdin(chunk) => Frame::chunk(kind::STDIN, stream, chunk),
            Self::StdinEnd(end) => Frame::control(kind::STDIN_END, stream, end),
            Self::Ack(ack) => Frame::control(kind::ACK, stream, ack),
            Self::Cancel => Frame::bare(kind::CANCEL, stream),
            Self::Keep => Frame::bare(kind::KEEP, stream),
            Self::Release => Frame::bare(kind::RELEASE, stream),
            Self::Heartbeat => Frame::bare(kind::HEARTBEAT, stream),
            Self::Unknown(kind) => Frame::bare(*kind, stream),
        }
    }

    /// The meaning of a frame from an authenticated client.
    ///
    /// # Errors
    ///
    /// For a body that is not what its kind says, and for an agent's kinds.
    pub fn from_frame(frame: Frame) -> Result<Self, FrameError> {
        match frame.kind {
            kind::JOB => frame.read().map(Self::Job),
            kind::ATTACH => frame.read().map(Self::Attach),
            kind::STDIN => frame.read_chunk().map(Self::Stdin),
            kind::STDIN_END => frame.read().map(Self::StdinEnd),
            kind::ACK => frame.read().map(Self::Ack),
            kind::CANCEL => frame.read_bare(Self::Cancel),
            kind::KEEP => frame.read_bare(Self::Keep),
            kind::RELEASE => frame.read_bare(Self::Release),
            kind::HEARTBEAT => frame.read_bare(Self::Heartbeat),
            kind::CLIENT_HELLO | 64.. => Err(FrameError::Unexpected(frame.kind)),
            unknown => Ok(Self::Unknown(unknown)),
        }
    }
}

impl Reply {
    /// As a frame of `stream`.
    #[must_use]
    pub fn to_frame(&self, stream: u32) -> Frame {
        match self {
            Self::State(state) => Frame::control(kind::STATE, stream, state),
            Self::Stdout(chunk) => Frame::chunk(kind::STDOUT, stream, chunk),
            Self::Stderr(chunk) => Frame::chunk(kind::STDERR, stream, chunk),
            Self::StdinAck(ack) => Frame::control(kind::STDIN_ACK, stream, ack),
            Self::Ended(ended) => Frame::control(kind::ENDED, stream, ended),
            Self::Refusal(refusal) => Frame::control(kind::REFUSAL, stream, refusal),
            Self::Heartbeat => Frame::bare(kind::HEARTBEAT, stream),
            Self::Unknown(kind) => Frame::bare(*kind, stream),
        }
    }

    /// The meaning of a frame from an agent that accepted this client.
    ///
    /// # Errors
    ///
    /// For a body that is not what its kind says, and for a client's kinds.
    pub fn from_frame(frame: Frame) -> Result<Self, FrameError> {
        match frame.kind {
            kind::STATE => frame.read().map(Self::State),
            kind::STDOUT => frame.read_chunk().map(Self::Stdout),
            kind::STDERR => frame.read_chunk().map(Self::Stderr),
            kind::STDIN_ACK => frame.read().map(Self::StdinAck),
            kind::ENDED => frame.read().map(Self::Ended),
            kind::REFUSAL => frame.read().map(Self::Refusal),
            kind::HEARTBEAT => frame.read_bare(Self::Heartbeat),
            kind::SERVER_HELLO | 0..64 | 128.. => Err(FrameError::Unexpected(frame.kind)),
            unknown => Ok(Self::Unknown(unknown)),
        }
    }
}
