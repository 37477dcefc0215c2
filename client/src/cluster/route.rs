//! The way to one node, and the session that is open on it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dtx_proto_types::node::NodeName;
use tokio::time::Instant;

use super::Found;
use crate::session::{ConnectError, Session};

/// A failure this old says nothing about now.
const FAILURE_AGE: Duration = Duration::from_secs(1);

/// The way to one node.
#[derive(Debug)]
pub(super) struct Route {
    /// As it was typed or found.
    pub(super) label: NodeName,
    /// Whether a node announced itself by this name, so that it must be its own.
    pub(super) named: bool,
    place: Mutex<Place>,
    /// Held while a session is being opened, so that whoever else wants one waits for it.
    pub(super) line: tokio::sync::Mutex<Line>,
}

#[derive(Debug, Clone)]
struct Place {
    found: Found,
    addresses: Vec<SocketAddr>,
}

/// What is at the end of a route.
#[derive(Debug, Default)]
pub(super) struct Line {
    session: Option<(Arc<Session>, Instant)>,
    /// Why there was none a moment ago; told to the first who asks.
    failure: Option<Failure>,
}

#[derive(Debug)]
struct Failure {
    error: ConnectError,
    at: Instant,
    tried: Vec<SocketAddr>,
}

impl Route {
    pub(super) fn new(
        label: NodeName,
        named: bool,
        found: Found,
        addresses: Vec<SocketAddr>,
    ) -> Self {
        Self {
            label,
            named,
            place: Mutex::new(Place { found, addresses }),
            line: tokio::sync::Mutex::default(),
        }
    }

    /// Where the node is tried, best first.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.place().addresses
    }

    pub(super) fn found(&self) -> Found {
        self.place().found
    }

    fn place(&self) -> Place {
        self.place
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The node was heard of at these addresses: they are tried before those known so far.
    pub(super) fn learn(&self, found: Found, addresses: &[SocketAddr]) {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = addresses.to_vec();
        all.extend(
            place
                .addresses
                .iter()
                .filter(|known| !addresses.contains(known)),
        );
        *place = Place {
            found,
            addresses: all,
        };
    }
}

impl Line {
    /// The session, if it can carry a job now.
    pub(super) fn session(&self) -> Option<Arc<Session>> {
        let (session, good_until) = self.session.as_ref()?;
        let usable = session.is_open() && Instant::now() < *good_until;
        usable.then(|| Arc::clone(session))
    }

    /// Why there is no session, if that was found out just now and no other address is known.
    pub(super) fn failure(&mut self, known: &[SocketAddr]) -> Option<ConnectError> {
        let Failure { error, at, tried } = self.failure.take()?;
        let holds = at.elapsed() < FAILURE_AGE && known.iter().all(|a| tried.contains(a));
        holds.then_some(error)
    }

    pub(super) fn keep(&mut self, session: &Arc<Session>, good_until: Instant) {
        self.failure = None;
        self.session = Some((Arc::clone(session), good_until));
    }

    pub(super) fn fail(&mut self, error: ConnectError, tried: Vec<SocketAddr>) {
        self.session = None;
        self.failure = Some(Failure {
            error,
            at: Instant::now(),
            tried,
        });
    }

    /// Takes the session away.
    pub(super) fn take(&mut self) -> Option<Arc<Session>> {
        self.session.take().map(|(session, _)| session)
    }
}
