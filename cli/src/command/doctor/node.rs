//! The whole way to one node: address, session, clock, a command.

use std::time::{SystemTime, UNIX_EPOCH};

use dtx_client::cluster::{Alive, Cluster, JobTemplate, Selection, Targets};
use dtx_client::fanout::RunOptions;
use dtx_client::hint::Hint;
use dtx_client::identity::Identity;
use dtx_proto_types::node::NodeName;
use dtx_proto_types::outcome::Outcome;

use super::finding::Finding;
use crate::command::{Context, login_name};
use crate::report::span;

/// Goes the whole way, as far as it leads.
pub(super) async fn node(context: &Context, identity: Identity, node: &NodeName) -> Vec<Finding> {
    let mut findings = Vec::new();
    let opened = Cluster::open(context.settings.cluster_options(), identity).await;
    let cluster = match opened {
        Ok(cluster) => cluster,
        Err(error) => return vec![Finding::bad("grant", error.to_string(), first(&error))],
    };
    let targets = Targets::nodes([node.clone()]);
    match cluster.select(&targets, &[]).await {
        Ok(selection) => {
            findings.push(address(&selection, node));
            if selection
                .nodes
                .iter()
                .any(|selected| !selected.addresses.is_empty())
            {
                way(context, &cluster, &selection, node, &mut findings).await;
            }
        }
        Err(error) => findings.push(Finding::bad("address", error.to_string(), first(&error))),
    }
    cluster.close().await;
    findings
}

fn first(error: &impl Hint) -> String {
    let hints = error.hints();
    hints
        .into_iter()
        .next()
        .unwrap_or_else(|| "run again with -v".to_owned())
}

fn address(selection: &Selection, node: &NodeName) -> Finding {
    let found: Vec<_> = selection
        .nodes
        .iter()
        .filter(|selected| !selected.addresses.is_empty())
        .map(|selected| {
            let addresses: Vec<_> = selected.addresses.iter().map(ToString::to_string).collect();
            format!("{} (by {})", addresses.join(", "), selected.found.as_str())
        })
        .collect();
    if found.is_empty() {
        return Finding::bad(
            "address",
            format!("no address of {node} is known"),
            format!("give {node} a name in DNS or /etc/hosts, or use its address"),
        );
    }
    Finding::good("address", found.join("; "))
}

async fn way(
    context: &Context,
    cluster: &Cluster,
    selection: &Selection,
    node: &NodeName,
    findings: &mut Vec<Finding>,
) {
    if let Some(new) = selection.new.first() {
        findings.push(Finding::bad(
            "node key",
            format!("{} is not accepted yet", new.key),
            format!("compare it with `dtx-agent check` there, then `dtx nodes accept {node}`"),
        ));
        return;
    }
    for pong in cluster.ping(selection).await {
        match pong.answer {
            Ok(alive) => findings.extend([session(&alive), clock(&alive)]),
            Err(reason) => {
                let remedy = format!("on {node}: `systemctl status dtx-agent`; here: `dtx nodes`");
                findings.push(Finding::bad("session", reason, remedy));
                return;
            }
        }
    }
    findings.push(command(context, cluster, selection, node).await);
}

fn session(alive: &Alive) -> Finding {
    Finding::good(
        "session",
        format!(
            "{} in {}, agent {}, key {}",
            alive.address,
            span(alive.elapsed),
            alive.hello.release,
            alive.key
        ),
    )
}

/// Differences from here on are worth a word; the node itself refuses at five minutes.
const SKEW_NOTED_MS: u64 = 5_000;

fn clock(alive: &Alive) -> Finding {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    });
    let apart = now.abs_diff(alive.hello.clock_ms);
    if apart < SKEW_NOTED_MS {
        return Finding::good("clock", "as here");
    }
    Finding::notice(
        "clock",
        format!("{} s apart from ours", apart / 1000),
        "set both by NTP: `chronyc tracking`; at five minutes the node refuses",
    )
}

async fn command(
    context: &Context,
    cluster: &Cluster,
    selection: &Selection,
    node: &NodeName,
) -> Finding {
    let user = context.settings.user.clone().map_or_else(login_name, Ok);
    let user = match user {
        Ok(user) => user,
        Err(_nameless) => "root".to_owned(),
    };
    let job = JobTemplate::argv(vec!["true".to_owned()], &user);
    let run = match cluster.run(selection, job, RunOptions::default()).await {
        Ok(run) => run,
        Err(error) => return Finding::bad("command", error.to_string(), first(&error)),
    };
    let summary = run.finish().await;
    let Some(result) = summary.results.first() else {
        return Finding::bad("command", "it had no result", "run again with -v");
    };
    let text = format!("`true` as {user}: {}", result.outcome);
    match (result.outcome, &result.reason) {
        (Outcome::Ok, _) => Finding::good("command", text),
        (outcome, reason) => {
            let reason = reason.clone().unwrap_or_default();
            let remedy = match outcome {
                Outcome::Denied => format!("put your key there: `dtx enroll -w {node}`"),
                _ => format!("on {node}: `journalctl -u dtx-agent`"),
            };
            Finding::bad("command", format!("{text}: {reason}"), remedy)
        }
    }
}
