//! What the tasks of the front share. All of them run on one thread, so nothing here is locked,
//! and no borrow lives across an `await`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use dtx_proto_types::message::Refusal;
use rustls::ServerConfig;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::budget::READ_PIECE;
use super::desk::Desk;
use super::door::Door;
use super::executor_link::Link;
use super::job::SharedJob;
use super::log_limit::LogLimit;
use crate::ipc::{Connection, JobKey, Opened, SessionNumber, Setup, ToExecutor};

/// The executor's answer to a hello.
pub(super) type Answer = Result<OpenSession, Refusal>;

/// Everything that is shared.
pub(super) struct State {
    pub(super) setup: Setup,
    pub(super) tls: Arc<ServerConfig>,
    pub(super) link: Link,
    pub(super) door: Door,
    log_limit: RefCell<LogLimit>,
    /// The front's table of jobs: they outlive the sessions that brought them.
    pub(super) jobs: RefCell<BTreeMap<JobKey, Rc<SharedJob>>>,
    sessions: RefCell<BTreeMap<SessionNumber, Rc<Desk>>>,
    /// Hellos that the executor has not answered yet.
    hellos: RefCell<BTreeMap<Connection, oneshot::Sender<Answer>>>,
    connections_so_far: Cell<u64>,
    /// Connections and sessions.
    pub(super) connections: TaskTracker,
    /// Pumps and other helpers.
    pub(super) helpers: TaskTracker,
    /// No new connections.
    pub(super) draining: CancellationToken,
    /// Send what is queued, then end.
    pub(super) stopping: CancellationToken,
    /// What any task reads into before it knows how much there is.
    pub(super) scratch: RefCell<Box<[u8]>>,
}

impl State {
    pub(super) fn new(setup: Setup, tls: Arc<ServerConfig>, link: Link) -> Rc<Self> {
        Rc::new(Self {
            setup,
            tls,
            link,
            door: Door::default(),
            log_limit: RefCell::default(),
            jobs: RefCell::default(),
            sessions: RefCell::default(),
            hellos: RefCell::default(),
            connections_so_far: Cell::new(0),
            connections: TaskTracker::new(),
            helpers: TaskTracker::new(),
            draining: CancellationToken::new(),
            stopping: CancellationToken::new(),
            scratch: RefCell::new(vec![0; READ_PIECE].into_boxed_slice()),
        })
    }

    /// The job with this number.
    pub(super) fn job(&self, key: JobKey) -> Option<Rc<SharedJob>> {
        self.jobs.borrow().get(&key).cloned()
    }

    /// The desk of an open session.
    pub(super) fn desk(&self, session: SessionNumber) -> Option<Rc<Desk>> {
        self.sessions.borrow().get(&session).cloned()
    }

    /// A number for a new connection.
    pub(super) fn next_connection(&self) -> Connection {
        let number = self.connections_so_far.get() + 1;
        self.connections_so_far.set(number);
        Connection(number)
    }

    /// Writes to the log what is wrong with a peer, unless that was done just now.
    pub(super) fn complain(&self, peer: SocketAddr, about: &dyn Display) {
        let source = peer.ip().to_canonical();
        match self
            .log_limit
            .borrow_mut()
            .allow(source, std::time::Instant::now())
        {
            None => {}
            Some(0) => log::warn!("connection from {peer}: {about}"),
            Some(more) => log::warn!("connection from {peer}: {about} (and {more} more like it)"),
        }
    }

    /// Waits for the answer to the hello of a connection.
    pub(super) fn expect_answer(&self, connection: Connection) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        self.hellos.borrow_mut().insert(connection, sender);
        receiver
    }

    /// Hands the executor's answer to the connection. If that is gone, so is the session.
    pub(super) fn answer_hello(&self, connection: Connection, answer: Answer) {
        if let Some(hello) = self.hellos.borrow_mut().remove(&connection) {
            // What cannot be delivered is dropped, and a session that is dropped is closed.
            drop(hello.send(answer));
        }
    }
}

/// A session that the executor opened. Dropping it closes it, whatever became of its task.
pub(super) struct OpenSession {
    state: Rc<State>,
    pub(super) opened: Opened,
    pub(super) desk: Rc<Desk>,
}

impl OpenSession {
    /// Puts up a desk for a new session.
    pub(super) fn new(state: &Rc<State>, opened: Opened) -> Self {
        let desk = Rc::new(Desk::default());
        state
            .sessions
            .borrow_mut()
            .insert(opened.session, Rc::clone(&desk));
        let state = Rc::clone(state);
        Self {
            state,
            opened,
            desk,
        }
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        let session = self.opened.session;
        self.state.sessions.borrow_mut().remove(&session);
        for job in self.desk.clear_all() {
            job.edit(|job| job.unseat_from(&self.desk));
            job.changed.notify_one();
        }
        self.state.link.send(&ToExecutor::Closed(session));
    }
}
