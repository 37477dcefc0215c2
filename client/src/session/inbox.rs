//! What has arrived for one job and waits for its consumer. Bounded by the credit windows, so the
//! session's reader never waits for a consumer.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use dtx_proto_types::limits::{CHUNK_MAX, STREAM_WINDOW};
use dtx_proto_types::message::{Ack, Chunk, Ended, JobState, Refusal, StdinAck};
use tokio::sync::Notify;

use super::error::SessionEnd;
use crate::fanout::event::Stream;

/// Runs of output kept apart. Beyond it, small ones are appended to the last of their stream, so
/// that a command that writes single bytes costs no more than one that writes blocks.
const SEGMENTS_MAX: usize = 32;

/// One fact about a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobEvent {
    /// How far it has come.
    State(JobState),
    /// How much of its standard input has arrived.
    StdinAck(StdinAck),
    /// The next bytes that it wrote to a stream.
    Output(Stream, Bytes),
    /// It ended; all of its output came before.
    Ended(Ended),
    /// It was not started.
    Refused(Refusal),
    /// The session ended before the job did.
    Broken(Broken),
}

/// How a job and its session parted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Whether any byte of the job may have left this process.
    pub written: bool,
    /// Why the session ended.
    pub reason: SessionEnd,
}

/// The queue between a session and the consumer of one of its jobs.
#[derive(Debug)]
pub(super) struct Inbox {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct State {
    progress: Option<JobState>,
    stdin: Option<StdinAck>,
    segments: VecDeque<(Stream, Segment)>,
    end: Option<JobEvent>,
    /// Offset of the next byte of each stream to arrive.
    received: Ack,
    /// Offset of the next byte of each stream to be given to the consumer.
    consumed: Ack,
    /// Offset up to which the agent has been told that it may forget.
    acknowledged: Ack,
}

impl Inbox {
    /// For a job of whose streams this much has arrived before.
    pub(super) fn new(received: Ack) -> Self {
        Self {
            state: Mutex::new(State {
                received,
                consumed: received,
                acknowledged: received,
                ..State::default()
            }),
            arrived: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, and plain data would be whole even then.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn progress(&self, progress: JobState) {
        self.lock().progress = Some(progress);
        self.arrived.notify_one();
    }

    pub(super) fn stdin(&self, ack: StdinAck) {
        self.lock().stdin = Some(ack);
        self.arrived.notify_one();
    }

    /// Takes output in. An error is a breach of the protocol.
    pub(super) fn output(&self, stream: Stream, chunk: Chunk) -> Result<(), SessionEnd> {
        self.lock().output(stream, chunk)?;
        self.arrived.notify_one();
        Ok(())
    }

    /// The last event; further ones are ignored.
    pub(super) fn end(&self, event: JobEvent) {
        self.lock().end.get_or_insert(event);
        self.arrived.notify_one();
    }

    /// The next event, if one has arrived. The end is repeated for ever.
    pub(super) fn take(&self) -> Option<JobEvent> {
        let mut state = self.lock();
        if let Some(progress) = state.progress.take() {
            return Some(JobEvent::State(progress));
        }
        if let Some(ack) = state.stdin.take() {
            return Some(JobEvent::StdinAck(ack));
        }
        if let Some((stream, bytes)) = state.segments.pop_front() {
            match stream {
                Stream::Stdout => state.consumed.stdout += bytes.len() as u64,
                Stream::Stderr => state.consumed.stderr += bytes.len() as u64,
            }
            return Some(JobEvent::Output(stream, bytes.into_bytes()));
        }
        state.end.clone()
    }

    /// Waits until `take` is worth another look.
    pub(super) async fn wait(&self) {
        self.arrived.notified().await;
    }

    /// Offsets of the next bytes to arrive.
    pub(super) fn received(&self) -> Ack {
        self.lock().received
    }

    /// Bytes that the consumer has had and the agent still keeps, of the worse stream.
    pub(super) fn unacknowledged(&self) -> u64 {
        let state = self.lock();
        let stdout = state.consumed.stdout - state.acknowledged.stdout;
        let stderr = state.consumed.stderr - state.acknowledged.stderr;
        stdout.max(stderr)
    }

    /// What the agent is to be told now.
    pub(super) fn acknowledge(&self) -> Ack {
        let mut state = self.lock();
        state.acknowledged = state.consumed;
        state.acknowledged
    }

    /// Whether nothing more will arrive.
    pub(super) fn is_over(&self) -> bool {
        self.lock().end.is_some()
    }
}

impl State {
    fn output(&mut self, stream: Stream, mut chunk: Chunk) -> Result<(), SessionEnd> {
        let (received, acknowledged) = match stream {
            Stream::Stdout => (&mut self.received.stdout, self.acknowledged.stdout),
            Stream::Stderr => (&mut self.received.stderr, self.acknowledged.stderr),
        };
        let Some(known) = received.checked_sub(chunk.offset) else {
            return Err(SessionEnd::Protocol(format!(
                "{} has a gap",
                stream.as_str()
            )));
        };
        let known = usize::try_from(known)
            .unwrap_or(usize::MAX)
            .min(chunk.bytes.len());
        let fresh = chunk.bytes.split_off(known);
        *received += fresh.len() as u64;
        if *received - acknowledged > STREAM_WINDOW {
            let text = format!("{} is beyond its window", stream.as_str());
            return Err(SessionEnd::Protocol(text));
        }
        if !fresh.is_empty() {
            self.append(stream, fresh);
        }
        Ok(())
    }

    fn append(&mut self, stream: Stream, fresh: Bytes) {
        let full = self.segments.len() >= SEGMENTS_MAX;
        let last = self.segments.iter_mut().rfind(|(of, _)| *of == stream);
        match last {
            Some((_, last)) if full && last.len() + fresh.len() <= CHUNK_MAX => last.grow(&fresh),
            _ => self.segments.push_back((stream, Segment::Whole(fresh))),
        }
    }
}

/// A run of output: as it arrived, or put together from small ones.
#[derive(Debug)]
enum Segment {
    Whole(Bytes),
    Grown(BytesMut),
}

impl Segment {
    fn len(&self) -> usize {
        match self {
            Self::Whole(bytes) => bytes.len(),
            Self::Grown(bytes) => bytes.len(),
        }
    }

    fn grow(&mut self, more: &[u8]) {
        if let Self::Whole(bytes) = self {
            *self = Self::Grown(BytesMut::from(&bytes[..]));
        }
        if let Self::Grown(bytes) = self {
            bytes.extend_from_slice(more);
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Whole(bytes) => bytes,
            Self::Grown(bytes) => bytes.freeze(),
        }
    }
}
