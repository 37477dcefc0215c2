//! The one task of a session: reads frames into inboxes, writes what waits, keeps the peer awake
//! and notices when it is gone.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::BytesMut;
use dtx_proto_types::frame::{Frame, FrameDecoder, kind};
use dtx_proto_types::limits::{HEARTBEAT_PERIOD, SILENCE_MAX};
use dtx_proto_types::message::{Ack, Chunk, Reply, Request};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_util::codec::Decoder;

use super::error::SessionEnd;
use super::inbox::{Broken, Inbox, JobEvent};
use super::outbox::Outbox;
use crate::fanout::event::Stream;

/// Bytes read at once while nothing large is under way.
const READ_LEN: usize = 4 * 1024;
/// How long an orderly end may take.
pub(super) const CLOSE_DEADLINE: Duration = Duration::from_secs(1);

/// What a session is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    /// Bind a stream to a job and send its first frame.
    Open(Feeder, Frame),
    /// Send a control frame.
    Send(Frame),
    /// Send a control frame, and say so when it has been written.
    Deliver(Frame, oneshot::Sender<()>),
    /// The consumer of a stream has gone: end its job and throw away what comes of it.
    Abandon(u32),
    /// Write what waits and end.
    Close,
}

/// The session's end of an inbox. However it goes away, the consumer learns of it.
#[derive(Debug)]
pub(super) struct Feeder {
    pub(super) stream: u32,
    pub(super) inbox: Arc<Inbox>,
    pub(super) end: Arc<OnceLock<SessionEnd>>,
    /// The byte of the session at which the first frame begins, once it is being written.
    begin: Option<u64>,
    written: bool,
    abandoned: Option<Ack>,
}

impl Feeder {
    pub(super) const fn new(
        stream: u32,
        inbox: Arc<Inbox>,
        end: Arc<OnceLock<SessionEnd>>,
    ) -> Self {
        Self {
            stream,
            inbox,
            end,
            begin: None,
            written: false,
            abandoned: None,
        }
    }

    /// Takes output in. Without a consumer it is only acknowledged, so that the job can end.
    fn output(&mut self, stream: Stream, chunk: Chunk) -> Result<Option<Request>, SessionEnd> {
        let Some(ack) = &mut self.abandoned else {
            self.inbox.output(stream, chunk)?;
            return Ok(None);
        };
        let end = chunk.offset.saturating_add(chunk.bytes.len() as u64);
        match stream {
            Stream::Stdout => ack.stdout = end,
            Stream::Stderr => ack.stderr = end,
        }
        Ok(Some(Request::Ack(*ack)))
    }

    /// The job is over; without a consumer it is released here.
    fn finish(self, event: JobEvent) -> Option<Request> {
        self.inbox.end(event);
        self.abandoned.map(|_| Request::Release)
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.inbox.end(JobEvent::Broken(Broken {
            written: self.written,
            reason: self.end.get().cloned().unwrap_or(SessionEnd::Closed),
        }));
    }
}

/// The state of a session's task.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) decoder: FrameDecoder,
    pub(super) incoming: BytesMut,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) stdin: mpsc::Receiver<Frame>,
    pub(super) end: Arc<OnceLock<SessionEnd>>,
    outbox: Outbox,
    jobs: BTreeMap<u32, Feeder>,
    /// Told when nothing waits any more.
    delivering: Vec<oneshot::Sender<()>>,
    closing: bool,
}

enum Turn {
    Read(usize),
    Wrote(usize),
    Flushed,
    Command(Option<Command>),
    Stdin(Option<Frame>),
    Tick,
}

impl Link {
    /// A session whose hello is over; `incoming` are the bytes that came after it.
    pub(super) fn new(
        decoder: FrameDecoder,
        incoming: BytesMut,
        commands: mpsc::Receiver<Command>,
        stdin: mpsc::Receiver<Frame>,
        end: Arc<OnceLock<SessionEnd>>,
    ) -> Self {
        Self {
            decoder,
            incoming,
            commands,
            stdin,
            end,
            outbox: Outbox::default(),
            jobs: BTreeMap::new(),
            delivering: Vec::new(),
            closing: false,
        }
    }

    /// Runs the session to its end, whichever it is.
    pub(super) async fn run<T: AsyncRead + AsyncWrite + Send>(mut self, transport: T) {
        let (mut reader, mut writer) = tokio::io::split(transport);
        let end = match self.converse(&mut reader, &mut writer).await {
            Ok(()) => SessionEnd::Closed,
            Err(end) => end,
        };
        let orderly = end == SessionEnd::Closed;
        // The reason is set before the feeders go, so that every consumer learns it.
        self.end.get_or_init(|| end);
        drop(self);
        if orderly {
            let _late_or_broken = timeout(CLOSE_DEADLINE, writer.shutdown()).await;
        }
    }

