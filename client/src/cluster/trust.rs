//! Which keys are believed: the pins, as the sessions of a process use them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::node::NodeName;

use crate::pins::{Check, KnownNodes, NewPin, PinsError, SYSTEM_FILE};
use crate::session::{ConnectError, Expect, Session};
use crate::state::StateDir;

/// Pinned nodes and their keys.
pub(super) type PinnedKeys = BTreeMap<NodeName, BTreeSet<Fingerprint>>;

/// The pins of one cluster.
#[derive(Debug)]
pub(super) struct Trust {
    cluster: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    known: KnownNodes,
    /// The same, in the form in which it is asked for at every connection.
    keys: Arc<PinnedKeys>,
}

/// What the pins say about a node that proved its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is the one that was meant.
    Known,
    /// It is known, but what was typed for it is not.
    NewAlias(NewPin),
    /// It is not known: nothing is sent to it before somebody accepts it.
    New(NewPin),
}

impl Trust {
    pub(super) fn load(dir: &StateDir, cluster: &str) -> Result<Self, PinsError> {
        let known = KnownNodes::load(dir, Path::new(SYSTEM_FILE))?;
        let keys = Arc::new(known.nodes(cluster));
        Ok(Self {
            cluster: cluster.to_owned(),
            state: Mutex::new(State { known, keys }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it was held left plain data that was read from files.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pinned nodes and their keys.
    pub(super) fn keys(&self) -> Arc<PinnedKeys> {
        Arc::clone(&self.lock().keys)
    }

    /// Whether no node of the cluster is pinned yet.
    pub(super) fn is_first_use(&self) -> bool {
        self.lock().known.is_first_use(&self.cluster)
    }

    /// The node that is meant by what was typed, if that is known.
    pub(super) fn name_of(&self, typed: &NodeName) -> Option<NodeName> {
        self.lock().known.alias(&self.cluster, typed).cloned()
    }

    /// Whom to expect where `label` was selected. `named`: a node announced itself by this very
    /// name, so it must be its own.
    pub(super) fn expect(&self, label: &NodeName, named: bool) -> Expect {
        let state = self.lock();
        let node = state.known.alias(&self.cluster, label);
        let pinned = node.and_then(|node| Some((node.clone(), state.keys.get(node)?.clone())));
        match pinned {
            Some((node, keys)) => Expect::Pinned { node, keys },
            None if named => Expect::Named(label.clone()),
            None => Expect::FirstContact,
        }
    }

    /// What the pins say about the node at the other end.
    pub(super) fn standing(
        &self,
        label: &NodeName,
        session: &Session,
    ) -> Result<Standing, ConnectError> {
        let pin = NewPin {
            selected: label.clone(),
            node: session.hello().node.clone(),
            key: session.key(),
        };
        let proved = (&pin.node, pin.key.fingerprint());
        match self.lock().known.check(&self.cluster, label, proved) {
            Check::Match => Ok(Standing::Known),
            Check::NewAlias => Ok(Standing::NewAlias(pin)),
            Check::New => Ok(Standing::New(pin)),
            Check::Changed(changed) => Err(ConnectError::Changed(changed)),
        }
    }

    /// The full story of a key that was not the expected one.
    pub(super) fn explain(&self, label: &NodeName, error: ConnectError) -> ConnectError {
        let ConnectError::OtherKey { node, offered, .. } = &error else {
            return error;
        };
        match self
            .lock()
            .known
            .check(&self.cluster, label, (node, *offered))
        {
            Check::Changed(changed) => ConnectError::Changed(changed),
            _ => error,
        }
    }

    /// Pins keys. Blocks: it waits for a lock and for the disk.
    pub(super) fn pin(&self, new: &[NewPin]) -> Result<(), PinsError> {
        let mut state = self.lock();
        state.known.pin(&self.cluster, new)?;
        state.keys = Arc::new(state.known.nodes(&self.cluster));
        Ok(())
    }
}
