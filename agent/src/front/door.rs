//! The place of a connection that is not authenticated yet.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Instant;

use ring::rand::SecureRandom;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::admission::{Admission, Trouble, Verdict};
use super::budget::{QUEUED_PATIENCE, QUEUED_STEP};
use super::state::State;
use crate::ipc::Connection;

/// Admission, and the tasks that lose their place by it.
#[derive(Debug, Default)]
pub(super) struct Door {
    admission: RefCell<Admission>,
    tasks: RefCell<BTreeMap<Connection, AbortHandle>>,
}

/// A place among the unauthenticated connections. Dropping it gives the place up.
pub(super) struct Place {
    state: Rc<State>,
    connection: Connection,
    trouble: Option<Trouble>,
}

/// What a new connection gets.
pub(super) enum Entry {
    /// It may try.
    Place(Place),
    /// It may try when others have done.
    Queued(Queued),
}

/// Waits for a place. Dropping it gives up.
pub(super) struct Queued {
    state: Rc<State>,
    connection: Connection,
    source: IpAddr,
    placed: bool,
}

impl Door {
    /// Asks for a place. Another connection may have to go for it. `None`: this one has to.
    pub(super) fn enter(
        state: &Rc<State>,
        connection: Connection,
        source: IpAddr,
    ) -> Option<Entry> {
        match state.door.ask(connection, source) {
            Verdict::Admit | Verdict::AdmitInsteadOf(_) => {
                Some(Entry::Place(Place::new(state, connection)))
            }
            Verdict::Wait => Some(Entry::Queued(Queued {
                state: Rc::clone(state),
                connection,
                source,
                placed: false,
            })),
            Verdict::TurnAway => None,
        }
    }

    fn ask(&self, connection: Connection, source: IpAddr) -> Verdict {
        let now = Instant::now();
        let verdict = self
            .admission
            .borrow_mut()
            .arrive(connection, source, now, &mut chance);
        if let Verdict::AdmitInsteadOf(other) = verdict
            && let Some(task) = self.tasks.borrow_mut().remove(&other)
        {
            task.abort();
        }
        verdict
    }

    /// This task serves the connection, until it has proved who it is.
    pub(super) fn watch(&self, connection: Connection, task: AbortHandle) {
        if !task.is_finished() {
            self.tasks.borrow_mut().insert(connection, task);
        }
    }
}

impl Entry {
    /// The place, as soon as there is one. `None`: there was none for too long.
    pub(super) async fn place(self) -> Option<Place> {
        match self {
            Self::Place(place) => Some(place),
            Self::Queued(queued) => queued.place().await,
        }
    }
}

impl Queued {
    async fn place(mut self) -> Option<Place> {
        let deadline = Instant::now() + QUEUED_PATIENCE;
        while Instant::now() < deadline {
            sleep(QUEUED_STEP).await;
            match self.state.door.ask(self.connection, self.source) {
                Verdict::Admit | Verdict::AdmitInsteadOf(_) => {
                    self.placed = true;
                    return Some(Place::new(&self.state, self.connection));
                }
                Verdict::Wait => {}
                Verdict::TurnAway => return None,
            }
        }
        None
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        if !self.placed {
            let door = &self.state.door;
            door.tasks.borrow_mut().remove(&self.connection);
            door.admission.borrow_mut().give_up(self.connection);
        }
    }
}

impl Place {
    fn new(state: &Rc<State>, connection: Connection) -> Self {
        Self {
            state: Rc::clone(state),
            connection,
            // Unless it turns out well.
            trouble: Some(Trouble::Silent),
        }
    }

    /// The number of the connection that has this place.
    pub(super) const fn connection(&self) -> Connection {
        self.connection
    }

    /// The connection is authenticated: it counts no more.
    pub(super) fn authenticated(mut self) {
        self.trouble = None;
    }

    /// The connection is at fault.
    pub(super) fn failed(mut self, trouble: Trouble) {
        self.trouble = Some(trouble);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let door = &self.state.door;
        door.tasks.borrow_mut().remove(&self.connection);
        let mut admission = door.admission.borrow_mut();
        match self.trouble {
            Some(trouble) => admission.fail(self.connection, trouble, Instant::now()),
            None => admission.leave(self.connection),
        }
    }
}

/// A random number below `below`, which is small.
fn chance(below: usize) -> usize {
    let mut bytes = [0; 4];
    // Without randomness, the last one in question is picked: never a reason to fail.
    if ring::rand::SystemRandom::new().fill(&mut bytes).is_err() {
        return below.saturating_sub(1);
    }
    u32::from_le_bytes(bytes) as usize % below.max(1)
}
