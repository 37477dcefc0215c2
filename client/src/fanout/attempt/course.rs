//! What an attempt remembers while it follows a job.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use dtx_proto_types::limits::SILENCE_MAX;
use dtx_proto_types::message::{Ack, JobState, Phase, Refusal, Request};
use dtx_proto_types::outcome::Outcome;
use tokio::time::Instant;

use super::end::{End, stop_text};
use super::live::News;
use crate::fanout::event::{StopReason, Stream};
use crate::fanout::stdin::{Feed, Supply};

/// What a node takes to end a process tree that does not want to end.
const KILL_GRACE: Duration = Duration::from_secs(2);
/// How long the answer to a cancel is awaited: the kill, the way back, a busy machine.
pub(super) const CANCEL_PATIENCE: Duration = KILL_GRACE.saturating_add(Duration::from_secs(3));
/// How much later than its timeout a job's end may arrive.
const TIMEOUT_MARGIN: Duration = KILL_GRACE.saturating_add(SILENCE_MAX);

/// The state of an attempt whose job has been handed to a session.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) feed: Feed,
    /// Standard input that waits to be sent.
    pub(super) stdin: Option<Request>,
    /// News that waits for the dispatcher; never more than one event brings.
    pub(super) news: VecDeque<News>,
    /// Output that has arrived.
    pub(super) received: Ack,
    /// Why the run is being ended, once the node has been told.
    pub(super) stopped: Option<StopReason>,
    pub(super) output_dropped: bool,
    /// Until when a broken session may be taken up again.
    pub(super) grace: Option<Instant>,
    /// Times that the job was sent again because it provably had not arrived.
    pub(super) resent: u32,
    started: bool,
    /// Whether the node has said that it has the job.
    arrived: bool,
    reconnects: u32,
    /// When the answer to a cancel is no longer awaited.
    patience: Option<Instant>,
    /// When the agent must have ended the job by its timeout.
    overdue: Option<Instant>,
}

impl Course {
    pub(super) const fn new(feed: Feed) -> Self {
        Self {
            feed,
            stdin: None,
            news: VecDeque::new(),
            received: Ack {
                stdout: 0,
                stderr: 0,
            },
            stopped: None,
            output_dropped: false,
            grace: None,
            resent: 0,
            started: false,
            arrived: false,
            reconnects: 0,
            patience: None,
            overdue: None,
        }
    }

    /// When something must have happened. While the reader of the run keeps the node waiting, the
    /// node is not to blame.
    pub(super) fn next_deadline(&self, telling: bool) -> Option<Instant> {
        let overdue = self.overdue.filter(|_| !telling);
        [self.patience, overdue].into_iter().flatten().min()
    }

    /// The run is being ended: from now on the node has little time.
    pub(super) fn stop(&mut self, reason: StopReason) {
        self.stopped = Some(reason);
        self.patience = Some(Instant::now() + CANCEL_PATIENCE);
        self.stdin = None;
        self.feed.pause();
    }

    /// The agent has said something about the job.
    pub(super) fn heard(&mut self) {
        self.arrived = true;
        self.grace = None;
        if let Some(overdue) = &mut self.overdue {
            *overdue = (*overdue).max(Instant::now() + TIMEOUT_MARGIN);
        }
    }

    /// The job was found again on a new session.
    pub(super) fn reattached(&mut self) {
        self.reconnects += 1;
        self.news.push_back(News::Reattached);
    }

    /// The job has started, as far as was not known before.
    pub(super) fn start(&mut self) {
        if !self.started {
            self.started = true;
            self.news.push_back(News::Started);
        }
    }

    pub(super) fn progress(&mut self, state: JobState, supply: &Supply, timeout: Option<Duration>) {
        match state.phase {
            Phase::NeedsStdin => self.begin_stdin(state.stdin),
            Phase::Running => {
                self.start();
                self.overdue = self
                    .overdue
                    .or_else(|| timeout.map(|timeout| Instant::now() + timeout + TIMEOUT_MARGIN));
                // Known bytes were all there before the start; a stream begins now.
                if matches!(supply, Supply::Shared(_)) {
                    self.begin_stdin(state.stdin);
                }
            }
            Phase::Unknown | Phase::Queued => {}
        }
    }

    fn begin_stdin(&mut self, offset: u64) {
        if self.stopped.is_none() {
            self.feed.begin(offset);
        }
    }

    pub(super) fn output(&mut self, stream: Stream, bytes: Bytes) {
        self.start();
        match stream {
            Stream::Stdout => self.received.stdout += bytes.len() as u64,
            Stream::Stderr => self.received.stderr += bytes.len() as u64,
        }
        self.news.push_back(News::Output(stream, bytes));
    }

    /// The agent will not run the job, or will not talk about it.
    pub(super) fn refused(&self, refusal: Refusal, asked: bool) -> End {
        // An answer to a question about the job may only mean that the question is not answered;
        // and what has started cannot be taken back by a refusal.
        if self.started || (asked && refusal.code.is_denial()) {
            let text = format!("the node says no more about it: {}", refusal.text);
            return End::because(Outcome::Lost, text);
        }
        End::refused(refusal, self.stopped)
    }

    /// Whether the node has ever said that it has the job.
    pub(super) const fn has_arrived(&self) -> bool {
        self.arrived
    }

    /// A deadline of [`Course::next_deadline`] passed.
    pub(super) fn overdue_end(&self) -> End {
        let text = match self.stopped {
            Some(stop) => format!(
                "{}; the node did not confirm within {}s that it ended the job",
                stop_text(stop),
                CANCEL_PATIENCE.as_secs()
            ),
            None => {
                "its timeout has long passed, and the node did not say that it ended".to_owned()
            }
        };
        End::because(Outcome::Lost, text)
    }

    /// Adds to an end what only the course knows.
    pub(super) fn dress(&self, end: End) -> End {
        let wrote = Ack {
            stdout: end.wrote.stdout.max(self.received.stdout),
            stderr: end.wrote.stderr.max(self.received.stderr),
        };
        End {
            wrote,
            reconnects: self.reconnects,
            ..end
        }
    }

    /// Until when the answer to a cancel is awaited, if one was sent.
    pub(super) const fn patience(&self) -> Option<Instant> {
        self.patience
    }
}
