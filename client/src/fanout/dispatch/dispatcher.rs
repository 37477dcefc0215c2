//! The loop: wait for the next thing, change the state, say so.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;

use dtx_proto_types::id::RunId;
use tokio::io::AsyncRead;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::tally::Tally;
use crate::fanout::attempt::{Context, End, Message, News};
use crate::fanout::dial::Dial;
use crate::fanout::event::{RunEvent, RunSummary, StopReason, What};
use crate::fanout::stdin::Supply;
use crate::fanout::{Admission, RunOptions};

/// Events that may wait inside the dispatcher before it hears no more news from the nodes.
const OUTBOX_MAX: usize = 64;

/// The state of a run.
pub(super) struct Dispatcher<D: Dial> {
    pub(super) run: RunId,
    pub(super) command: String,
    /// Most attempts at once.
    pub(super) window: usize,
    pub(super) context: Arc<Context<D>>,
    pub(super) options: RunOptions,
    pub(super) tally: Tally,
    /// Nodes that have not begun, in order.
    pub(super) queue: VecDeque<u32>,
    /// Nodes that wait for their next attempt, and until when.
    pub(super) resting: BTreeSet<(Instant, u32)>,
    /// Nodes whose next attempt is due.
    pub(super) due: VecDeque<u32>,
    pub(super) attempts: JoinSet<(u32, End)>,
    /// Reads standard input for all nodes.
    pub(super) pump: JoinSet<io::Result<()>>,
    pub(super) messages: mpsc::Receiver<Message>,
    /// Absent once nobody listens any more.
    pub(super) events: Option<mpsc::Sender<RunEvent>>,
    pub(super) outbox: VecDeque<RunEvent>,
    /// The caller's wish to end the run.
    pub(super) asked: watch::Receiver<Option<StopReason>>,
    /// Tells the attempts that the run is being ended.
    pub(super) told: watch::Sender<Option<StopReason>>,
    pub(super) stopped: Option<StopReason>,
    /// Whether the admission holds the next node back.
    pub(super) held: bool,
    pub(super) began: Instant,
}

enum Turn {
    Asked(StopReason),
    /// One event has gone out, or nobody listens any more.
    Heard(bool),
    News(Message),
    Ended(Result<(u32, End), JoinError>),
    Stdin(io::Result<()>),
    Admission,
    Timer,
}

impl<D: Dial> Dispatcher<D> {
    /// Runs to the end: every node has its outcome, and every task has ended.
    pub(super) async fn run(
        mut self,
        source: Option<Box<dyn AsyncRead + Send + Unpin>>,
    ) -> RunSummary {
        if let (Supply::Shared(shared), Some(source)) = (&self.context.supply, source) {
            let shared = Arc::clone(shared);
            self.pump.spawn(async move { shared.pump(source).await });
        }
        self.emit(What::RunStarted {
            run: self.run,
            command: self.command.clone(),
            nodes: self.context.labels.to_vec(),
        });
        while !self.tally.is_done() {
            self.fill_window();
            self.skip_queue();
            if self.stopped == Some(StopReason::Leave) {
                self.leave().await;
            } else if !self.tally.is_done() {
                let turn = self.turn().await;
                self.act(turn);
            }
        }
        self.emit(What::RunFinished);
        self.attempts.shutdown().await;
        self.pump.shutdown().await;
        let wall = self.began.elapsed();
        self.say_rest().await;
        let (results, counts) = self.tally.into_results();
        RunSummary {
            run: self.run,
            results,
            counts,
            wall,
            stopped: self.stopped,
        }
    }

    async fn turn(&mut self) -> Turn {
        let room = self.outbox.len() < OUTBOX_MAX;
        let timer = self.next_timer();
        let (stopped, asked) = (self.stopped, &mut self.asked);
        tokio::select! {
            biased;
            reason = worse(asked, stopped) => Turn::Asked(reason),
            went = next_place(self.events.as_ref(), &mut self.outbox), if !self.outbox.is_empty() => {
                Turn::Heard(went)
            }
            Some(message) = self.messages.recv(), if room => Turn::News(message),
            Some(ended) = self.attempts.join_next(), if room => Turn::Ended(ended),
            Some(read) = self.pump.join_next(), if room => {
                Turn::Stdin(read.unwrap_or_else(|error| Err(io::Error::other(error))))
            }
            () = ready(&mut self.options.admission), if self.held => Turn::Admission,
            () = sleep_until(timer) => Turn::Timer,
        }
    }

