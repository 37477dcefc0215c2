//! A session and its jobs, as their users see them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dtx_proto_types::frame::{Frame, FrameDecoder, kind};
use dtx_proto_types::key::Ed25519Key;
use dtx_proto_types::limits::STREAM_WINDOW;
use dtx_proto_types::message::{Ack, Attach, Request, ServerHello};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::error::SessionEnd;
use super::inbox::{Inbox, JobEvent};
use super::link::{CLOSE_DEADLINE, Command, Feeder, Link};

/// Commands that may wait for a session's task.
const COMMANDS_MAX: usize = 16;
/// Runs of stdin that may wait for it, over all jobs of the session.
const STDIN_MAX: usize = 2;
/// Consumed output is acknowledged when it comes to this much.
const ACK_AT: u64 = STREAM_WINDOW / 4;
/// And at the latest this long after the consumer ran dry, so that an agent need not keep what
/// has arrived long ago.
const ACK_AFTER: Duration = Duration::from_millis(50);

/// An authenticated connection to an agent. It carries any number of jobs, and ends when it is
/// dropped.
#[derive(Debug)]
pub struct Session {
    hello: ServerHello,
    key: Ed25519Key,
    address: SocketAddr,
    streams: AtomicU32,
    commands: mpsc::Sender<Command>,
    stdin: mpsc::Sender<Frame>,
    end: Arc<OnceLock<SessionEnd>>,
    task: Mutex<JoinSet<()>>,
}

/// What was learned of the peer before the session was open.
#[derive(Debug)]
pub(super) struct Proven {
    pub(super) hello: ServerHello,
    pub(super) key: Ed25519Key,
    pub(super) address: SocketAddr,
}

impl Session {
    /// Starts the session's task; hellos have been exchanged.
    pub(super) fn start_on<T>(
        transport: T,
        proven: Proven,
        decoder: FrameDecoder,
        incoming: BytesMut,
    ) -> Self
    where
        T: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (commands, obeyed) = mpsc::channel(COMMANDS_MAX);
        let (stdin, sent) = mpsc::channel(STDIN_MAX);
        let end = Arc::new(OnceLock::new());
        let link = Link::new(decoder, incoming, obeyed, sent, Arc::clone(&end));
        let mut task = JoinSet::new();
        task.spawn(link.run(transport));
        Self {
            hello: proven.hello,
            key: proven.key,
            address: proven.address,
            streams: AtomicU32::new(1),
            commands,
            stdin,
            end,
            task: Mutex::new(task),
        }
    }

    /// What the agent said about itself.
    #[must_use]
    pub const fn hello(&self) -> &ServerHello {
        &self.hello
    }

    /// The key that the node proved.
    #[must_use]
    pub const fn key(&self) -> Ed25519Key {
        self.key
    }

    /// Where the node was reached.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether the session can still carry jobs, as far as is known.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.end.get().is_none() && !self.commands.is_closed()
    }

    /// Sends a signed job, encoded once for its batch.
    pub async fn start(&self, job: &EncodedJob) -> JobStream {
        self.bind(kind::JOB, job.0.clone(), Ack::default()).await
    }

    /// Goes on with a job of an earlier session.
    pub async fn attach(&self, attach: Attach) -> JobStream {
        let received = Ack {
            stdout: attach.stdout,
            stderr: attach.stderr,
        };
        let body = Request::Attach(attach).to_frame(0).body;
        self.bind(kind::ATTACH, body, received).await
    }

    async fn bind(&self, kind: u8, body: Bytes, received: Ack) -> JobStream {
        let stream = self.streams.fetch_add(1, Ordering::Relaxed);
        let inbox = Arc::new(Inbox::new(received));
        let feeder = Feeder::new(stream, Arc::clone(&inbox), Arc::clone(&self.end));
        let frame = Frame { kind, stream, body };
        // A session that has ended drops the feeder, which tells the inbox.
        let _ended = self.commands.send(Command::Open(feeder, frame)).await;
        JobStream {
            stream,
            inbox,
            commands: self.commands.clone(),
            stdin: self.stdin.clone(),
        }
    }

    /// Writes what waits, says goodbye and ends the session's task.
    pub async fn close(&self) {
        let mut task = {
            let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *task)
        };
        let orderly = async {
            let _ended = self.commands.send(Command::Close).await;
            while task.join_next().await.is_some() {}
        };
        if timeout(CLOSE_DEADLINE, orderly).await.is_err() {
            task.shutdown().await;
        }
    }
}

/// A signed job in the form in which it is sent, shared by the nodes of its batch.
#[derive(Debug, Clone)]
pub struct EncodedJob(pub(crate) Bytes);

impl EncodedJob {
    /// Encodes a job.
    #[must_use]
    pub fn new(job: dtx_proto_types::signed::SignedJob) -> Self {
        Self(Request::Job(job).to_frame(0).body)
    }
}

/// One job on a session. Dropped before its end, it is cancelled.
#[derive(Debug)]
pub struct JobStream {
    stream: u32,
    inbox: Arc<Inbox>,
    commands: mpsc::Sender<Command>,
    stdin: mpsc::Sender<Frame>,
}

impl JobStream {
    /// The next event. Asking for it says that the output given before is taken care of: it is
    /// acknowledged, and the agent may forget it. Nothing is lost if the future is dropped.
    pub async fn next(&self) -> JobEvent {
        if self.inbox.unacknowledged() >= ACK_AT {
            self.acknowledge().await;
        }
        loop {
            if let Some(event) = self.inbox.take() {
                return event;
            }
            if self.inbox.unacknowledged() == 0 {
                self.inbox.wait().await;
            } else if timeout(ACK_AFTER, self.inbox.wait()).await.is_err() {
                self.acknowledge().await;
            }
        }
    }

    async fn acknowledge(&self) {
        // Room for the agent's next bytes must be there before it learns that it may send them,
        // and a message that is not sent after all is made up for by the next one.
        if let Ok(permit) = self.commands.reserve().await {
            let ack = Request::Ack(self.inbox.acknowledge());
            permit.send(Command::Send(ack.to_frame(self.stream)));
        } else {
            self.inbox.acknowledge();
        }
    }

    /// Sends a control message about this job. A session that has ended says so by
    /// [`JobStream::next`].
    pub async fn send(&self, request: Request) {
        let _ended = self
            .commands
            .send(Command::Send(request.to_frame(self.stream)))
            .await;
    }

    /// Sends a control message about this job and waits until it has been written, or the session
    /// has ended.
    pub async fn deliver(&self, request: Request) {
        let (written, is_written) = oneshot::channel();
        let frame = request.to_frame(self.stream);
        let _ended = self.commands.send(Command::Deliver(frame, written)).await;
        let _ended = is_written.await;
    }

    /// Sends a run of standard input, or its end, which must not overtake it; the caller keeps
    /// within the window. Waits while the session has other input to write.
    pub async fn send_stdin(&self, request: Request) {
        let _ended = self.stdin.send(request.to_frame(self.stream)).await;
    }
}

impl Drop for JobStream {
    fn drop(&mut self) {
        if !self.inbox.is_over() {
            let _full_or_ended = self.commands.try_send(Command::Abandon(self.stream));
        }
    }
}
