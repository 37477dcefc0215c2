//! Nodes that were named: by what is known of them first, by discovery only if nothing is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dtx_proto_types::node::NodeName;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::super::address;
use super::super::core::Core;
use super::super::{Conflict, Found, SelectError, Selected, Selection};
use super::Search;
use crate::discovery::{Discovery, DiscoveryError, Event, Heard, Options};
use crate::fanout::sign::now_ms;
use crate::inventory::{Inventory, Sources};

/// Names looked up at once: each takes a thread while the resolver waits.
const LOOK_UPS_MAX: usize = 32;

impl Search<'_> {
    pub(super) async fn named(&mut self, names: &[NodeName]) -> Result<Selection, SelectError> {
        let mut seen = BTreeSet::new();
        let wanted: Vec<&NodeName> = names
            .iter()
            .filter(|name| !self.excluded.contains(name) && seen.insert(*name))
            .collect();
        self.typed = true;
        let mut unknown: Vec<NodeName> = Vec::new();
        for name in &wanted {
            if !self.is_known(name) {
                unknown.push((*name).clone());
            }
        }
        let mut selection = Selection::default();
        if !unknown.is_empty() {
            self.look_around(&unknown, &mut selection).await?;
        }
        let lost: Vec<String> = unknown
            .iter()
            .filter(|name| self.has_no_way(name, &selection))
            .map(ToString::to_string)
            .collect();
        if !lost.is_empty() {
            return Err(SelectError::Unknown(lost));
        }
        selection.nodes = wanted
            .into_iter()
            .map(|name| self.selected(name, &selection))
            .collect();
        self.settle_newcomers(&mut selection).await?;
        Ok(selection)
    }

    /// Whether a way to it is known without asking anybody; then a session is begun.
    fn is_known(&mut self, name: &NodeName) -> bool {
        let (found, addresses) = match address::parse(name.as_str()) {
            Some(address) => (Found::Address, vec![address]),
            None => (Found::Cache, self.cached(name)),
        };
        if addresses.is_empty() {
            return self
                .core
                .route(name)
                .is_some_and(|route| !route.addresses().is_empty());
        }
        let named = found == Found::Cache;
        let route = match self.core.route(name) {
            // What was learned in this process is newer than the cache.
            Some(route) if !route.addresses().is_empty() => route,
            _ => self.core.learn(name, named, found, &addresses),
        };
        self.warm_up(&route);
        true
    }

    fn cached(&self, name: &NodeName) -> Vec<SocketAddr> {
        let node = self.core.trust.name_of(name);
        let record = self.core.seen.record(node.as_ref().unwrap_or(name));
        record.map_or_else(Vec::new, |record| record.addresses)
    }

    /// Pinned nodes exist, though nobody knows where: that is an outcome, not a typing mistake.
    fn has_no_way(&self, name: &NodeName, selection: &Selection) -> bool {
        let route = self.core.route(name);
        route.is_none_or(|route| route.addresses().is_empty())
            && self.core.trust.name_of(name).is_none()
            && !selection
                .conflicts
                .iter()
                .any(|conflict| conflict.node == *name)
    }

    fn selected(&self, name: &NodeName, selection: &Selection) -> Selected {
        let conflict = selection
            .conflicts
            .iter()
            .find(|conflict| conflict.node == *name);
        let route = match self.core.route(name) {
            Some(route) => route,
            None => self.core.learn(name, true, Found::Nowhere, &[]),
        };
        Selected {
            node: name.clone(),
            found: route.found(),
            addresses: route.addresses(),
            unusable: conflict.map(|conflict| conflict.text.clone()),
        }
    }

    /// Asks the system's resolver and discovery at the same time, until each name has an address
    /// or neither has more to say.
    async fn look_around(
        &mut self,
        unknown: &[NodeName],
        selection: &mut Selection,
    ) -> Result<(), SelectError> {
        let within = self.core.options.connect_timeout;
        let mut missing: BTreeSet<NodeName> = unknown.iter().cloned().collect();
        let mut look_ups = start_look_ups(unknown, within);
        let mut discovery = self.start_discovery(unknown, selection)?;
        let mut heard: Vec<Heard> = Vec::new();
        while !missing.is_empty() {
            tokio::select! {
                Some(ended) = look_ups.join_next() => {
                    if let Ok((name, addresses)) = ended
                        && !addresses.is_empty()
                        && missing.remove(&name)
                    {
                        let route = self.core.learn(&name, false, Found::Dns, &addresses);
                        self.warm_up(&route);
                    }
                }
                Some(event) = next(&mut discovery) => match event {
                    Event::Heard(one) => heard.push(one),
                    Event::Finished(finished) => {
                        selection.notices.extend(finished.warnings());
                        discovery = None;
                        self.core.finder.mark();
                        self.take_heard(&heard, &mut missing, selection);
                    }
                },
                else => break,
            }
            self.take_pinned(&heard, &mut missing);
        }
        Ok(())
    }

    fn start_discovery(
        &self,
        unknown: &[NodeName],
        selection: &mut Selection,
    ) -> Result<Option<Discovery>, SelectError> {
        if !self.core.options.discovery {
            return Ok(None);
        }
        let started = Discovery::start(Options {
            interfaces: self.core.options.interfaces.clone(),
            expected: unknown.iter().cloned().collect(),
            insist: true,
            population: self.core.trust.keys().len(),
            ..Options::new(self.core.options.cluster.clone())
        });
        match started {
            Ok(discovery) => Ok(Some(discovery)),
            Err(DiscoveryError::System(error)) => {
                selection
                    .notices
                    .push(format!("discovery is not possible: {error}"));
                Ok(None)
            }
            Err(error) => Err(SelectError::Discovery(error)),
        }
    }

    /// A pinned node that was heard under its key need not wait for the end of the discovery.
    fn take_pinned(&mut self, heard: &[Heard], missing: &mut BTreeSet<NodeName>) {
        let keys = self.core.trust.keys();
        let Some(last) = heard.last() else {
            return;
        };
        let pinned = keys.get(&last.node);
        if pinned.is_some_and(|keys| keys.contains(&last.fingerprint)) && missing.remove(&last.node)
        {
            let addresses = [last.address];
            let route = self
                .core
                .learn(&last.node, true, Found::Discovery, &addresses);
            self.warm_up(&route);
        }
    }

    /// All that was heard is needed to tell a new node from two that claim its name.
    fn take_heard(
        &mut self,
        heard: &[Heard],
        missing: &mut BTreeSet<NodeName>,
        selection: &mut Selection,
    ) {
        let inventory = Inventory::merge(&Sources {
            pinned: BTreeMap::clone(&self.core.trust.keys()),
            cached: Vec::new(),
            heard,
            now_ms: now_ms(),
        });
        for (node, candidate) in inventory.here.iter().chain(&inventory.new) {
            if missing.remove(node) {
                let addresses = &candidate.addresses;
                let route = self.core.learn(node, true, Found::Discovery, addresses);
                self.warm_up(&route);
            }
        }
        for (node, why) in inventory.unusable {
            if missing.remove(&node) {
                let text = why.to_string();
                selection.conflicts.push(Conflict { node, text });
            }
        }
    }

    /// Agents that are named in the settings, because no multicast reaches them.
    pub(super) async fn ask_seeds(&mut self, selection: &mut Selection) {
        let within = self.core.options.connect_timeout;
        let mut asked = JoinSet::new();
        for seed in self.core.options.seeds.clone() {
            let core = Arc::clone(self.core);
            asked.spawn(async move {
                let answer = ask_seed(&core, &seed, within).await;
                (seed, answer)
            });
        }
        while let Some(ended) = asked.join_next().await {
            match ended {
                Ok((_, Ok(selected))) => {
                    if !self.excluded.contains(&selected.node) {
                        selection.nodes.push(selected);
                    }
                }
                Ok((seed, Err(text))) => selection.notices.push(format!("seed {seed}: {text}")),
                Err(_panicked) => {}
            }
        }
    }
}

