//! The nodes of a run, as the engine dials them.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;

use super::core::Core;
use super::route::Route;
use super::trust::Standing;
use crate::fanout::dial::Dial;
use crate::session::{ConnectError, Session};

/// The nodes of a run, by rank.
#[derive(Debug)]
pub(super) struct Fleet {
    core: Arc<Core>,
    members: Vec<Member>,
    /// Whether sessions are too few for all nodes, so that each is closed after its node's part.
    scarce: bool,
    closing: Mutex<JoinSet<()>>,
}

/// One node of a run.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) route: Arc<Route>,
    /// Why it is not to be tried.
    pub(super) unusable: Option<String>,
}

impl Fleet {
    pub(super) fn new(core: Arc<Core>, members: Vec<Member>) -> Self {
        Self {
            scarce: members.len() > core.options.sessions_max,
            core,
            members,
            closing: Mutex::default(),
        }
    }

    fn member(&self, rank: u32) -> Result<&Member, ConnectError> {
        self.members
            .get(rank as usize)
            .ok_or(ConnectError::NoAddress)
    }

    /// Nothing is sent to a node whose key nobody has accepted.
    fn accepted(&self, route: &Route, session: &Session) -> Result<(), ConnectError> {
        match self.core.standing(&route.label, session)? {
            Standing::Known | Standing::NewAlias(_) => Ok(()),
            Standing::New(pin) => Err(ConnectError::Unusable(not_accepted(
                &route.label,
                &pin.key.fingerprint(),
            ))),
        }
    }
}

/// What is said of a node that was named and not accepted.
pub(super) fn not_accepted(
    label: &dtx_proto_types::node::NodeName,
    key: &dtx_proto_types::key::Fingerprint,
) -> String {
    format!(
        "new, not accepted: its key is {key}; accept it with `dtx nodes accept {label}` or --accept-new"
    )
}

impl Dial for Fleet {
    type Session = Session;

    async fn dial(&self, rank: u32) -> Result<Arc<Session>, ConnectError> {
        let member = self.member(rank)?;
        if let Some(reason) = &member.unusable {
            return Err(ConnectError::Unusable(reason.clone()));
        }
        let session = self.core.session(&member.route).await?;
        self.accepted(&member.route, &session)?;
        Ok(session)
    }

    async fn redial(&self, rank: u32) -> Result<Arc<Session>, ConnectError> {
        let member = self.member(rank)?;
        let session = self.core.session_anew(&member.route).await?;
        self.accepted(&member.route, &session)?;
        Ok(session)
    }

    fn release(&self, rank: u32, others_wait: bool) {
        let mut closing = self.closing.lock().unwrap_or_else(PoisonError::into_inner);
        while closing.try_join_next().is_some() {}
        let Ok(member) = self.member(rank) else {
            return;
        };
        if self.scarce && others_wait {
            let route = Arc::clone(&member.route);
            closing.spawn(async move {
                let session = route.line.lock().await.take();
                if let Some(session) = session {
                    session.close().await;
                }
            });
        }
    }
}
