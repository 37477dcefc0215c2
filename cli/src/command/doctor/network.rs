//! What lies between: interfaces, multicast, answers.

use std::collections::BTreeSet;

use dtx_client::discovery::{Discovery, Finished, Heard, Options};
use dtx_client::hint::Hint;
use dtx_proto_types::node::fold_names;

use super::finding::Finding;
use crate::command::Context;
use crate::report::span;

/// Asks by multicast, as a run with `--all` does.
pub(super) async fn discovery(context: &Context) -> Vec<Finding> {
    let options = Options::new(context.settings.cluster.clone());
    let discovery = match Discovery::start(options) {
        Ok(discovery) => discovery,
        Err(error) => {
            let remedy = error.hints().into_iter().next();
            let remedy = remedy.unwrap_or_else(|| "name nodes instead: `-w NAME`".to_owned());
            return vec![Finding::bad("discovery", error.to_string(), remedy)];
        }
    };
    let (heard, finished) = discovery.finish().await;
    vec![interfaces(&finished), answers(context, &heard, &finished)]
}

fn interfaces(finished: &Finished) -> Finding {
    let fit: BTreeSet<_> = finished
        .interfaces
        .iter()
        .filter(|report| report.problem.is_none())
        .map(|report| report.name.as_str())
        .collect();
    let problems: Vec<_> = finished
        .interfaces
        .iter()
        .filter_map(|report| Some(format!("{}: {}", report.name, report.problem.as_ref()?)))
        .collect();
    let names: Vec<_> = fit.into_iter().collect();
    match (names.is_empty(), problems.is_empty()) {
        (true, true) => Finding::notice(
            "interfaces",
            "none is up and able to multicast (container bridges and lo do not count)",
            "name nodes instead of finding them: `-w NAME,ADDRESS`",
        ),
        (true, false) => Finding::notice(
            "interfaces",
            problems.join("; "),
            "name nodes instead of finding them: `-w NAME,ADDRESS`",
        ),
        (false, true) => Finding::good("interfaces", names.join(", ")),
        (false, false) => Finding::good(
            "interfaces",
            format!("{} ({})", names.join(", "), problems.join("; ")),
        ),
    }
}

fn answers(context: &Context, heard: &[Heard], finished: &Finished) -> Finding {
    let names: BTreeSet<_> = heard.iter().map(|one| &one.node).collect();
    let took = span(finished.took);
    if names.is_empty() {
        let cluster = &context.settings.cluster;
        return Finding::notice(
            "discovery",
            format!("no agent of the cluster {cluster:?} answered in {took}"),
            "on a node: `systemctl status dtx-agent`; on the way: let UDP to port 15943 out and \
             its answers to port 15944 in, or name nodes: `-w NAME,ADDRESS`",
        );
    }
    let text = format!(
        "{} ({}) in {took}",
        fold_names(names.iter().copied()),
        names.len()
    );
    if finished.drops > 0 {
        return Finding::notice(
            "discovery",
            format!("{text}; {} answers were lost here", finished.drops),
            "raise the receive buffer: `sysctl -w net.core.rmem_max=8388608`",
        );
    }
    Finding::good("discovery", text)
}
