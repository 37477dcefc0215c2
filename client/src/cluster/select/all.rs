//! "All": who answers now, and who was seen within a day.

use std::collections::{BTreeMap, BTreeSet};

use dtx_proto_types::node::{NodeName, natural_cmp};
use tokio::sync::mpsc;

use super::super::{Conflict, Found, SelectError, Selected, Selection};
use super::Search;
use crate::discovery::{Discovery, DiscoveryError, Event, Finished, Heard, Options};
use crate::fanout::sign::now_ms;
use crate::inventory::{Candidate, Inventory, Record, Sources};

impl Search<'_> {
    pub(super) async fn all(&mut self) -> Result<Selection, SelectError> {
        let records = self.core.seen.records();
        let before = self.inventory(&records, &[]);
        let mut present = Presence::of(before.silent.keys());
        self.opened = Some(present.opened.clone());
        for (node, candidate) in &before.silent {
            self.begin(node, Found::Cache, candidate);
        }
        self.opened = None;
        let mut selection = Selection::default();
        let mut heard = Vec::new();
        if self.core.options.discovery {
            let expected = present.missing.clone();
            match self.discover(expected, records.len()) {
                Ok(discovery) => {
                    let finished = self.listen(discovery, &mut present, &mut heard).await;
                    selection.notices.extend(finished.warnings());
                }
                Err(DiscoveryError::System(error)) => {
                    selection
                        .notices
                        .push(format!("discovery is not possible: {error}"));
                }
                Err(error) => return Err(SelectError::Discovery(error)),
            }
        }
        self.ask_seeds(&mut selection).await;
        let inventory = self.inventory(&records, &heard);
        self.fill(&mut selection, inventory);
        selection.silent.retain(|node| !present.met.contains(node));
        self.settle_newcomers(&mut selection).await?;
        Ok(selection)
    }

    fn inventory(&self, records: &[Record], heard: &[Heard]) -> Inventory {
        Inventory::merge(&Sources {
            pinned: (*self.core.trust.keys()).clone(),
            cached: records.iter().collect(),
            heard,
            now_ms: now_ms(),
        })
    }

    fn discover(
        &self,
        expected: BTreeSet<NodeName>,
        population: usize,
    ) -> Result<Discovery, DiscoveryError> {
        Discovery::start(Options {
            interfaces: self.core.options.interfaces.clone(),
            expected,
            population,
            ..Options::new(self.core.options.cluster.clone())
        })
    }

    /// Opens sessions as answers come.
    async fn listen(
        &mut self,
        mut discovery: Discovery,
        present: &mut Presence,
        heard: &mut Vec<Heard>,
    ) -> Finished {
        let keys = self.core.trust.keys();
        let mut begun = BTreeSet::new();
        let mut finished = Finished::default();
        loop {
            let event = tokio::select! {
                event = discovery.next() => event,
                Some(node) = present.sessions.recv() => {
                    if present.note(&node) {
                        discovery.all_here();
                    }
                    continue;
                }
            };
            let Some(event) = event else { break };
            match event {
                Event::Heard(one) => {
                    // One with another key than the pinned one is not even tried.
                    let pinned = keys.get(&one.node);
                    let believed = pinned.is_none_or(|keys| keys.contains(&one.fingerprint));
                    if believed && !self.excluded.contains(&one.node) {
                        let (node, addresses) = (&one.node, &[one.address]);
                        let route = self.core.learn(node, true, Found::Discovery, addresses);
                        if begun.insert(one.node.clone()) {
                            self.warm_up(&route);
                        }
                    }
                    if believed && present.note(&one.node) {
                        discovery.all_here();
                    }
                    heard.push(one);
                }
                Event::Finished(how) => {
                    finished = how;
                    break;
                }
            }
        }
        self.core.finder.mark();
        finished
    }

    fn begin(&mut self, node: &NodeName, found: Found, candidate: &Candidate) {
        if !self.excluded.contains(node) {
            let route = self.core.learn(node, true, found, &candidate.addresses);
            self.warm_up(&route);
        }
    }

    fn fill(&self, selection: &mut Selection, inventory: Inventory) {
        let wanted = |node: &NodeName| !self.excluded.contains(node);
        let selected = |(node, candidate): (NodeName, Candidate), found| Selected {
            node,
            found,
            addresses: candidate.addresses,
            unusable: None,
        };
        selection.silent = inventory
            .silent
            .keys()
            .filter(|n| wanted(n))
            .cloned()
            .collect();
        let here = inventory
            .here
            .into_iter()
            .map(|one| selected(one, Found::Discovery));
        let silent = inventory
            .silent
            .into_iter()
            .map(|one| selected(one, Found::Cache));
        let new = inventory
            .new
            .into_iter()
            .map(|one| selected(one, Found::Discovery));
        // New ones stand among the others until it is known what they are.
        let mut nodes: BTreeMap<NodeName, Selected> = BTreeMap::new();
        let known = selection
            .nodes
            .drain(..)
            .chain(here)
            .chain(silent)
            .chain(new);
        for one in known.filter(|one| wanted(&one.node)) {
            nodes.entry(one.node.clone()).or_insert(one);
        }
        selection.nodes = nodes.into_values().collect();
        selection
            .nodes
            .sort_by(|a, b| natural_cmp(a.node.as_str(), b.node.as_str()));
        let unusable = inventory
            .unusable
            .into_iter()
            .filter(|(node, _)| wanted(node));
        selection
            .conflicts
            .extend(unusable.map(|(node, why)| Conflict {
                text: why.to_string(),
                node,
            }));
        selection.notices.extend(inventory.warnings);
    }
}

/// Which of the expected nodes have shown that they are there: by an answer, or by a session,
/// which proves more than one.
struct Presence {
    missing: BTreeSet<NodeName>,
    met: BTreeSet<NodeName>,
    opened: mpsc::Sender<NodeName>,
    sessions: mpsc::Receiver<NodeName>,
}

impl Presence {
    fn of<'a>(expected: impl Iterator<Item = &'a NodeName>) -> Self {
        let missing: BTreeSet<NodeName> = expected.cloned().collect();
        let (opened, sessions) = mpsc::channel(missing.len().max(1));
        Self {
            missing,
            met: BTreeSet::new(),
            opened,
            sessions,
        }
    }

    /// A node is there. Whether it was the last one missing.
    fn note(&mut self, node: &NodeName) -> bool {
        if !self.missing.remove(node) {
            return false;
        }
        self.met.insert(node.clone());
        self.missing.is_empty()
    }
}
