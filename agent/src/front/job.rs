//! One job as the front sees it: its input, its output, how far it has come, and what the client
//! that listens to it has been told.
//!
//! A job outlives sessions. What a client is told next follows from the job's state and from what
//! it was told before, so a client that comes back in another session is simply told again.

use std::cell::RefCell;
use std::rc::Rc;

use dtx_proto_types::message::{
    Ack, Attach, Chunk, Ended, JobState, Phase, Refusal, RefusalCode, Reply, StdinAck, StdinEnd,
};
use dtx_proto_types::outcome::Ending;
use tokio::sync::Notify;

use super::budget::{OUTPUT_TURN, STDIN_ACK_STEP};
use super::desk::Desk;
use super::output::{NeverSent, Output};
use super::stdin::{Stdin, StdinError};
use crate::ipc::{JobKey, SessionNumber};

/// How it begins to explain that descriptors were lost.
const TOO_MANY_OPEN: &str = "the agent has too many files and connections open";

/// A job that its pump and the session that listens to it share.
#[derive(Debug)]
pub(super) struct SharedJob {
    job: RefCell<Job>,
    /// Wakes the pump.
    pub(super) changed: Notify,
}

/// All that the front knows about a job.
#[derive(Debug)]
pub(super) struct Job {
    key: JobKey,
    phase: Phase,
    pub(super) stdin: Stdin,
    pub(super) stdout: Output,
    pub(super) stderr: Output,
    /// What the executor said about its end; the counts are filled in when the pipes are empty.
    ended: Option<Ended>,
    /// What closes the job for its client.
    last: Option<Reply>,
    /// The client lacks output that is gone.
    lost: bool,
    /// The client sends stdin that nobody reads, and should stop.
    unread_stdin: bool,
    /// Its descriptors did not arrive here, so it cannot be served, and is ended.
    unserved: bool,
    /// Nothing more will be asked about it.
    forgotten: bool,
    seat: Option<Seat>,
    told: Told,
    /// Whether standard error is next to be sent.
    stderr_next: bool,
}

/// The client that listens to a job.
#[derive(Debug)]
struct Seat {
    session: SessionNumber,
    desk: Rc<Desk>,
    stream: u32,
}

/// What that client has been told.
#[derive(Debug, Default)]
struct Told {
    phase: Option<Phase>,
    stdin: u64,
    stdin_closed: bool,
    last: bool,
}

impl SharedJob {
    /// Wraps a job for sharing.
    pub(super) fn new(job: Job) -> Rc<Self> {
        let job = RefCell::new(job);
        let changed = Notify::new();
        Rc::new(Self { job, changed })
    }

    /// Looks at the job.
    pub(super) fn look<R>(&self, at: impl FnOnce(&Job) -> R) -> R {
        at(&self.job.borrow())
    }

    /// Changes the job, and says so to nobody.
    pub(super) fn edit<R>(&self, how: impl FnOnce(&mut Job) -> R) -> R {
        how(&mut self.job.borrow_mut())
    }

    /// Changes the job, and wakes its pump and the session that listens.
    pub(super) fn change<R>(&self, how: impl FnOnce(&mut Job) -> R) -> R {
        let result = self.edit(how);
        self.ring_client();
        self.changed.notify_one();
        result
    }

    /// Wakes the session that listens: there is something to tell.
    pub(super) fn ring_client(&self) {
        if let Some(seat) = &self.job.borrow().seat {
            seat.desk.touch(seat.stream);
        }
    }
}

impl Job {
    /// An accepted job.
    pub(super) const fn new(key: JobKey) -> Self {
        Self::adopted(key, 0, 0)
    }

    /// A job of a front that is gone; the next bytes in its pipes have these offsets.
    pub(super) const fn adopted(key: JobKey, stdout: u64, stderr: u64) -> Self {
        Self {
            key,
            phase: Phase::Queued,
            stdin: Stdin::none(),
            stdout: Output::at(stdout),
            stderr: Output::at(stderr),
            ended: None,
            last: None,
            lost: false,
            unread_stdin: false,
            unserved: false,
            forgotten: false,
            seat: None,
            told: Told {
                phase: None,
                stdin: 0,
                stdin_closed: false,
                last: false,
            },
            stderr_next: false,
        }
    }

