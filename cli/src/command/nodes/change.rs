//! `dtx nodes accept`, `dtx nodes forget`.

use std::collections::BTreeSet;

use dtx_client::cluster::{NewNodes, Targets};
use dtx_client::inventory::Cache;
use dtx_client::state::StateDir;
use dtx_proto_types::node::{NodeName, NodeSet, fold_names};

use super::list::now_ms;
use crate::command::Context;
use crate::command::keys::known_nodes;
use crate::command::targets::selectors;
use crate::error::{Failure, Kind};
use crate::exit_code;

/// Pins the keys that new nodes show.
///
/// # Errors
///
/// If one of them is not there.
pub(super) fn accept(mut context: Context, texts: &[String]) -> Result<u8, Failure> {
    let nodes = selectors(texts, &mut std::io::stdin())?;
    // Asking is what this command is the answer to.
    context.settings.new_nodes = NewNodes::Ask;
    context.block_on(async {
        let before = known(&context)?;
        let cluster = context.open().await?;
        let mut selection = cluster
            .select(&Targets::nodes(nodes.iter().cloned()), &[])
            .await
            .map_err(|error| Failure::hinted(Kind::Target, error))?;
        cluster
            .accept_new(&mut selection)
            .await
            .map_err(|error| Failure::hinted(Kind::Configuration, error))?;
        cluster.close().await;
        let after = known(&context)?;
        report(&context, &nodes, &before, &after)
    })
}

fn known(context: &Context) -> Result<BTreeSet<NodeName>, Failure> {
    let known = known_nodes(context)?;
    Ok(known.nodes(&context.settings.cluster).into_keys().collect())
}

fn report(
    context: &Context,
    nodes: &NodeSet,
    before: &BTreeSet<NodeName>,
    after: &BTreeSet<NodeName>,
) -> Result<u8, Failure> {
    let accepted: Vec<_> = after.difference(before).collect();
    if !accepted.is_empty() {
        context.print([format!("accepted: {}", fold_names(accepted))])?;
    }
    let already: Vec<_> = nodes.iter().filter(|node| before.contains(*node)).collect();
    if !already.is_empty() {
        context.tell(format_args!("accepted before: {}", fold_names(already)));
    }
    let known = known_nodes(context)?;
    let cluster = &context.settings.cluster;
    let missing: Vec<_> = nodes
        .iter()
        .filter(|node| known.alias(cluster, node).is_none())
        .collect();
    if missing.is_empty() {
        return Ok(exit_code::OK);
    }
    let text = format!("{} did not answer", fold_names(missing));
    Err(Failure::new(Kind::Target, text).hint("see who is there: `dtx nodes`"))
}

/// Drops address and pinned key.
///
/// # Errors
///
/// If nothing is known of one of them.
pub(super) fn forget(context: &Context, texts: &[String]) -> Result<u8, Failure> {
    let named = selectors(texts, &mut std::io::stdin())?;
    let nodes: BTreeSet<_> = named.iter().cloned().collect();
    let dir = StateDir::new(&context.settings.state_dir);
    let cluster = &context.settings.cluster;
    let configuration = |error| Failure::hinted(Kind::Configuration, error);
    let mut cache = Cache::load(&dir);
    let cached: BTreeSet<_> = nodes
        .iter()
        .filter(|node| cache.get(cluster, node).is_some())
        .cloned()
        .collect();
    let forgotten = known_nodes(context)?
        .forget(cluster, &nodes)
        .map_err(|error| Failure::hinted(Kind::Configuration, error))?;
    cache
        .forget(cluster, &nodes, now_ms())
        .map_err(configuration)?;
    for (node, path, line) in &forgotten.kept {
        context.tell(format_args!(
            "{node} stays pinned in line {line} of {}, which dtx does not write",
            path.display()
        ));
    }
    let gone: BTreeSet<_> = forgotten.nodes.union(&cached).collect();
    if !gone.is_empty() {
        context.print([format!("forgotten: {}", fold_names(gone.iter().copied()))])?;
    }
    let unknown: Vec<_> = nodes.iter().filter(|node| !gone.contains(node)).collect();
    if unknown.is_empty() {
        return Ok(exit_code::OK);
    }
    let text = format!("nothing is known of {}", fold_names(unknown));
    Err(Failure::new(Kind::Target, text).hint("see who is there: `dtx nodes`"))
}
