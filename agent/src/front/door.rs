//! The place of a connection that is not authenticated yet.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Instant;

use ring::rand::SecureRandom;
use tokio::task::AbortHandle;

use super::admission::{Admission, Trouble, Verdict};
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

impl Door {
    /// Asks for a place. Another connection may have to go for it.
    pub(super) fn enter(
        state: &Rc<State>,
        connection: Connection,
        source: IpAddr,
    ) -> Option<Place> {
        let door = &state.door;
        let now = Instant::now();
        let verdict = door
            .admission
            .borrow_mut()
            .arrive(connection, source, now, &mut chance);
        match verdict {
            Verdict::Admit => {}
            Verdict::AdmitInsteadOf(other) => {
                if let Some(task) = door.tasks.borrow_mut().remove(&other) {
                    task.abort();
                }
            }
            Verdict::TurnAway => return None,
        }
        Some(Place {
            state: Rc::clone(state),
            connection,
            // Unless it turns out well.
            trouble: Some(Trouble::Silent),
        })
    }

    /// This task serves the connection, until it has proved who it is.
    pub(super) fn watch(&self, connection: Connection, task: AbortHandle) {
        if !task.is_finished() {
            self.tasks.borrow_mut().insert(connection, task);
        }
    }
}

impl Place {
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
