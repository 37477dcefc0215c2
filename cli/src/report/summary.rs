//! The one line that every run ends with.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

use dtx_client::fanout::event::{RunEvent, What};
use dtx_proto_types::node::NodeName;
use dtx_proto_types::outcome::Outcome;

use super::names::fold;
use super::numbers::wall;
use super::{Reporter, nodes, one_line, span};
use crate::style::Tone;

/// How much is said besides the commands' output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// `-q`: nothing as long as all is well.
    Quiet,
    /// A summary, and what did not go well.
    Normal,
    /// `-v`: also starts, reconnects and retries.
    Verbose,
}

/// Writes `512 nodes: 508 ok, 2 failed node[007,113] in 0.41 s` when the run is over.
#[derive(Debug)]
pub struct Summary<W> {
    to: W,
    verbosity: Verbosity,
    color: bool,
    not_ok: BTreeMap<Outcome, Vec<NodeName>>,
}

impl<W: Write> Summary<W> {
    /// Writes to standard error.
    pub const fn new(to: W, verbosity: Verbosity, color: bool) -> Self {
        Self {
            to,
            verbosity,
            color,
            not_ok: BTreeMap::new(),
        }
    }

    fn write(&mut self, event: &RunEvent) -> io::Result<()> {
        if self.verbosity == Verbosity::Quiet && self.not_ok.is_empty() {
            return Ok(());
        }
        let mut line = format!("{}: ", nodes(event.counts.nodes));
        let mut separator = "";
        for outcome in Outcome::ALL {
            let count = event.counts.of(outcome);
            if count == 0 {
                continue;
            }
            line.push_str(separator);
            separator = ", ";
            let part = Tone::of(outcome).paint(format!("{count} {outcome}"), self.color);
            write!(line, "{part}").expect("writing to a string cannot fail");
            if let Some(nodes) = self.not_ok.get(&outcome) {
                write!(line, " {}", fold(nodes)).expect("writing to a string cannot fail");
            }
        }
        writeln!(self.to, "{line} in {}", wall(event.elapsed))
    }

    fn say(&mut self, node: &NodeName, text: &str) -> io::Result<()> {
        if self.verbosity < Verbosity::Verbose {
            return Ok(());
        }
        writeln!(
            self.to,
            "{}",
            Tone::Faint.paint(format!("{node} {text}"), self.color)
        )
    }
}

impl<W: Write> Reporter for Summary<W> {
    fn on_event(&mut self, event: &RunEvent) -> io::Result<()> {
        match &event.what {
            What::NodeFinished(result) => {
                if result.outcome != Outcome::Ok {
                    self.not_ok
                        .entry(result.outcome)
                        .or_default()
                        .push(result.node.clone());
                }
                let text = format!("{} in {}", result.outcome, span(result.duration));
                self.say(&result.node, &text)
            }
            What::NodeStarted { node, attempt: 1 } => self.say(node, "started"),
            What::NodeStarted { node, attempt } => {
                self.say(node, &format!("started, attempt {attempt}"))
            }
            What::NodeReattached { node } => self.say(node, "found again after its session broke"),
            What::NodeRetrying {
                node,
                outcome,
                reason,
                delay,
                ..
            } => {
                let reason = reason
                    .as_deref()
                    .map_or_else(String::new, |reason| format!(" ({})", one_line(reason)));
                let delay = span(*delay);
                self.say(node, &format!("{outcome}{reason}, tried again in {delay}"))
            }
            What::RunFinished => self.write(event),
            _ => Ok(()),
        }
    }
}
