//! Why nodes did not end well: one line for each distinct reason, with the nodes it holds for.

use std::collections::BTreeMap;
use std::io::{self, Write};

use dtx_client::fanout::event::{NodeResult, RunEvent, StopReason, What};
use dtx_proto_types::node::NodeName;
use dtx_proto_types::outcome::Outcome;

use super::names::fold;
use super::{Reporter, one_line};
use crate::style::Tone;

/// Gathers reasons and notes, and lists them when the run is over. Warnings are written at once.
#[derive(Debug)]
pub struct Reasons<W> {
    to: W,
    color: bool,
    only_warnings: bool,
    reasons: BTreeMap<(Outcome, String), Vec<NodeName>>,
    notes: BTreeMap<String, Vec<NodeName>>,
}

/// Lines shown for one outcome; where there are more, the rest shares one.
const LINES_MAX: usize = 20;

impl<W: Write> Reasons<W> {
    /// Writes to standard error.
    pub const fn new(to: W, color: bool) -> Self {
        Self {
            to,
            color,
            only_warnings: false,
            reasons: BTreeMap::new(),
            notes: BTreeMap::new(),
        }
    }

    /// Reasons and notes are in the data already.
    #[must_use]
    pub const fn only_warnings(mut self) -> Self {
        self.only_warnings = true;
        self
    }

    fn on_finished(&mut self, result: &NodeResult) {
        if result.outcome != Outcome::Ok {
            self.reasons
                .entry((result.outcome, ending(result)))
                .or_default()
                .push(result.node.clone());
        }
        for note in &result.notes {
            self.notes
                .entry(one_line(note))
                .or_default()
                .push(result.node.clone());
        }
    }

    fn write(&mut self) -> io::Result<()> {
        for (note, nodes) in std::mem::take(&mut self.notes) {
            self.line("note", Tone::Faint, &nodes, &note)?;
        }
        let mut by_outcome: BTreeMap<Outcome, Vec<(String, Vec<NodeName>)>> = BTreeMap::new();
        for ((outcome, text), nodes) in std::mem::take(&mut self.reasons) {
            by_outcome.entry(outcome).or_default().push((text, nodes));
        }
        for (outcome, mut lines) in by_outcome {
            // The most common reason last, next to the summary.
            lines.sort_by_key(|(_, nodes)| nodes.len());
            if lines.len() > LINES_MAX {
                let rest: Vec<_> = lines.drain(..=lines.len() - LINES_MAX).collect();
                let text = format!("{} different reasons", rest.len());
                let nodes: Vec<_> = rest.into_iter().flat_map(|(_, nodes)| nodes).collect();
                lines.insert(0, (text, nodes));
            }
            for (text, nodes) in lines {
                self.line(outcome.as_str(), Tone::of(outcome), &nodes, &text)?;
            }
        }
        Ok(())
    }

    fn line(&mut self, word: &str, tone: Tone, nodes: &[NodeName], text: &str) -> io::Result<()> {
        let word = tone.paint(word, self.color);
        let folded = Tone::Node.paint(fold(nodes), self.color);
        match nodes.len() {
            1 => writeln!(self.to, "{word} {folded}: {text}"),
            count => writeln!(self.to, "{word} {folded} ({count}): {text}"),
        }
    }
}

impl<W: Write> Reporter for Reasons<W> {
    fn on_event(&mut self, event: &RunEvent) -> io::Result<()> {
        match &event.what {
            What::NodeFinished(result) if !self.only_warnings => {
                self.on_finished(result);
                Ok(())
            }
            What::Warning(text) => {
                let word = Tone::Notice.paint("warning", self.color);
                writeln!(self.to, "{word}: {}", one_line(text))
            }
            What::Stopping(reason) => {
                let word = Tone::Notice.paint("stopping", self.color);
                writeln!(self.to, "{word}: {}", stop_text(*reason))
            }
            What::RunFinished => self.write(),
            _ => Ok(()),
        }
    }
}

const fn stop_text(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Deadline => "the deadline has passed; what runs is cancelled",
        StopReason::FailFast => "a node did not end well (--fail-fast); what runs is cancelled",
        StopReason::Budget => "too many nodes did not end well; what runs is cancelled",
        StopReason::OutputClosed => "the output cannot be written; what runs is cancelled",
        StopReason::Interrupt => {
            "cancelling everywhere and waiting for the answers; Ctrl-C again leaves at once"
        }
        StopReason::Leave => "leaving; what has not answered is lost from sight",
    }
}

/// How a node ended, in words; empty if it ended well.
#[must_use]
pub(super) fn ending(result: &NodeResult) -> String {
    let plain = match (result.outcome, result.exit_code, result.signal) {
        (Outcome::Ok, ..) => return String::new(),
        (Outcome::Failed, Some(code), _) => Some(format!("exit code {code}")),
        (Outcome::Killed, _, Some(signal)) => Some(format!("killed by {}", signal_name(signal))),
        _ => None,
    };
    let reason = result.reason.as_deref().map(one_line);
    match (plain, reason) {
        (Some(plain), Some(reason)) => format!("{plain}: {reason}"),
        (Some(plain), None) => plain,
        (None, Some(reason)) => reason,
        (None, None) => result.outcome.to_string(),
    }
}

/// `SIGKILL`, or `SIGRTMIN+1` and the like where the system has only a number.
#[must_use]
pub(super) fn signal_name(signal: i32) -> String {
    match nix::sys::signal::Signal::try_from(signal) {
        Ok(known) => known.as_str().to_owned(),
        Err(_) if (34..=64).contains(&signal) => match signal - 34 {
            0 => "SIGRTMIN".to_owned(),
            above => format!("SIGRTMIN+{above}"),
        },
        Err(_) => format!("signal {signal}"),
    }
}
