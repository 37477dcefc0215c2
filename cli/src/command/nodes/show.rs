//! The lists, for a person or a program.

use std::time::Duration;

use dtx_client::cluster::Selection;
use dtx_proto_types::node::NodeName;
use serde::Serialize;

use super::change::{accept, forget};
use super::list::list;
use super::row::{Row, State};
use crate::args::{NodesArgs, NodesCommand, NodesFormat};
use crate::command::Context;
use crate::error::{Context as Doing, Failure, Kind};
use crate::exit_code;
use crate::report::{Column, grid, nodes as count_nodes};
use crate::style::Tone;

/// The document's name and version. Fields may be added, never changed.
const SCHEMA: &str = "dtx.nodes/1";
/// How long between two looks.
const WATCH_PERIOD: Duration = Duration::from_secs(2);

/// All nodes as one document.
#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    cluster: &'a str,
    nodes: &'a [Row],
}

/// Shows which nodes are there, or changes what is known of some.
///
/// # Errors
///
/// If nobody can be asked.
pub fn nodes(context: Context, args: &NodesArgs) -> Result<u8, Failure> {
    match &args.command {
        Some(NodesCommand::Accept { nodes }) => return accept(context, nodes),
        Some(NodesCommand::Forget { nodes }) => return forget(&context, nodes),
        None => {}
    }
    context.block_on(async {
        let cluster = context.open().await?;
        loop {
            let (selection, rows) = list(&cluster).await?;
            if args.watch && context.terminal.stdout.terminal {
                // Home, and clear to the end: the last picture stays until the next is ready.
                context.print(["\x1b[H\x1b[2J"])?;
            }
            show(&context, args.output, &selection, &rows)?;
            if !args.watch {
                cluster.close().await;
                return Ok(exit_code::OK);
            }
            tokio::time::sleep(WATCH_PERIOD).await;
        }
    })
}

fn show(
    context: &Context,
    format: NodesFormat,
    selection: &Selection,
    rows: &[Row],
) -> Result<(), Failure> {
    super::super::findings::tell(context, selection);
    let color = context.terminal.stderr.color;
    if format == NodesFormat::Json {
        let document = Document {
            schema: SCHEMA,
            cluster: &context.settings.cluster,
            nodes: rows,
        };
        let text = serde_json::to_string(&document).map_err(|error| {
            Failure::new(
                Kind::Local,
                Doing("the nodes cannot be written down", error),
            )
        })?;
        return context.print([text]);
    }
    if !rows.is_empty() {
        context.print(table(context, rows))?;
    }
    context.tell(summary(rows));
    for hint in hints(rows) {
        context.tell(format_args!("{}: {hint}", Tone::Good.paint("hint", color)));
    }
    Ok(())
}

fn table(context: &Context, rows: &[Row]) -> Vec<String> {
    let columns = [
        Column::left("node"),
        Column::left("state"),
        Column::left("address"),
        Column::left("version"),
        Column::right("busy"),
        Column::left(""),
    ];
    let cells = rows.iter().map(|row| {
        let busy = row.busy.zip(row.slots);
        vec![
            row.node.clone(),
            row.state.as_str().to_owned(),
            row.address.clone().unwrap_or_default(),
            row.version.clone().unwrap_or_default(),
            busy.map_or_else(String::new, |(busy, slots)| format!("{busy}/{slots}")),
            row.remark(),
        ]
    });
    let surface = context.terminal.stdout;
    let width = surface.terminal.then_some(context.terminal.width);
    let lines = grid(&columns, cells, width);
    lines
        .iter()
        .enumerate()
        .map(|(at, line)| {
            let state = at.checked_sub(1).and_then(|at| rows.get(at));
            match state.map(|row| row.state) {
                None => Tone::Heading.paint(line, surface.color).to_string(),
                Some(State::Here) => line.clone(),
                Some(State::Silent) => Tone::Notice.paint(line, surface.color).to_string(),
                Some(State::New) => Tone::Node.paint(line, surface.color).to_string(),
            }
        })
        .collect()
}

fn of(rows: &[Row], state: State) -> impl Iterator<Item = &Row> {
    rows.iter().filter(move |row| row.state == state)
}

/// `512 nodes: 510 here, 1 silent n400, 1 new n513`.
fn summary(rows: &[Row]) -> String {
    let parts: Vec<_> = [State::Here, State::Silent, State::New]
        .into_iter()
        .filter(|state| of(rows, *state).next().is_some())
        .map(|state| match state {
            State::Here => format!("{} here", of(rows, state).count()),
            State::Silent | State::New => format!(
                "{} {} {}",
                of(rows, state).count(),
                state.as_str(),
                folded(rows, state)
            ),
        })
        .collect();
    if parts.is_empty() {
        return "0 nodes: nobody answered, and nobody is known".to_owned();
    }
    format!("{}: {}", count_nodes(rows.len()), parts.join(", "))
}

fn folded(rows: &[Row], state: State) -> String {
    let names: Vec<NodeName> = of(rows, state)
        .filter_map(|row| row.node.parse().ok())
        .collect();
    dtx_proto_types::node::fold_names(&names)
}

fn hints(rows: &[Row]) -> Vec<String> {
    if rows.is_empty() {
        return vec![
            "is an agent running on this network? `dtx doctor` looks at the way there".to_owned(),
            "try it on this machine first: `dtx demo`".to_owned(),
        ];
    }
    let new = folded(rows, State::New);
    if new.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "compare the keys with `dtx-agent check` there, then `dtx nodes accept '{new}'`"
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(node: &str, state: State) -> Row {
        Row {
            node: node.to_owned(),
            state,
            address: None,
            key: None,
            version: None,
            slots: None,
            busy: None,
            clock_skew_ms: None,
            found: None,
            reason: None,
        }
    }

    #[test]
    fn what_the_last_line_says() {
        let rows = [
            row("n1", State::Here),
            row("n2", State::Here),
            row("n3", State::Silent),
            row("n4", State::New),
            row("n5", State::New),
        ];
        assert_eq!(summary(&rows), "5 nodes: 2 here, 1 silent n3, 2 new n[4-5]");
        assert!(hints(&rows)[0].ends_with("`dtx nodes accept 'n[4-5]'`"));
        assert!(hints(&rows[..3]).is_empty());
        assert!(summary(&[]).starts_with("0 nodes"));
    }
}
