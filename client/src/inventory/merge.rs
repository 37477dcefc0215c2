//! Who is expected, who is here, who is new. No I/O, no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::node::NodeName;

use super::duplicates::{Agents, Unusable};
use super::record::Record;
use crate::discovery::Heard;

/// A pinned node that was seen within this time belongs to "all", whether it answers or not.
pub const SEEN_WITHIN: Duration = Duration::from_secs(24 * 60 * 60);

/// What is known of one cluster.
#[derive(Debug, Default)]
pub struct Sources<'a> {
    /// Pinned nodes with their keys: [`KnownNodes::nodes`](crate::pins::KnownNodes::nodes).
    pub pinned: BTreeMap<NodeName, BTreeSet<Fingerprint>>,
    /// The cache's records: [`Cache::of`](super::Cache::of).
    pub cached: Vec<&'a Record>,
    /// What a discovery heard just now; empty if there was none.
    pub heard: &'a [Heard],
    /// Milliseconds since 1970.
    pub now_ms: u64,
}

/// A node and where it may be reached. That it is the one, TLS shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// In the order in which they are to be tried.
    pub addresses: Vec<SocketAddr>,
    /// The key to be expected: the pinned one, or the one that a new node announced.
    pub fingerprint: Fingerprint,
    /// When it was seen: now if it answered, otherwise as the cache says.
    pub seen_ms: u64,
}

/// The nodes of a cluster, each in one list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// Expected and here: pinned, and answered under the pinned key.
    pub here: BTreeMap<NodeName, Candidate>,
    /// Expected and silent: pinned, seen within a day, not heard now. To be tried by unicast
    /// before they are called unreachable.
    pub silent: BTreeMap<NodeName, Candidate>,
    /// Answered and not pinned: for the operator to accept.
    pub new: BTreeMap<NodeName, Candidate>,
    /// Answered, and yet nobody knows who is meant.
    pub unusable: BTreeMap<NodeName, Unusable>,
    /// What the operator should know, in the order of names.
    pub warnings: Vec<String>,
}

impl Inventory {
    /// Sorts every node into its list.
    #[must_use]
    pub fn merge(sources: &Sources<'_>) -> Self {
        let mut inventory = Self::default();
        let agents = Agents::by_name(sources.heard);
        let cached: BTreeMap<&NodeName, &Record> = sources
            .cached
            .iter()
            .map(|record| (&record.node, *record))
            .collect();
        for (node, pinned) in &sources.pinned {
            let record = cached.get(node).copied();
            inventory.add_pinned((node, pinned), agents.get(node), record, sources.now_ms);
        }
        for (node, agents) in &agents {
            if !sources.pinned.contains_key(node) {
                inventory.add_new(node, agents, sources.now_ms);
            }
        }
        inventory.warn_of_shared_keys(sources.heard);
        inventory
    }

    /// The nodes that "all" means: those pinned that answered or were seen within a day. New ones
    /// come on top where the operator accepts them.
    pub fn expected(&self) -> impl Iterator<Item = (&NodeName, &Candidate)> {
        self.here.iter().chain(&self.silent)
    }

    fn add_pinned(
        &mut self,
        (node, pinned): (&NodeName, &BTreeSet<Fingerprint>),
        agents: Option<&Agents>,
        record: Option<&Record>,
        now_ms: u64,
    ) {
        let (known, strangers): (Vec<_>, Vec<_>) = agents
            .iter()
            .flat_map(|agents| agents.keys())
            .partition(|(key, _)| pinned.contains(key));
        for (key, addresses) in &strangers {
            self.warnings.push(stranger(node, *key, addresses));
        }
        let mine = agents.zip(known.first());
        match mine.and_then(|(agents, (key, _))| Some((*key, agents.under(*key)?))) {
            Some((fingerprint, Ok(addresses))) => {
                let candidate = Candidate {
                    addresses,
                    fingerprint,
                    seen_ms: now_ms,
                };
                self.here.insert(node.clone(), candidate);
            }
            Some((_, Err(unusable))) => {
                self.unusable.insert(node.clone(), unusable);
            }
            None => {
                let elsewhere = strangers.into_iter().flat_map(|(_, addresses)| addresses);
                if let Some(candidate) = silent(record, pinned, elsewhere, now_ms) {
                    self.silent.insert(node.clone(), candidate);
                }
            }
        }
    }

    fn add_new(&mut self, node: &NodeName, agents: &Agents, now_ms: u64) {
        match agents.only() {
            Ok((fingerprint, addresses)) => {
                let candidate = Candidate {
                    addresses,
                    fingerprint,
                    seen_ms: now_ms,
                };
                self.new.insert(node.clone(), candidate);
            }
            Err(unusable) => {
                self.unusable.insert(node.clone(), unusable);
            }
        }
    }

    /// One key under several names is no proof of anything wrong, and nearly always a copied disk.
    fn warn_of_shared_keys(&mut self, heard: &[Heard]) {
        let mut keys: BTreeMap<Fingerprint, BTreeSet<&NodeName>> = BTreeMap::new();
        for one in heard {
            keys.entry(one.fingerprint).or_default().insert(&one.node);
        }
        for (key, nodes) in keys.iter().filter(|(_, nodes)| nodes.len() > 1) {
            let nodes: Vec<&str> = nodes.iter().map(|node| node.as_str()).collect();
            self.warnings.push(format!(
                "{} have the same node key {key}, probably from a copied disk: each can pass for \
                 the others; remove host_key on all but one and restart their agents",
                nodes.join(" and ")
            ));
        }
    }
}

/// A pinned node that did not answer under its key. The cached addresses come first: one that
/// answered under another key may be made up, and if it is the node, TLS shows the changed key.
fn silent(
    record: Option<&Record>,
    pinned: &BTreeSet<Fingerprint>,
    elsewhere: impl Iterator<Item = SocketAddr>,
    now_ms: u64,
) -> Option<Candidate> {
    let within = u64::try_from(SEEN_WITHIN.as_millis()).unwrap_or(u64::MAX);
    let recent = record.filter(|record| now_ms.saturating_sub(record.seen_ms) <= within);
    let mut addresses = recent.map_or_else(Vec::new, |record| record.addresses.clone());
    for address in elsewhere {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    let known = recent.map(|record| record.fingerprint);
    let known = known.filter(|key| pinned.contains(key));
    if recent.is_none() && addresses.is_empty() {
        return None;
    }
    Some(Candidate {
        addresses,
        fingerprint: known.or(pinned.first().copied())?,
        seen_ms: recent.map_or(0, |record| record.seen_ms),
    })
}

fn stranger(node: &NodeName, key: Fingerprint, addresses: &[SocketAddr]) -> String {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    format!(
        "{node} also answered from {} with the key {key}, which is not the pinned one: not used",
        addresses.join(" ")
    )
}