    fn act(&mut self, turn: Turn) {
        match turn {
            Turn::Asked(reason) => self.stop(reason),
            Turn::Heard(true) => {}
            Turn::Heard(false) => {
                self.events = None;
                self.outbox.clear();
                self.stop(StopReason::OutputClosed);
            }
            Turn::News(message) => self.tell(message),
            Turn::Ended(ended) => self.attempt_ended(ended),
            Turn::Stdin(Ok(())) => {}
            Turn::Stdin(Err(error)) => {
                let text = format!("standard input cannot be read, so the run is ended: {error}");
                self.emit(What::Warning(text));
                self.stop(StopReason::FailFast);
            }
            Turn::Admission => self.held = false,
            Turn::Timer => self.timer(),
        }
    }

    pub(super) fn tell(&mut self, message: Message) {
        let node = self.tally.node(message.rank);
        let label = node.label.clone();
        let what = match message.news {
            News::Started => What::NodeStarted {
                node: label,
                attempt: node.tries,
            },
            News::Output(stream, bytes) => What::Output {
                node: label,
                stream,
                bytes,
            },
            News::Reattached => What::NodeReattached { node: label },
        };
        self.emit(what);
    }

    fn next_timer(&self) -> Instant {
        let deadline = match (self.options.deadline, self.stopped) {
            (Some(deadline), None) => Some(self.began + deadline),
            _ => None,
        };
        let retry = self.resting.first().map(|(at, _)| *at);
        let next = [deadline, retry].into_iter().flatten().min();
        next.unwrap_or_else(|| Instant::now() + crate::fanout::FOREVER)
    }

    fn timer(&mut self) {
        let now = Instant::now();
        if self
            .options
            .deadline
            .is_some_and(|deadline| now >= self.began + deadline)
        {
            self.stop(StopReason::Deadline);
        }
        while let Some((at, rank)) = self.resting.first().copied()
            && at <= now
        {
            self.resting.pop_first();
            self.due.push_back(rank);
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.outbox.len() < OUTBOX_MAX
    }

    pub(super) fn emit(&mut self, what: What) {
        if self.events.is_some() {
            self.outbox.push_back(RunEvent {
                elapsed: self.began.elapsed(),
                counts: self.tally.counts(),
                what,
            });
        }
    }

    async fn say_rest(&mut self) {
        let Some(events) = &self.events else {
            return;
        };
        while let Some(event) = self.outbox.pop_front() {
            if events.send(event).await.is_err() {
                return;
            }
        }
    }
}

/// Waits until the caller wants the run ended for a worse reason than it is already.
async fn worse(
    asked: &mut watch::Receiver<Option<StopReason>>,
    stopped: Option<StopReason>,
) -> StopReason {
    let reason = asked.wait_for(|reason| *reason > stopped).await;
    match reason.ok().and_then(|reason| *reason) {
        Some(reason) => reason,
        // No canceller is left: nobody will ask.
        None => std::future::pending().await,
    }
}

/// Sends the first event when there is a place for it; `false` if nobody listens any more.
async fn next_place(
    events: Option<&mpsc::Sender<RunEvent>>,
    outbox: &mut VecDeque<RunEvent>,
) -> bool {
    let Some(events) = events else {
        return false;
    };
    let Ok(place) = events.reserve().await else {
        return false;
    };
    if let Some(event) = outbox.pop_front() {
        place.send(event);
    }
    true
}

async fn ready(admission: &mut Option<Box<dyn Admission>>) {
    match admission {
        Some(admission) => admission.ready().await,
        None => std::future::pending().await,
    }
}
