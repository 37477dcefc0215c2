//! One authenticated session: reads requests, sends what its streams have to say, keeps time.
//!
//! One task does both directions and waits in one place. Control frames overtake output; output is
//! fetched from its jobs only when the network has taken what went before.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use dtx_proto_types::frame::FrameError;
use dtx_proto_types::limits::SILENCE_MAX;
use dtx_proto_types::message::Reply;
use tokio::time::sleep_until;

use super::budget::STOP_PATIENCE;
use super::output::NeverSent;
use super::pulse::{Beat, Pulse};
use super::requests;
use super::socket::{Filled, Socket, SocketError};
use super::stage::Stage;
use super::state::{OpenSession, State};
use super::stdin::StdinError;

/// Answers that may wait for a client that does not read, before it is no longer listened to.
const ASIDE_MAX: usize = 64;

/// Why a session is over.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionEnd {
    /// The client left.
    #[error("the client left")]
    Left,
    /// The client is gone.
    #[error("the client was silent for {} s", SILENCE_MAX.as_secs())]
    Silent,
    /// The agent stops.
    #[error("the agent stops")]
    Stopped,
    /// The executor wants it ended, and the client was told why.
    #[error("it may not go on")]
    Closed,
    /// The connection broke, or the client does not speak the protocol.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The client broke the rules for standard input.
    #[error(transparent)]
    Stdin(#[from] StdinError),
    /// The client broke the rules for acknowledgements.
    #[error(transparent)]
    Acknowledged(#[from] NeverSent),
}

impl From<FrameError> for SessionEnd {
    fn from(error: FrameError) -> Self {
        Self::Socket(error.into())
    }
}

impl From<std::io::Error> for SessionEnd {
    fn from(error: std::io::Error) -> Self {
        Self::Socket(error.into())
    }
}

/// One session and its connection.
pub(super) struct Session {
    state: Rc<State>,
    socket: Socket,
    open: OpenSession,
    peer: SocketAddr,
    pulse: Pulse,
    stage: Stage,
    /// The client will say no more.
    ended: bool,
    /// When to give up telling the client why the session has to end.
    closing_until: Option<Instant>,
    /// The client was told: nothing follows.
    told_off: bool,
}

impl Session {
    /// A session whose hello waits to be sent.
    pub(super) fn new(
        state: Rc<State>,
        socket: Socket,
        open: OpenSession,
        peer: SocketAddr,
    ) -> Self {
        Self {
            state,
            socket,
            open,
            peer,
            pulse: Pulse::new(now()),
            stage: Stage::default(),
            ended: false,
            closing_until: None,
            told_off: false,
        }
    }

    /// Serves it to its end.
    pub(super) async fn run(mut self) {
        let end = loop {
            if let Err(end) = self.work() {
                break end;
            }
            if let Err(end) = self.wait().await {
                break end;
            }
        };
        let peer = self.peer;
        match &end {
            SessionEnd::Left | SessionEnd::Silent | SessionEnd::Stopped | SessionEnd::Closed => {
                log::debug!("session from {peer} is over: {end}");
            }
            SessionEnd::Socket(SocketError::Io(error)) => {
                log::debug!("session from {peer} broke: {error}");
            }
            _ => self.state.complain(peer, &end),
        }
        // Its jobs lose their client now, however long the parting takes.
        drop(self.open);
        if matches!(end, SessionEnd::Closed) {
            drop(self.socket.part(&self.state.scratch).await);
            return;
        }
        self.socket.close();
        // Whether it is still heard no longer matters.
        drop(self.socket.flush());
    }

    /// Does all that can be done without waiting.
    fn work(&mut self) -> Result<(), SessionEnd> {
        if self.may_read() {
            match self.socket.fill(&mut self.state.scratch.borrow_mut())? {
                Filled::Nothing => {}
                Filled::Bytes(_) => self.pulse.heard(now()),
                Filled::End => self.ended = true,
            }
        }
        while self.may_act() {
            let Some(frame) = self.socket.next_frame()? else {
                // Only now: a client may say its last words and leave at once.
                if self.ended {
                    return Err(SessionEnd::Left);
                }
                break;
            };
            requests::act(&self.state, &self.open, frame)?;
        }
        match self.pulse.beat(now()) {
            Beat::Lost => return Err(SessionEnd::Silent),
            Beat::Speak if !self.socket.has_unsent() => {
                self.stage.put(&Reply::Heartbeat.to_frame(0));
            }
            Beat::Rest | Beat::Speak => {}
        }
        self.send()?;
        self.mind_closing()
    }

    /// Ends a session that may not go on, once the client knows why or takes too long to hear it.
    fn mind_closing(&mut self) -> Result<(), SessionEnd> {
        if !self.open.desk.is_closing() {
            return Ok(());
        }
        let until = *self
            .closing_until
            .get_or_insert_with(|| now() + STOP_PATIENCE);
        if (self.told_off && !self.socket.has_unsent()) || now() >= until {
            return Err(SessionEnd::Closed);
        }
        Ok(())
    }

    /// Sends what there is, as far as the network takes it.
    fn send(&mut self) -> Result<(), SessionEnd> {
        loop {
            if self.socket.flush()? {
                self.pulse.said(now());
            }
            if self.socket.has_unsent() || self.told_off {
                return Ok(());
            }
            self.stage.fill(&self.open.desk);
            if let Some(refusal) = self.open.desk.closing() {
                // Behind this turn; what its jobs still hold is not waited for.
                self.stage.put(&Reply::Refusal(refusal).to_frame(0));
                self.told_off = true;
            }
            if self.stage.is_empty() {
                break;
            }
            self.socket.write(self.stage.bytes())?;
            self.stage.clear();
        }
        if self.state.stopping.is_cancelled() && self.open.desk.is_settled() {
            return Err(SessionEnd::Stopped);
        }
        Ok(())
    }

    async fn wait(&self) -> Result<(), SessionEnd> {
        let stopping = &self.state.stopping;
        let link = &self.state.link;
        tokio::select! {
            ready = self.socket.ready(self.may_read()) => ready?,
            () = self.open.desk.bell.notified() => {}
            () = link.drained(), if link.is_backlogged() => {}
            () = sleep_until(self.wakes_at().into()) => {}
            () = stopping.cancelled(), if !stopping.is_cancelled() => {}
        }
        Ok(())
    }

    /// When to look again, whatever happens.
    fn wakes_at(&self) -> Instant {
        let beat = self.pulse.next();
        self.closing_until.map_or(beat, |until| until.min(beat))
    }

    /// Whether more requests may be read.
    fn may_read(&self) -> bool {
        !self.ended && self.may_act()
    }

    /// Whether there is room for what more requests may cause, and they are wanted.
    fn may_act(&self) -> bool {
        !self.open.desk.is_closing()
            && !self.state.link.is_backlogged()
            && self.open.desk.aside_len() < ASIDE_MAX
    }
}

/// The time of the runtime, which tests may stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
