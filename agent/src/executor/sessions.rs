//! The sessions that are open, by number.

use std::collections::BTreeMap;

use crate::ipc::SessionNumber;
use crate::trust::Session;

/// Open sessions, each with who speaks in it.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    open: BTreeMap<SessionNumber, Session>,
    last: u64,
}

impl Sessions {
    /// Admits a session under a number that none had before.
    pub(super) fn admit(&mut self, session: Session) -> SessionNumber {
        self.last += 1;
        let number = SessionNumber(self.last);
        self.open.insert(number, session);
        number
    }

    pub(super) fn get(&self, number: SessionNumber) -> Option<&Session> {
        self.open.get(&number)
    }

    /// The open sessions and who speaks in them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (SessionNumber, &Session)> {
        self.open.iter().map(|(number, session)| (*number, session))
    }

    pub(super) fn close(&mut self, number: SessionNumber) {
        self.open.remove(&number);
    }

    /// Forgets all of them: the front that held their connections is gone.
    pub(super) fn close_all(&mut self) {
        self.open.clear();
    }
}
