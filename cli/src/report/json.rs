//! One JSON document for the whole run: `dtx.run/1`, described in docs/event-stream.md.

use std::collections::BTreeMap;
use std::io::{self, Write};

use dtx_client::fanout::event::{Counts, NodeResult, RunEvent, What};
use dtx_proto_types::node::NodeName;
use dtx_proto_types::outcome::Outcome;
use serde::Serialize;

use super::capture::Capture;
use super::names::sorted;
use super::numbers::milliseconds;
use super::reasons::signal_name;
use super::{Reporter, base64};

/// The document's name and version. Fields may be added, never changed.
const SCHEMA: &str = "dtx.run/1";

/// Writes the document when the run is over, one node a line.
#[derive(Debug)]
pub struct Json<W> {
    to: W,
    limit: Option<u64>,
    run: String,
    command: String,
    running: BTreeMap<NodeName, [Capture; 2]>,
    finished: BTreeMap<NodeName, (NodeResult, [Capture; 2])>,
}

impl<W: Write> Json<W> {
    /// Writes to standard output; `limit` bytes of each stream and node are kept.
    pub const fn new(to: W, limit: Option<u64>) -> Self {
        Self {
            to,
            limit,
            run: String::new(),
            command: String::new(),
            running: BTreeMap::new(),
            finished: BTreeMap::new(),
        }
    }

    fn write(&mut self, event: &RunEvent) -> io::Result<()> {
        let to = &mut self.to;
        write!(to, "{{\"schema\":\"{SCHEMA}\",\"run\":")?;
        serde_json::to_writer(&mut *to, &self.run)?;
        write!(to, ",\"command\":")?;
        serde_json::to_writer(&mut *to, &self.command)?;
        write!(to, ",\"nodes\":[")?;
        let order = sorted(self.finished.keys());
        for (at, node) in order.iter().enumerate() {
            // Let go of each as it is written: the document may be large.
            let Some((result, kept)) = self.finished.remove(node) else {
                continue;
            };
            to.write_all(if at == 0 { b"\n" } else { b",\n" })?;
            let [stdout, stderr] = [kept[0].contiguous(), kept[1].contiguous()];
            serde_json::to_writer(&mut *to, &NodeEntry::new(&result, &stdout, &stderr))?;
        }
        write!(to, "\n],\"summary\":")?;
        serde_json::to_writer(&mut *to, &SummaryEntry::new(event))?;
        writeln!(to, "}}")
    }
}

impl<W: Write> Reporter for Json<W> {
    fn on_event(&mut self, event: &RunEvent) -> io::Result<()> {
        match &event.what {
            What::RunStarted { run, command, .. } => {
                self.run = run.to_string();
                self.command.clone_from(command);
                Ok(())
            }
            What::Output {
                node,
                stream,
                bytes,
            } => {
                let kept = self.running.entry(node.clone()).or_default();
                kept[*stream as usize].push(bytes, self.limit);
                Ok(())
            }
            What::NodeRetrying { node, .. } => {
                self.running.remove(node);
                Ok(())
            }
            What::NodeFinished(result) => {
                let kept = self.running.remove(&result.node).unwrap_or_default();
                self.finished
                    .insert(result.node.clone(), (result.clone(), kept));
                Ok(())
            }
            What::RunFinished => self.write(event),
            _ => Ok(()),
        }
    }
}

/// One node of the document.
#[derive(Serialize)]
struct NodeEntry<'a> {
    node: &'a NodeName,
    outcome: Outcome,
    exit_code: Option<i32>,
    signal: Option<String>,
    attempts: u32,
    duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr_base64: Option<String>,
    truncated: bool,
    reason: Option<&'a str>,
    stdout_bytes: u64,
    stderr_bytes: u64,
    reconnects: u32,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    notes: &'a [String],
}

impl<'a> NodeEntry<'a> {
    fn new(result: &'a NodeResult, stdout: &'a [u8], stderr: &'a [u8]) -> Self {
        let (stdout_text, stdout_base64) = text_or_base64(stdout);
        let (stderr_text, stderr_base64) = text_or_base64(stderr);
        let cut = |kept: &[u8], written: u64| (kept.len() as u64) < written;
        Self {
            node: &result.node,
            outcome: result.outcome,
            exit_code: result.exit_code,
            signal: result.signal.map(signal_name),
            attempts: result.attempts,
            duration_ms: milliseconds(result.duration),
            stdout: stdout_text,
            stdout_base64,
            stderr: stderr_text,
            stderr_base64,
            truncated: cut(stdout, result.stdout_bytes) || cut(stderr, result.stderr_bytes),
            reason: result.reason.as_deref(),
            stdout_bytes: result.stdout_bytes,
            stderr_bytes: result.stderr_bytes,
            reconnects: result.reconnects,
            notes: &result.notes,
        }
    }
}

/// The text, or Base64 for bytes that are no text.
pub(super) fn text_or_base64(bytes: &[u8]) -> (Option<&str>, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text), None),
        Err(_) => (None, Some(base64::encode(bytes))),
    }
}

/// The counts of a run, by outcome, in the order of the documents.
#[derive(Serialize)]
struct SummaryEntry {
    nodes: usize,
    ok: usize,
    failed: usize,
    killed: usize,
    timeout: usize,
    denied: usize,
    refused: usize,
    unreachable: usize,
    lost: usize,
    cancelled: usize,
    skipped: usize,
    wall_ms: f64,
}

impl SummaryEntry {
    fn new(event: &RunEvent) -> Self {
        let counts: &Counts = &event.counts;
        Self {
            nodes: counts.nodes,
            ok: counts.of(Outcome::Ok),
            failed: counts.of(Outcome::Failed),
            killed: counts.of(Outcome::Killed),
            timeout: counts.of(Outcome::Timeout),
            denied: counts.of(Outcome::Denied),
            refused: counts.of(Outcome::Refused),
            unreachable: counts.of(Outcome::Unreachable),
            lost: counts.of(Outcome::Lost),
            cancelled: counts.of(Outcome::Cancelled),
            skipped: counts.of(Outcome::Skipped),
            wall_ms: milliseconds(event.elapsed),
        }
    }
}