    /// Its number.
    pub(super) const fn key(&self) -> JobKey {
        self.key
    }

    // === What the executor says ===

    /// It waits for its sized standard input.
    pub(super) fn needs_stdin(&mut self, memfd: std::fs::File, size: u64) {
        self.phase = Phase::NeedsStdin;
        self.stdin = Stdin::sized(memfd, size);
    }

    /// It runs.
    pub(super) fn started(&mut self, streamed_stdin: bool, output_bytes: Option<u64>) {
        self.phase = Phase::Running;
        if streamed_stdin {
            self.stdin = Stdin::streamed();
        }
        if let Some(limit) = output_bytes {
            self.stdout.set_limit(limit);
            self.stderr.set_limit(limit);
        }
    }

    /// Its descriptors are lost. Whoever says so sees to it that it ends.
    pub(super) const fn cannot_be_served(&mut self) {
        self.unserved = true;
    }

    /// Whether it has to be ended because its descriptors are lost.
    pub(super) const fn is_unserved(&self) -> bool {
        self.unserved
    }

    /// It never started.
    pub(super) fn not_started(&mut self, mut refusal: Refusal) {
        self.stdin.close();
        if self.unserved {
            refusal.code = RefusalCode::Resources;
            refusal.text = format!("{TOO_MANY_OPEN} to take the standard input; nothing was run");
        }
        self.last = Some(Reply::Refusal(refusal));
    }

    /// It ended; its pipes, if it ever had any here, may still hold output.
    pub(super) fn ended(&mut self, mut ended: Ended) {
        self.stdin.close();
        if self.unserved {
            let reason = format!("{TOO_MANY_OPEN} to read the output, and ended the command");
            ended.ending = Ending::Lost(reason);
        }
        self.ended = Some(ended);
        if self.phase != Phase::Running || self.unserved {
            self.complete(Vec::new());
        }
    }

    /// Nothing more will be asked about it.
    pub(super) fn forget(&mut self) {
        self.forgotten = true;
        self.unseat();
    }

    // === What the pump does ===

    /// Whether the executor said how it ended.
    pub(super) const fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Whether the pump has no more business here.
    pub(super) const fn is_forgotten(&self) -> bool {
        self.forgotten
    }

    /// The pipes are empty and closed, or left to others: the output is complete.
    pub(super) fn complete(&mut self, notes: Vec<String>) {
        let Some(mut ended) = self.ended.take() else {
            return;
        };
        ended.stdout = self.stdout.read();
        ended.stderr = self.stderr.read();
        ended.output_bytes = self.stdout.limit();
        ended.notes.extend(notes);
        // A client that was told `lost` is not told otherwise later.
        self.last.get_or_insert(Reply::Ended(ended));
    }

    /// Nobody reads the standard input any more.
    pub(super) fn stdin_unread(&mut self) {
        self.stdin.close();
        self.unread_stdin = true;
    }

    /// Whether the client has all that was read so far.
    pub(super) fn is_clean(&self) -> bool {
        self.stdout.is_clean() && self.stderr.is_clean()
    }

    // === Who listens ===

    /// Whether a client listens.
    pub(super) const fn has_client(&self) -> bool {
        self.seat.is_some()
    }

    /// The session that listens.
    pub(super) fn session(&self) -> Option<SessionNumber> {
        self.seat.as_ref().map(|seat| seat.session)
    }

