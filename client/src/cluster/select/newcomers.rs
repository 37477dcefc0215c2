//! Nodes whose keys are not pinned: they prove them first, and then somebody accepts them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::node::{NodeName, fold_names, natural_cmp};

use super::super::core::Core;
use super::super::fleet::not_accepted;
use super::super::trust::Standing;
use super::super::{Conflict, Found, NewNode, NewNodes, SelectError, Selected, Selection};
use super::Search;
use crate::pins::NewPin;
use crate::session::ConnectError;

impl Search<'_> {
    /// Has every node of the selection that is not pinned prove its key, and does with it what
    /// the options say. A found one that is not accepted leaves the selection; a named one stays
    /// and says why it is not used. One that refuses us stays wherever it would have been accepted.
    pub(super) async fn settle_newcomers(
        &mut self,
        selection: &mut Selection,
    ) -> Result<(), SelectError> {
        let first_use = self.core.trust.is_first_use();
        let trusting = first_use || self.core.options.new_nodes == NewNodes::Accept;
        let mut pins: BTreeMap<NodeName, NewPin> = BTreeMap::new();
        let mut kept = Vec::new();
        for mut selected in std::mem::take(&mut selection.nodes) {
            let known = self.core.trust.name_of(&selected.node).is_some();
            if known || selected.unusable.is_some() {
                kept.push(selected);
                continue;
            }
            match self.prove(&selected.node).await {
                Ok(Proof::Known) => {}
                Ok(Proof::New(new, pin)) => {
                    selected.unusable = Some(not_accepted(&new.node, &new.key));
                    pins.insert(new.node.clone(), pin);
                    selection.new.push(new);
                }
                // Why there is none, its run learns from its route.
                Err(Unproven { refused, .. }) if self.typed || refused && trusting => {}
                Err(Unproven { text, .. }) => {
                    let node = &selected.node;
                    let text = format!("{node} answered, and no session can be opened: {text}");
                    selection.notices.push(text);
                    continue;
                }
            }
            kept.push(selected);
        }
        selection.nodes = kept;
        self.drop_contested(selection, &mut pins);
        if first_use && !pins.is_empty() {
            let text = first_use_text(&self.core.options.cluster, &selection.new);
            selection.notices.push(text);
        }
        self.core.await_acceptance(pins);
        let core = Arc::clone(self.core);
        // A pin that cannot be written is tried again at the end, and asked for next time.
        let _later = tokio::task::spawn_blocking(move || core.pin_aliases()).await;
        if trusting {
            accept(self.core, selection).await?;
        } else if !self.typed {
            let new = &selection.new;
            let is_new = |node: &NodeName| new.iter().any(|new| new.node == *node);
            selection.nodes.retain(|selected| !is_new(&selected.node));
        }
        Ok(())
    }

    /// Of two machines that prove different keys for one name, neither is new: somebody has to
    /// choose.
    fn drop_contested(&self, selection: &mut Selection, pins: &mut BTreeMap<NodeName, NewPin>) {
        let mut keys: BTreeMap<NodeName, BTreeSet<Fingerprint>> = BTreeMap::new();
        for new in &selection.new {
            keys.entry(new.name.clone()).or_default().insert(new.key);
        }
        for (name, keys) in keys.into_iter().filter(|(_, keys)| keys.len() > 1) {
            let list: Vec<String> = keys.iter().map(ToString::to_string).collect();
            let text = format!(
                "several machines say that they are {name}, with the keys {}; rename all but one",
                list.join(" and ")
            );
            selection.new.retain(|new| new.name != name);
            let contested = |pin: &NewPin| pin.node == name;
            for selected in &mut selection.nodes {
                if pins.get(&selected.node).is_some_and(contested) {
                    selected.unusable = Some(text.clone());
                }
            }
            pins.retain(|_, pin| !contested(pin));
            selection.conflicts.push(Conflict { node: name, text });
        }
    }

    async fn prove(&self, label: &NodeName) -> Result<Proof, Unproven> {
        let Some(route) = self.core.route(label) else {
            return Err(Unproven::because(&ConnectError::NoAddress));
        };
        let tried = route.addresses();
        let session = match self.core.session(&route).await {
            Ok(session) => session,
            Err(error) => {
                let unproven = Unproven::because(&error);
                // Whoever dials next learns it from here, without waiting once more.
                route.line.lock().await.fail(error, tried);
                return Err(unproven);
            }
        };
        let standing = self.core.standing(label, &session);
        let standing = standing.map_err(|error| Unproven::because(&error))?;
        if self.begun > self.core.options.sessions_max {
            // More nodes than descriptors: each gets a session again when its turn comes.
            let kept = route.line.lock().await.take();
            drop(kept);
        }
        Ok(match standing {
            Standing::Known | Standing::NewAlias(_) => Proof::Known,
            Standing::New(pin) => Proof::New(
                NewNode {
                    node: label.clone(),
                    name: pin.node.clone(),
                    key: pin.key.fingerprint(),
                    address: session.address(),
                    typed: self.typed,
                },
                pin,
            ),
        })
    }
}

enum Proof {
    Known,
    New(NewNode, NewPin),
}

/// A node that has not proved its key.
struct Unproven {
    text: String,
    /// Whether an agent answered and would not let this operator in. A refusal carries no name and
    /// proves no key, so nothing is pinned; but it is what becomes of the node that was selected.
    refused: bool,
}

impl Unproven {
    fn because(error: &ConnectError) -> Self {
        Self {
            text: error.to_string(),
            refused: matches!(error, ConnectError::Refused(_)),
        }
    }
}

fn first_use_text(cluster: &str, new: &[NewNode]) -> String {
    let folded = fold_names(new.iter().map(|new| &new.name));
    format!(
        "first use of the cluster {cluster:?}: the keys of {folded} ({}) are pinned as they answered",
        new.len()
    )
}

/// Pins the keys of a selection's new nodes, and makes the nodes part of it.
pub(in crate::cluster) async fn accept(
    core: &Arc<Core>,
    selection: &mut Selection,
) -> Result<(), SelectError> {
    let new = std::mem::take(&mut selection.new);
    if new.is_empty() {
        return Ok(());
    }
    let pins = core.accepted(&new);
    let pinning = Arc::clone(core);
    let (pinned, accepted) = (pins.clone(), new);
    tokio::task::spawn_blocking(move || pinning.trust.pin(&pins))
        .await
        .map_err(|error| SelectError::Interrupted(error.to_string()))??;
    for new in accepted {
        let Some(pin) = pinned.iter().find(|pin| pin.selected == new.node) else {
            continue;
        };
        let mut nodes = selection.nodes.iter_mut();
        match nodes.find(|selected| selected.node == pin.selected) {
            Some(selected) => selected.unusable = None,
            None => selection.nodes.push(Selected {
                node: new.node,
                found: Found::Discovery,
                addresses: vec![new.address],
                unusable: None,
            }),
        }
        if !new.typed {
            let by_name =
                |a: &Selected, b: &Selected| natural_cmp(a.node.as_str(), b.node.as_str());
            selection.nodes.sort_by(by_name);
        }
    }
    Ok(())
}