    async fn converse<T: AsyncRead + AsyncWrite + Send>(
        &mut self,
        reader: &mut ReadHalf<T>,
        writer: &mut WriteHalf<T>,
    ) -> Result<(), SessionEnd> {
        let (mut heard, mut said) = (Instant::now(), Instant::now());
        let mut tick = std::pin::pin!(sleep_until(said + HEARTBEAT_PERIOD));
        let mut unflushed = false;
        self.take_frames()?;
        loop {
            self.fill_buffer();
            if self.outbox.bytes().is_empty() && !unflushed {
                for written in self.delivering.drain(..) {
                    // Whoever waited may have given up.
                    let _gone = written.send(());
                }
                if self.closing {
                    return Ok(());
                }
            }
            match self.turn(reader, writer, unflushed, tick.as_mut()).await? {
                Turn::Read(0) => return Err(SessionEnd::PeerClosed),
                Turn::Read(_) => {
                    heard = Instant::now();
                    self.take_frames()?;
                }
                Turn::Wrote(0) => return Err(SessionEnd::PeerClosed),
                Turn::Wrote(count) => {
                    said = Instant::now();
                    self.outbox.wrote(count);
                    unflushed = true;
                }
                Turn::Flushed => unflushed = false,
                Turn::Command(command) => self.obey(command),
                Turn::Stdin(frame) => frame.into_iter().for_each(|f| self.outbox.data(f)),
                Turn::Tick => {
                    let now = Instant::now();
                    if now >= heard + SILENCE_MAX {
                        return Err(SessionEnd::Silent);
                    }
                    if now >= said + HEARTBEAT_PERIOD {
                        // Also when the peer takes nothing in, in which case it only waits.
                        said = now;
                        self.heartbeat();
                    }
                    tick.as_mut()
                        .reset((said + HEARTBEAT_PERIOD).min(heard + SILENCE_MAX));
                }
            }
        }
    }

    /// Waits for the next thing to happen.
    async fn turn<T: AsyncRead + AsyncWrite + Send>(
        &mut self,
        reader: &mut ReadHalf<T>,
        writer: &mut WriteHalf<T>,
        unflushed: bool,
        tick: std::pin::Pin<&mut Sleep>,
    ) -> Result<Turn, SessionEnd> {
        if self.incoming.capacity() - self.incoming.len() < READ_LEN {
            self.incoming.reserve(READ_LEN);
        }
        let bytes = self.outbox.bytes();
        Ok(tokio::select! {
            read = reader.read_buf(&mut self.incoming) => Turn::Read(read?),
            pushed = push(writer, bytes), if unflushed || !bytes.is_empty() => pushed?,
            command = self.commands.recv(), if !self.closing && self.outbox.has_room() => {
                Turn::Command(command)
            }
            Some(frame) = self.stdin.recv(), if !self.closing && self.outbox.has_room_for_data() => {
                Turn::Stdin(Some(frame))
            }
            () = tick => Turn::Tick,
        })
    }

    fn fill_buffer(&mut self) {
        let jobs = &mut self.jobs;
        self.outbox.fill(|frame, begin| {
            if matches!(frame.kind, kind::JOB | kind::ATTACH)
                && let Some(job) = jobs.get_mut(&frame.stream)
            {
                job.begin = Some(begin);
            }
        });
    }

    fn heartbeat(&mut self) {
        if self.outbox.bytes().is_empty() {
            self.outbox.control(Request::Heartbeat.to_frame(0));
        }
    }

    fn obey(&mut self, command: Option<Command>) {
        match command {
            Some(Command::Open(feeder, frame)) => {
                self.jobs.insert(feeder.stream, feeder);
                self.outbox.control(frame);
            }
            Some(Command::Send(frame)) => self.outbox.control(frame),
            Some(Command::Deliver(frame, written)) => {
                self.outbox.control(frame);
                self.delivering.push(written);
            }
            Some(Command::Abandon(stream)) => {
                if let Some(job) = self.jobs.get_mut(&stream) {
                    job.abandoned = Some(job.inbox.received());
                    self.outbox.control(Request::Cancel.to_frame(stream));
                }
            }
            Some(Command::Close) | None => self.closing = true,
        }
    }

    fn take_frames(&mut self) -> Result<(), SessionEnd> {
        while let Some(frame) = self.decoder.decode(&mut self.incoming)? {
            self.take(frame)?;
        }
        if self.incoming.is_empty() && self.incoming.capacity() > 2 * READ_LEN {
            self.incoming = BytesMut::new();
        }
        Ok(())
    }

    fn take(&mut self, frame: Frame) -> Result<(), SessionEnd> {
        let stream = frame.stream;
        let reply = Reply::from_frame(frame)?;
        let Some(job) = self.jobs.get_mut(&stream) else {
            return match reply {
                // A session that is refused once it is open is over; nothing else is said of it.
                Reply::Refusal(refusal) if stream == 0 => Err(SessionEnd::Transport(refusal.text)),
                // Late words about a job whose consumer has gone.
                _ => Ok(()),
            };
        };
        let answer = match reply {
            Reply::State(state) => {
                job.inbox.progress(state);
                None
            }
            Reply::StdinAck(ack) => {
                job.inbox.stdin(ack);
                None
            }
            Reply::Stdout(chunk) => job.output(Stream::Stdout, chunk)?,
            Reply::Stderr(chunk) => job.output(Stream::Stderr, chunk)?,
            Reply::Ended(ended) => self.finish(stream, JobEvent::Ended(ended)),
            Reply::Refusal(refusal) => self.finish(stream, JobEvent::Refused(refusal)),
            Reply::Heartbeat | Reply::Unknown(_) => None,
        };
        if let Some(answer) = answer {
            self.outbox.control(answer.to_frame(stream));
        }
        Ok(())
    }

    fn finish(&mut self, stream: u32, event: JobEvent) -> Option<Request> {
        self.jobs.remove(&stream)?.finish(event)
    }
}

/// Writes some of `bytes`; flushes the transport when there are none.
async fn push<T: AsyncWrite>(writer: &mut WriteHalf<T>, bytes: &[u8]) -> Result<Turn, SessionEnd> {
    if bytes.is_empty() {
        writer.flush().await?;
        Ok(Turn::Flushed)
    } else {
        Ok(Turn::Wrote(writer.write(bytes).await?))
    }
}

impl Drop for Link {
    /// Settles, for each job, whether any of its bytes may be on their way.
    fn drop(&mut self) {
        for job in self.jobs.values_mut() {
            job.written = job
                .begin
                .is_some_and(|begin| self.outbox.has_written(begin));
        }
    }
}
