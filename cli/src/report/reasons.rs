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
    covered: Covered,
    reasons: BTreeMap<(Outcome, String), Group>,
    notes: BTreeMap<String, Vec<NodeName>>,
}

/// Nodes that share a reason.
#[derive(Debug, Default)]
struct Group {
    nodes: Vec<NodeName>,
    /// The reason as the first of them gave it.
    text: String,
}

/// What is in the data already and need not be said once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Covered {
    /// Nothing.
    Nothing,
    /// Exit codes and signals of nodes that wrote something: they head a block.
    Blocks {
        /// What was written to standard error counts as well.
        stderr: bool,
    },
    /// Everything but warnings.
    Everything,
}

/// Lines shown for one outcome; where there are more, the rest shares one.
const LINES_MAX: usize = 20;

impl<W: Write> Reasons<W> {
    /// Writes to standard error.
    pub const fn new(to: W, covered: Covered, color: bool) -> Self {
        Self {
            to,
            color,
            covered,
            reasons: BTreeMap::new(),
            notes: BTreeMap::new(),
        }
    }

    fn on_finished(&mut self, result: &NodeResult) {
        if self.covered == Covered::Everything {
            return;
        }
        if result.outcome != Outcome::Ok && !self.heads_a_block(result) {
            let text = cause(result);
            let general = without_name(&text, &result.node);
            let group = self.reasons.entry((result.outcome, general)).or_default();
            if group.nodes.is_empty() {
                group.text = text;
            }
            group.nodes.push(result.node.clone());
        }
        for note in &result.notes {
            self.notes
                .entry(one_line(note))
                .or_default()
                .push(result.node.clone());
        }
    }

    fn heads_a_block(&self, result: &NodeResult) -> bool {
        let Covered::Blocks { stderr } = self.covered else {
            return false;
        };
        let written = result.stdout_bytes > 0 || stderr && result.stderr_bytes > 0;
        written && result.reason.is_none()
    }

    fn write(&mut self) -> io::Result<()> {
        for (note, nodes) in std::mem::take(&mut self.notes) {
            self.line("note", Tone::Faint, &nodes, &note)?;
        }
        let mut by_outcome: BTreeMap<Outcome, Vec<(String, Vec<NodeName>)>> = BTreeMap::new();
        for ((outcome, general), Group { nodes, text }) in std::mem::take(&mut self.reasons) {
            // One node alone may be called by its name.
            let text = if nodes.len() == 1 { text } else { general };
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
        let count = match nodes.len() {
            1 => String::new(),
            count => format!(" ({count})"),
        };
        if text.is_empty() {
            writeln!(self.to, "{word} {folded}{count}")
        } else {
            writeln!(self.to, "{word} {folded}{count}: {text}")
        }
    }
}

impl<W: Write> Reporter for Reasons<W> {
    fn on_event(&mut self, event: &RunEvent) -> io::Result<()> {
        match &event.what {
            What::NodeFinished(result) => {
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

/// How a node ended, for the header of a block; empty if it ended well. Why is said elsewhere.
#[must_use]
pub(super) fn ending(result: &NodeResult) -> String {
    match (result.outcome, result.exit_code, result.signal) {
        (Outcome::Ok, ..) => String::new(),
        (Outcome::Failed, Some(code), _) => format!("exit code {code}"),
        (Outcome::Killed, _, Some(signal)) => format!("killed by {}", signal_name(signal)),
        (outcome, ..) => outcome.to_string(),
    }
}

/// Why a node did not end well, as far as its outcome does not say it.
#[must_use]
pub(super) fn cause(result: &NodeResult) -> String {
    let plain = match (result.outcome, result.exit_code, result.signal) {
        (Outcome::Failed, Some(code), _) => Some(format!("exit code {code}")),
        (Outcome::Killed, _, Some(signal)) => Some(signal_name(signal)),
        _ => None,
    };
    let reason = result.reason.as_deref().map(one_line);
    let parts: Vec<_> = plain.into_iter().chain(reason).collect();
    parts.join(": ")
}

/// The text with the node's own name left out, so that what is the same everywhere is one reason.
fn without_name(text: &str, node: &NodeName) -> String {
    let name = node.as_str();
    let mut general = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(name) {
        let after = &rest[at + name.len()..];
        let part_of_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let inside = rest[..at].ends_with(part_of_word) || after.starts_with(part_of_word);
        general.push_str(&rest[..at]);
        general.push_str(if inside { name } else { "the node" });
        rest = after;
    }
    general.push_str(rest);
    general
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_left_out_as_whole_words_only() {
        let node = "n1".parse().unwrap();
        for (text, expected) in [
            ("not on n1; ask n1", "not on the node; ask the node"),
            ("n12 and n1-eth0 and xn1", "n12 and n1-eth0 and xn1"),
            ("n1", "the node"),
            ("none", "none"),
        ] {
            assert_eq!(without_name(text, &node), expected);
        }
    }

    #[test]
    fn signals_have_names() {
        for (number, expected) in [
            (9, "SIGKILL"),
            (34, "SIGRTMIN"),
            (40, "SIGRTMIN+6"),
            (99, "signal 99"),
        ] {
            assert_eq!(signal_name(number), expected);
        }
    }
}
