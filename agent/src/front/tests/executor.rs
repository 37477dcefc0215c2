//! The executor's end of the link, played by a test.

use std::io::{PipeReader, PipeWriter};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use dtx_proto_types::outcome::Ending;
use tokio::time::{Instant, sleep};

use crate::ipc::{Channel, ChannelError, JobKey, Opened, SessionNumber, ToExecutor, ToFront};

const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Executor {
    channel: Channel<ToFront, ToExecutor>,
    received: std::collections::VecDeque<ToExecutor>,
}

/// The command's ends of a job's pipes, and the executor's copies of the front's.
pub(super) struct Command {
    pub(super) stdout: Option<PipeWriter>,
    pub(super) stderr: Option<PipeWriter>,
    pub(super) stdin: Option<PipeReader>,
    _kept: [OwnedFd; 2],
}

impl Executor {
    pub(super) fn new(socket: UnixStream) -> Self {
        Self {
            channel: Channel::new(socket).unwrap(),
            received: std::collections::VecDeque::new(),
        }
    }

    pub(super) fn send(&mut self, message: &ToFront) {
        self.send_with(message, Vec::new());
    }

    pub(super) fn send_with(&mut self, message: &ToFront, descriptors: Vec<OwnedFd>) {
        self.channel.send(message, descriptors).unwrap();
    }

    /// The next message of the front.
    pub(super) async fn next(&mut self) -> ToExecutor {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(message) = self.try_next() {
                return message;
            }
            assert!(Instant::now() < deadline, "the front says nothing");
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// The next message that is neither `Taking` nor `Clean`.
    pub(super) async fn next_event(&mut self) -> ToExecutor {
        loop {
            match self.next().await {
                ToExecutor::Taking(_) | ToExecutor::Clean { .. } => {}
                message => return message,
            }
        }
    }

    /// The next message, if there is one now.
    pub(super) fn try_next(&mut self) -> Option<ToExecutor> {
        if self.received.is_empty() {
            match self.channel.receive() {
                Ok(messages) => self.received.extend(messages.into_iter().map(|(m, _)| m)),
                Err(ChannelError::Closed) => {}
                Err(error) => panic!("{error}"),
            }
        }
        self.received.pop_front()
    }

    /// Accepts the next hello.
    pub(super) async fn open_next(&mut self, number: u64) -> SessionNumber {
        let session = SessionNumber(number);
        let message = self.next_event().await;
        let ToExecutor::Open { connection, .. } = message else {
            panic!("{message:?} instead of a hello");
        };
        let opened = Opened {
            session,
            busy: 3,
            load_percent: 150,
            clock_ms: 1_000_000,
        };
        self.send(&ToFront::Opened { connection, opened });
        session
    }

    /// Waits for a job and accepts it.
    pub(super) async fn accept_next(&mut self, key: u64) {
        let message = self.next_event().await;
        let ToExecutor::Job {
            session, stream, ..
        } = message
        else {
            panic!("{message:?} instead of a job");
        };
        let key = JobKey(key);
        let stdin_size = None;
        self.send(&ToFront::Accepted {
            session,
            stream,
            key,
            stdin_size,
        });
    }

    /// Waits for a client that comes back, and binds it to this job.
    pub(super) async fn attach_next(&mut self, key: u64) {
        let message = self.next_event().await;
        let ToExecutor::Attach {
            session, stream, ..
        } = message
        else {
            panic!("{message:?} instead of an attach");
        };
        let key = JobKey(key);
        self.send(&ToFront::Attached {
            session,
            stream,
            key,
        });
    }

    /// Says that a job runs.
    pub(super) fn start(
        &mut self,
        key: u64,
        streamed_stdin: bool,
        output_bytes: Option<u64>,
    ) -> Command {
        let (stdout, their_stdout) = std::io::pipe().unwrap();
        let (stderr, their_stderr) = std::io::pipe().unwrap();
        let kept = [
            OwnedFd::from(stdout.try_clone().unwrap()),
            OwnedFd::from(stderr.try_clone().unwrap()),
        ];
        let mut descriptors = vec![OwnedFd::from(stdout), OwnedFd::from(stderr)];
        let mut stdin = None;
        if streamed_stdin {
            let (ours, theirs) = std::io::pipe().unwrap();
            descriptors.push(theirs.into());
            stdin = Some(ours);
        }
        let key = JobKey(key);
        let started = ToFront::Started {
            key,
            streamed_stdin,
            output_bytes,
        };
        self.send_with(&started, descriptors);
        Command {
            stdout: Some(their_stdout),
            stderr: Some(their_stderr),
            stdin,
            _kept: kept,
        }
    }

    /// Says that a job runs; its pipes get lost on the way, as happens at the limit of descriptors.
    pub(super) fn start_without_pipes(&mut self, key: u64) {
        self.send(&ToFront::Started {
            key: JobKey(key),
            streamed_stdin: false,
            output_bytes: None,
        });
    }

    /// Accepts a job whose standard input has nowhere to go.
    pub(super) fn accept_without_memfd(
        &mut self,
        session: SessionNumber,
        stream: u32,
        key: JobKey,
    ) {
        self.send(&ToFront::Accepted {
            session,
            stream,
            key,
            stdin_size: Some(10),
        });
    }

    /// Says that a job exited.
    pub(super) fn end(&mut self, key: u64, code: i32) {
        self.send(&ToFront::Ended {
            key: JobKey(key),
            ending: Ending::Exited(code),
            duration_us: 42,
            notes: Vec::new(),
        });
    }
}

impl Command {
    /// Closes what the command writes to.
    pub(super) fn exit(&mut self) {
        self.stdout = None;
        self.stderr = None;
        self.stdin = None;
    }
}
