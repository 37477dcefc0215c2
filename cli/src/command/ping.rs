//! `dtx ping`: the way to nodes, without running anything.

use std::collections::BTreeMap;
use std::time::Duration;

use dtx_client::cluster::{Cluster, Pong, Selection};
use dtx_proto_types::node::{NodeName, fold_names};

use super::Context;
use super::ask::settle_selection;
use super::targets::Chosen;
use crate::args::PingArgs;
use crate::error::{Failure, Kind};
use crate::exit_code;
use crate::report::{nodes, one_line, span};
use crate::style::Tone;

/// Opens a session to each node several times and says how long that took.
///
/// # Errors
///
/// If no node can be asked.
pub fn ping(mut context: Context, args: &PingArgs) -> Result<u8, Failure> {
    let chosen = Chosen::resolve(&args.targets, &context.environment, &mut std::io::stdin())?;
    if let Some(timeout) = args.connect_timeout {
        context.settings.connect_timeout = timeout;
    }
    context.block_on(async {
        let cluster = context.open().await?;
        let mut selection = cluster
            .select(&chosen.targets, chosen.excluded.as_slice())
            .await
            .map_err(|error| Failure::hinted(Kind::Target, error))?;
        settle_selection(&context, &cluster, &mut selection).await?;
        let times = ask(&cluster, &selection, args.count).await;
        cluster.close().await;
        show(&context, &times)
    })
}

/// What one node answered: how long each answer took, and why there was none in the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Answers {
    times: Vec<Duration>,
    silent: Option<String>,
}

async fn ask(cluster: &Cluster, selection: &Selection, count: u32) -> BTreeMap<NodeName, Answers> {
    let mut all: BTreeMap<NodeName, Answers> = BTreeMap::new();
    for _ in 0..count {
        for Pong { node, answer } in cluster.ping(selection).await {
            let answers = all.entry(node).or_default();
            match answer {
                Ok(alive) => answers.times.push(alive.elapsed),
                Err(reason) => answers.silent = Some(reason),
            }
        }
    }
    all
}

fn show(context: &Context, all: &BTreeMap<NodeName, Answers>) -> Result<u8, Failure> {
    let color = context.terminal.stdout.color;
    let lines = summarize(all);
    context.print(lines.iter().map(|line| {
        let tone = if line.good { Tone::Good } else { Tone::Notice };
        let names = Tone::Node.paint(&line.nodes, color);
        format!("{names}: {}", tone.paint(&line.text, color))
    }))?;
    let silent = all
        .values()
        .filter(|answers| answers.times.is_empty())
        .count();
    let answered = all.len() - silent;
    context.tell(format_args!(
        "{}: {answered} answered, {silent} did not",
        nodes(all.len())
    ));
    Ok(if silent == 0 {
        exit_code::OK
    } else {
        exit_code::NOT_REACHED
    })
}

/// A folded group and what holds for it.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    nodes: String,
    text: String,
    good: bool,
}

/// One line for each reason not to answer, then one for all that answered.
fn summarize(all: &BTreeMap<NodeName, Answers>) -> Vec<Line> {
    let mut reasons: BTreeMap<String, Vec<&NodeName>> = BTreeMap::new();
    let mut answered = Vec::new();
    let mut times = Vec::new();
    for (node, answers) in all {
        if let Some(reason) = &answers.silent {
            reasons.entry(one_line(reason)).or_default().push(node);
        }
        if !answers.times.is_empty() {
            answered.push(node);
            times.extend_from_slice(&answers.times);
        }
    }
    let mut lines: Vec<_> = reasons
        .into_iter()
        .map(|(text, nodes)| Line {
            nodes: titled(&nodes),
            text,
            good: false,
        })
        .collect();
    times.sort_unstable();
    if let (Some(least), Some(most)) = (times.first(), times.last()) {
        let median = times[times.len() / 2];
        lines.push(Line {
            nodes: titled(&answered),
            text: format!(
                "min {}, median {}, max {}",
                span(*least),
                span(median),
                span(*most)
            ),
            good: true,
        });
    }
    lines
}

fn titled(nodes: &[&NodeName]) -> String {
    let folded = fold_names(nodes.iter().copied());
    match nodes.len() {
        1 => folded,
        count => format!("{folded} ({count})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_with_least_median_and_most() {
        let answers = |times: &[u64], silent: Option<&str>| Answers {
            times: times.iter().map(|&ms| Duration::from_millis(ms)).collect(),
            silent: silent.map(str::to_owned),
        };
        let all: BTreeMap<NodeName, Answers> = [
            ("n1", answers(&[4, 2], None)),
            ("n2", answers(&[3], Some("no answer"))),
            ("n3", answers(&[], Some("no answer"))),
            ("n4", answers(&[], Some("refused\nx"))),
        ]
        .into_iter()
        .map(|(node, answers)| (node.parse().unwrap(), answers))
        .collect();
        let lines: Vec<_> = summarize(&all)
            .into_iter()
            .map(|line| format!("{}: {}", line.nodes, line.text))
            .collect();
        assert_eq!(
            lines,
            [
                "n[2-3] (2): no answer",
                "n4: refused\\nx",
                "n[1-2] (2): min 2 ms, median 3 ms, max 4 ms"
            ]
        );
    }
}