    /// From now on, this stream of this session listens; the one that did so far hears no more.
    pub(super) fn seat(
        &mut self,
        session: SessionNumber,
        desk: &Rc<Desk>,
        stream: u32,
        attach: Option<Attach>,
    ) {
        self.unseat();
        self.seat = Some(Seat {
            session,
            desk: Rc::clone(desk),
            stream,
        });
        self.told = Told::default();
        let Some(attach) = attach else {
            return;
        };
        let resumed = self
            .stdout
            .resume(attach.stdout)
            .and_then(|()| self.stderr.resume(attach.stderr));
        if let Err(gone) = resumed {
            self.lost = true;
            self.last = Some(Reply::Ended(Ended {
                ending: Ending::Lost(gone.to_string()),
                stdout: self.stdout.read(),
                stderr: self.stderr.read(),
                output_bytes: None,
                duration_us: 0,
                notes: Vec::new(),
            }));
        }
    }

    /// Nobody listens any more.
    pub(super) fn unseat(&mut self) {
        if let Some(seat) = self.seat.take() {
            seat.desk.clear(seat.stream);
        }
    }

    /// Nobody listens any more, if it was this session.
    pub(super) fn unseat_from(&mut self, desk: &Rc<Desk>) {
        if self
            .seat
            .as_ref()
            .is_some_and(|s| Rc::ptr_eq(&s.desk, desk))
        {
            self.seat = None;
        }
    }

    // === What the client says ===

    /// It has this output.
    pub(super) fn acknowledge(&mut self, ack: Ack) -> Result<(), NeverSent> {
        if self.lost {
            return Ok(());
        }
        self.stdout.acknowledge(ack.stdout)?;
        self.stderr.acknowledge(ack.stderr)
    }

    /// It sent standard input.
    pub(super) fn take_stdin(&mut self, chunk: &Chunk) -> Result<(), StdinError> {
        self.unread_stdin |= self.stdin.is_closed();
        self.stdin.take(chunk, self.told.stdin)
    }

    /// Its standard input ends. Says whether a memfd is complete.
    pub(super) fn end_stdin(&mut self, end: StdinEnd) -> Result<bool, StdinError> {
        match &mut self.stdin {
            Stdin::Closed { .. } => Ok(false),
            Stdin::Streamed(streamed) => streamed.finish(end.size).map(|()| false),
            Stdin::Sized(_) => {
                // Whether it is what was signed is for the executor to say.
                self.stdin.close();
                self.phase = Phase::Queued;
                Ok(true)
            }
        }
    }

    // === What the client is told ===

    /// What overtakes output, if anything is new.
    pub(super) fn next_control(&mut self) -> Option<Reply> {
        let stdin = self.stdin.taken();
        if self.told.phase != Some(self.phase) {
            self.told.phase = Some(self.phase);
            self.told.stdin = stdin;
            let phase = self.phase;
            return Some(Reply::State(JobState { phase, stdin }));
        }
        let more = stdin - self.told.stdin.min(stdin);
        let rest = self.stdin.is_closed() && more > 0;
        let closes = self.unread_stdin && !self.told.stdin_closed;
        if more < STDIN_ACK_STEP && !rest && !closes {
            return None;
        }
        self.told.stdin = stdin;
        self.told.stdin_closed |= closes;
        let closed = self.told.stdin_closed;
        let offset = stdin;
        Some(Reply::StdinAck(StdinAck { offset, closed }))
    }

    /// The next output.
    pub(super) fn next_output(&mut self) -> Option<Reply> {
        if self.lost {
            return None;
        }
        let stderr_first = self.stderr_next;
        self.stderr_next = !stderr_first;
        self.output_of(stderr_first)
            .or_else(|| self.output_of(!stderr_first))
    }

    fn output_of(&mut self, stderr: bool) -> Option<Reply> {
        if stderr {
            self.stderr.next(OUTPUT_TURN).map(Reply::Stderr)
        } else {
            self.stdout.next(OUTPUT_TURN).map(Reply::Stdout)
        }
    }

    /// What closes the job, once all output is on its way.
    pub(super) fn next_last(&mut self) -> Option<Reply> {
        let ready = self.lost || (self.stdout.is_sent() && self.stderr.is_sent());
        if self.told.last || !ready {
            return None;
        }
        let last = self.last.clone()?;
        self.told.last = true;
        Some(last)
    }

    /// Whether the client has been told everything there will be.
    pub(super) const fn is_settled(&self) -> bool {
        self.told.last
    }
}
