//! Several agents under one name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;

use dtx_proto_types::id::InstanceId;
use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::node::NodeName;

use super::record::preference;
use crate::discovery::Heard;

/// Why nobody can be reached by a name. The operator decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unusable {
    /// Several agents with different keys, none of them pinned.
    Contested(Vec<(Fingerprint, Vec<SocketAddr>)>),
    /// Several agents with one key: a node's state was copied together with its disk.
    Cloned {
        /// The key that they share.
        fingerprint: Fingerprint,
        /// Each agent's addresses.
        agents: Vec<Vec<SocketAddr>>,
    },
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |addresses: &[SocketAddr]| -> String {
            let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            texts.join(" ")
        };
        match self {
            Self::Contested(agents) => {
                f.write_str("several agents have this name and none of their keys is pinned: ")?;
                for (n, (fingerprint, addresses)) in agents.iter().enumerate() {
                    let comma = if n == 0 { "" } else { ", " };
                    write!(f, "{comma}{fingerprint} at {}", list(addresses))?;
                }
                f.write_str("; rename one, or select the right one by its address")
            }
            Self::Cloned {
                fingerprint,
                agents,
            } => {
                let agents: Vec<String> = agents.iter().map(|one| list(one)).collect();
                write!(
                    f,
                    "a cloned image: agents at {} have this name and the same key {fingerprint}; \
                     give one another name, remove its host_key and restart its agent",
                    agents.join(" and at ")
                )
            }
        }
    }
}

/// The agents that answered under one name: each with its key and all of its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Agents(BTreeMap<Fingerprint, Vec<Vec<SocketAddr>>>);

impl Agents {
    /// What was heard, by name. One agent answers from each of its addresses with the same
    /// instance id; a clone has an id of its own. Two ids at the same address are an agent that
    /// was started anew while we asked.
    pub(super) fn by_name(heard: &[Heard]) -> BTreeMap<NodeName, Self> {
        type Instances = BTreeMap<InstanceId, BTreeSet<SocketAddr>>;
        let mut names: BTreeMap<NodeName, BTreeMap<Fingerprint, Instances>> = BTreeMap::new();
        for one in heard {
            let keys = names.entry(one.node.clone()).or_default();
            let instances = keys.entry(one.fingerprint).or_default();
            instances
                .entry(one.instance)
                .or_default()
                .insert(one.address);
        }
        names
            .into_iter()
            .map(|(name, keys)| {
                let keys = keys
                    .into_iter()
                    .map(|(key, instances)| (key, distinct(instances.into_values())))
                    .collect();
                (name, Self(keys))
            })
            .collect()
    }

    /// The addresses under this key, if one agent has it; or why not.
    pub(super) fn under(&self, key: Fingerprint) -> Option<Result<Vec<SocketAddr>, Unusable>> {
        match self.0.get(&key)?.as_slice() {
            [one] => Some(Ok(one.clone())),
            agents => Some(Err(Unusable::Cloned {
                fingerprint: key,
                agents: agents.to_vec(),
            })),
        }
    }

    /// The keys under which was answered, each with all addresses.
    pub(super) fn keys(&self) -> impl Iterator<Item = (Fingerprint, Vec<SocketAddr>)> {
        self.0.iter().map(|(key, agents)| (*key, agents.concat()))
    }

    /// The only agent, with its key, if there is only one; or why not.
    pub(super) fn only(&self) -> Result<(Fingerprint, Vec<SocketAddr>), Unusable> {
        let mut keys = self.0.keys();
        match (keys.next(), keys.next()) {
            (Some(key), None) => match self.under(*key) {
                Some(Ok(addresses)) => Ok((*key, addresses)),
                Some(Err(unusable)) => Err(unusable),
                None => Err(Unusable::Contested(Vec::new())),
            },
            _ => Err(Unusable::Contested(self.keys().collect())),
        }
    }
}

/// Sets of addresses that have none in common, each in the order in which they are tried.
fn distinct(instances: impl Iterator<Item = BTreeSet<SocketAddr>>) -> Vec<Vec<SocketAddr>> {
    let mut agents: Vec<BTreeSet<SocketAddr>> = Vec::new();
    for mut addresses in instances {
        let (same, others): (Vec<_>, Vec<_>) = agents
            .into_iter()
            .partition(|agent| !agent.is_disjoint(&addresses));
        agents = others;
        addresses.extend(same.into_iter().flatten());
        agents.push(addresses);
    }
    let mut agents: Vec<Vec<SocketAddr>> = agents
        .into_iter()
        .map(|addresses| {
            let mut addresses: Vec<SocketAddr> = addresses.into_iter().collect();
            addresses.sort_by_key(preference);
            addresses
        })
        .collect();
    agents.sort();
    agents
}
