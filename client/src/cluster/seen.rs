//! Where nodes were reached, kept for the next run.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dtx_proto_types::node::NodeName;

use crate::fanout::sign::now_ms;
use crate::inventory::{Cache, Record};
use crate::session::Session;
use crate::state::StateError;

/// A record that says the same is not written again before it is this old: most runs write
/// nothing.
const FRESH: Duration = Duration::from_secs(15 * 60);

/// The cache, and what is to be added to it.
#[derive(Debug)]
pub(super) struct Seen(Mutex<State>);

#[derive(Debug)]
struct State {
    cache: Cache,
    cluster: String,
    new: BTreeMap<NodeName, Record>,
}

impl Seen {
    pub(super) fn new(cache: Cache, cluster: &str) -> Self {
        Self(Mutex::new(State {
            cache,
            cluster: cluster.to_owned(),
            new: BTreeMap::new(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What earlier runs knew of all nodes.
    pub(super) fn records(&self) -> Vec<Record> {
        let state = self.lock();
        state.cache.of(&state.cluster).cloned().collect()
    }

    /// What earlier runs knew of a node.
    pub(super) fn record(&self, node: &NodeName) -> Option<Record> {
        let state = self.lock();
        state.cache.get(&state.cluster, node).cloned()
    }

    /// What was wrong with the cache, if anything was.
    pub(super) fn warning(&self) -> Option<String> {
        self.lock().cache.warning().map(str::to_owned)
    }

    /// A known node proved itself at this address.
    pub(super) fn note(&self, session: &Session, cluster: &str) {
        let node = session.hello().node.clone();
        let record = Record {
            cluster: cluster.to_owned(),
            fingerprint: session.key().fingerprint(),
            addresses: vec![session.address()],
            seen_ms: now_ms(),
            node: node.clone(),
        };
        let mut state = self.lock();
        let fresh = u64::try_from(FRESH.as_millis()).unwrap_or(u64::MAX);
        let says_the_same = state.cache.get(cluster, &node).is_some_and(|known| {
            known.fingerprint == record.fingerprint
                && known.addresses.first() == record.addresses.first()
                && record.seen_ms.abs_diff(known.seen_ms) < fresh
        });
        if !says_the_same {
            state.new.insert(node, record);
        }
    }

    /// Writes what is new. Blocks.
    pub(super) fn save(&self) -> Result<(), StateError> {
        let mut state = self.lock();
        let new: Vec<Record> = std::mem::take(&mut state.new).into_values().collect();
        if new.is_empty() {
            return Ok(());
        }
        state.cache.record(new, now_ms())
    }
}
