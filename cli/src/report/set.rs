//! Which reporters a run has.

use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use dtx_client::fanout::event::{RunEvent, Stream};

use super::{
    Console, Covered, Files, Fold, FoldOptions, Json, JsonLines, Lines, LinesOptions, Progress,
    Reasons, Reporter, Sorted, Summary, Table, Verbosity,
};
use crate::terminal::Terminal;

/// What standard output looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `node: line`, as it comes.
    Lines,
    /// Equal results as one block.
    Fold,
    /// One row for each node.
    Table,
    /// One document.
    Json,
    /// One event a line.
    JsonLines,
    /// Nothing.
    None,
}

impl Format {
    /// Whether output has to be kept until its end, and may therefore be cut.
    #[must_use]
    pub const fn keeps(self) -> bool {
        match self {
            Self::Fold | Self::Table | Self::Json | Self::None => true,
            Self::Lines | Self::JsonLines => false,
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "lines" => Self::Lines,
            "fold" => Self::Fold,
            "table" => Self::Table,
            "json" => Self::Json,
            "jsonl" => Self::JsonLines,
            "none" => Self::None,
            _ => {
                return Err(format!(
                    "{text:?} is not an output format (lines, fold, table, json, jsonl, none)"
                ));
            }
        })
    }
}

/// All that decides how a run is shown.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What standard output looks like.
    pub format: Format,
    /// `-B`: standard error is part of a folded result.
    pub fold_stderr: bool,
    /// `-L`: in the order of the nodes' names.
    pub by_name: bool,
    /// `-N` turns it off.
    pub label: bool,
    /// `--diff`.
    pub diff: bool,
    /// `--max-output`: bytes of each stream and node that are kept.
    pub limit: Option<u64>,
    /// `--outdir`.
    pub outdir: Option<PathBuf>,
    /// `--errdir`.
    pub errdir: Option<PathBuf>,
    /// `-q`, `-v`.
    pub verbosity: Verbosity,
}

impl Plan {
    /// Bytes of each stream that the nodes need to send; all of them where something streams.
    #[must_use]
    pub fn wanted(&self) -> Option<u64> {
        let streams = self.outdir.is_some() || self.errdir.is_some();
        let keeps = self.format.keeps() || self.by_name && self.format == Format::Lines;
        if streams || !keeps { None } else { self.limit }
    }
}

/// The reporters of one run, in the order in which they write.
pub struct Reporters {
    console: Console,
    list: Vec<Box<dyn Reporter>>,
}

impl Reporters {
    /// Sets up what the plan asks for.
    ///
    /// # Errors
    ///
    /// If a directory for output files cannot be created.
    pub fn new(plan: &Plan, terminal: &Terminal, console: Console) -> io::Result<Self> {
        let mut list: Vec<Box<dyn Reporter>> = Vec::new();
        for (directory, stream) in [
            (&plan.outdir, Stream::Stdout),
            (&plan.errdir, Stream::Stderr),
        ] {
            if let Some(directory) = directory {
                list.push(Box::new(files(directory, stream)?));
            }
        }
        let at_end = plan.format != Format::Lines && plan.format != Format::JsonLines;
        if at_end && terminal.stderr.terminal && plan.verbosity > Verbosity::Quiet {
            list.push(Box::new(Progress::new(&console, terminal.stderr.color)));
        }
        push_format(&mut list, plan, terminal, &console);
        let color = terminal.stderr.color;
        let covered = match plan.format {
            Format::Json | Format::JsonLines | Format::Table => Covered::Everything,
            Format::Fold if !plan.diff => Covered::Blocks {
                stderr: plan.fold_stderr,
            },
            Format::Fold | Format::Lines | Format::None => Covered::Nothing,
        };
        let pen = console.pen(Stream::Stderr);
        list.push(Box::new(Reasons::new(pen, covered, color)));
        list.push(Box::new(Summary::new(
            console.pen(Stream::Stderr),
            plan.verbosity,
            color,
        )));
        Ok(Self { console, list })
    }

    /// Passes an event on to all of them.
    ///
    /// # Errors
    ///
    /// The first one of any of them, after all have had the event.
    pub fn on_event(&mut self, event: &RunEvent) -> io::Result<()> {
        let mut first = Ok(());
        for reporter in &mut self.list {
            let result = reporter.on_event(event);
            first = first.and(result);
        }
        first
    }

    /// Hands over what was written and redraws what changes with time.
    ///
    /// # Errors
    ///
    /// When nobody reads standard output any more.
    pub fn tick(&mut self) -> io::Result<()> {
        self.flush()?;
        self.list
            .iter_mut()
            .try_for_each(|reporter| reporter.tick())
    }

    /// Hands over what was written.
    ///
    /// # Errors
    ///
    /// When nobody reads standard output any more.
    pub fn flush(&mut self) -> io::Result<()> {
        self.console.flush()
    }
}

impl std::fmt::Debug for Reporters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reporters")
            .field("count", &self.list.len())
            .finish_non_exhaustive()
    }
}

fn files(directory: &Path, stream: Stream) -> io::Result<Files> {
    Files::create(directory, stream)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", directory.display())))
}

fn push_format(
    list: &mut Vec<Box<dyn Reporter>>,
    plan: &Plan,
    terminal: &Terminal,
    console: &Console,
) {
    let out = || console.pen(Stream::Stdout);
    let lines = |stderr_only| {
        let options = LinesOptions {
            label: plan.label,
            stderr_only,
            stdout: terminal.stdout,
            stderr: terminal.stderr,
            joined: terminal.joined,
        };
        Lines::new(options, out(), console.pen(Stream::Stderr))
    };
    match plan.format {
        Format::Lines if plan.by_name => list.push(Box::new(Sorted::new(lines(false), plan.limit))),
        Format::Lines => list.push(Box::new(lines(false))),
        Format::Fold => {
            if !plan.fold_stderr {
                list.push(Box::new(lines(true)));
            }
            let options = FoldOptions {
                stderr: plan.fold_stderr,
                by_name: plan.by_name,
                diff: plan.diff,
                limit: plan.limit,
                surface: terminal.stdout,
            };
            list.push(Box::new(Fold::new(options, out())));
        }
        Format::Table => list.push(Box::new(Table::new(out(), terminal.stdout, terminal.width))),
        Format::Json => list.push(Box::new(Json::new(out(), plan.limit))),
        Format::JsonLines => list.push(Box::new(JsonLines::new(out()))),
        Format::None => {}
    }
}
