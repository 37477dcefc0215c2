//! One row for each node.

use std::collections::BTreeMap;
use std::io::{self, Write};

use comfy_table::{CellAlignment, ContentArrangement, Row, presets};
use dtx_client::fanout::event::{NodeResult, RunEvent, Stream, What};
use dtx_proto_types::node::NodeName;
use dtx_proto_types::outcome::Outcome;

use super::capture::Capture;
use super::names::sorted;
use super::reasons::cause;
use super::{Reporter, span, visible};
use crate::style::Tone;
use crate::terminal::Surface;

/// Shows, at the end, each node with its outcome, exit code, duration and first line.
#[derive(Debug)]
pub struct Table<W> {
    to: W,
    surface: Surface,
    width: u16,
    running: BTreeMap<NodeName, [Capture; 2]>,
    rows: BTreeMap<NodeName, (NodeResult, String)>,
}

/// Enough of a first line for any terminal.
const FIRST_LINE_MAX: usize = 1024;

impl<W: Write> Table<W> {
    /// Writes to standard output, `width` columns wide at most.
    pub const fn new(to: W, surface: Surface, width: u16) -> Self {
        Self {
            to,
            surface,
            width,
            running: BTreeMap::new(),
            rows: BTreeMap::new(),
        }
    }

    fn on_finished(&mut self, result: &NodeResult) {
        let written = self.running.remove(&result.node).unwrap_or_default();
        let line = written
            .iter()
            .map(|capture| visible(&capture.first_line(FIRST_LINE_MAX)))
            .find(|line| !line.trim().is_empty())
            .filter(|_| result.reason.is_none());
        let line = line.unwrap_or_else(|| {
            match result.exit_code {
                // The code has a column of its own.
                Some(_) => result.reason.as_deref().map(super::one_line),
                None => Some(cause(result)),
            }
            .unwrap_or_default()
        });
        self.rows
            .insert(result.node.clone(), (result.clone(), line));
    }

    fn write(&mut self) -> io::Result<()> {
        let rows = std::mem::take(&mut self.rows);
        let order = sorted(rows.keys());
        let results: Vec<_> = order.iter().filter_map(|node| rows.get(node)).collect();
        let cells = results.iter().map(|(result, line)| {
            vec![
                result.node.to_string(),
                result.outcome.to_string(),
                result
                    .exit_code
                    .map_or_else(String::new, |code| code.to_string()),
                span(result.duration).to_string(),
                line.clone(),
            ]
        });
        let columns = [
            Column::left("node"),
            Column::left("outcome"),
            Column::right("code"),
            Column::right("time"),
            Column::left("first line"),
        ];
        let width = self.surface.terminal.then_some(self.width);
        let lines = grid(&columns, cells, width);
        let color = self.surface.color;
        for (at, line) in lines.iter().enumerate() {
            match at.checked_sub(1).and_then(|row| results.get(row)) {
                None => writeln!(self.to, "{}", Tone::Heading.paint(line, color))?,
                Some((result, _)) if result.outcome == Outcome::Ok => writeln!(self.to, "{line}")?,
                Some((result, _)) => {
                    writeln!(self.to, "{}", Tone::of(result.outcome).paint(line, color))?;
                }
            }
        }
        Ok(())
    }
}

impl<W: Write> Reporter for Table<W> {
    fn on_event(&mut self, event: &RunEvent) -> io::Result<()> {
        match &event.what {
            What::Output {
                node,
                stream,
                bytes,
            } => {
                let kept = self.running.entry(node.clone()).or_default();
                let which = match stream {
                    Stream::Stdout => 0,
                    Stream::Stderr => 1,
                };
                kept[which].push(bytes, Some(FIRST_LINE_MAX as u64));
                Ok(())
            }
            What::NodeRetrying { node, .. } => {
                self.running.remove(node);
                Ok(())
            }
            What::NodeFinished(result) => {
                self.on_finished(result);
                Ok(())
            }
            What::RunFinished => self.write(),
            _ => Ok(()),
        }
    }
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    title: &'static str,
    alignment: CellAlignment,
}

impl Column {
    /// Text begins at its left edge.
    #[must_use]
    pub const fn left(title: &'static str) -> Self {
        Self {
            title,
            alignment: CellAlignment::Left,
        }
    }

    /// Numbers end at its right edge.
    #[must_use]
    pub const fn right(title: &'static str) -> Self {
        Self {
            title,
            alignment: CellAlignment::Right,
        }
    }
}

/// Lays rows out under their titles, one line each; cut to `width`, if there is one.
pub fn grid(
    columns: &[Column],
    rows: impl IntoIterator<Item = Vec<String>>,
    width: Option<u16>,
) -> Vec<String> {
    let mut table = comfy_table::Table::new();
    table.load_preset(presets::NOTHING);
    table.set_truncation_indicator("…");
    match width {
        Some(width) => table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    table.set_header(columns.iter().map(|column| column.title));
    for cells in rows {
        let mut row = Row::from(cells);
        row.max_height(1);
        table.add_row(row);
    }
    for (at, column) in columns.iter().enumerate() {
        if let Some(laid) = table.column_mut(at) {
            laid.set_cell_alignment(column.alignment);
            // Two blanks between columns, none at the end.
            laid.set_padding((0, if at + 1 < columns.len() { 2 } else { 0 }));
        }
    }
    table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}