/// Opens a session to a seed under the name that it gives.
async fn ask_seed(core: &Core, seed: &str, within: Duration) -> Result<Selected, String> {
    let label: NodeName = seed.parse().map_err(|error| format!("{error}"))?;
    let addresses = address::look_up(seed, within).await;
    let route = core.learn(&label, false, Found::Address, &addresses);
    let session = core
        .session(&route)
        .await
        .map_err(|error| error.to_string())?;
    let node = session.hello().node.clone();
    let addresses = vec![session.address()];
    core.learn(&node, true, Found::Address, &addresses);
    Ok(Selected {
        node,
        found: Found::Address,
        addresses,
        unusable: None,
    })
}

fn start_look_ups(names: &[NodeName], within: Duration) -> JoinSet<(NodeName, Vec<SocketAddr>)> {
    let mut look_ups = JoinSet::new();
    let turns = Arc::new(Semaphore::new(LOOK_UPS_MAX));
    for name in names.iter().cloned() {
        let turns = Arc::clone(&turns);
        look_ups.spawn(async move {
            let _turn = turns.acquire().await;
            let addresses = address::look_up(name.as_str(), within).await;
            (name, addresses)
        });
    }
    look_ups
}

async fn next(discovery: &mut Option<Discovery>) -> Option<Event> {
    match discovery {
        Some(discovery) => discovery.next().await,
        None => None,
    }
}
