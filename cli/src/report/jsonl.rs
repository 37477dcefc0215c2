//! Every event as one line of JSON: `dtx.event/1`, described in docs/event-stream.md.

use std::io::{self, Write};

use dtx_client::fanout::event::{Counts, NodeResult, RunEvent, StopReason, What};
use dtx_proto_types::outcome::Outcome;
use serde_json::{Map, Value, json};

use super::Reporter;
use super::json::text_or_base64;
use super::numbers::milliseconds;
use super::reasons::signal_name;

/// Name and version of the lines. Fields and events may be added, never changed.
const SCHEMA: &str = "dtx.event/1";

/// Writes each event as it happens.
#[derive(Debug)]
pub struct JsonLines<W> {
    to: W,
}

impl<W: Write> JsonLines<W> {
    /// Writes to standard output.
    pub const fn new(to: W) -> Self {
        Self { to }
    }
}

impl<W: Write> Reporter for JsonLines<W> {
    fn on_event(&mut self, event: &RunEvent) -> io::Result<()> {
        let Some((name, fields)) = describe(&event.what) else {
            return Ok(());
        };
        let line = Line {
            schema: SCHEMA,
            event: name,
            elapsed_ms: milliseconds(event.elapsed),
            fields,
            counts: counts(&event.counts),
        };
        serde_json::to_writer(&mut self.to, &line)?;
        self.to.write_all(b"\n")
    }
}

#[derive(serde::Serialize)]
struct Line {
    schema: &'static str,
    event: &'static str,
    elapsed_ms: f64,
    #[serde(flatten)]
    fields: Map<String, Value>,
    counts: Value,
}

/// The event's name and what belongs to it alone; nothing for kinds that this build cannot name.
fn describe(what: &What) -> Option<(&'static str, Map<String, Value>)> {
    let (name, fields) = match what {
        What::RunStarted {
            run,
            command,
            nodes,
        } => (
            "run_started",
            json!({"run": run.to_string(), "command": command, "nodes": nodes}),
        ),
        What::NodeStarted { node, attempt } => {
            ("node_started", json!({"node": node, "attempt": attempt}))
        }
        What::Output {
            node,
            stream,
            bytes,
        } => {
            let stream = stream.as_str();
            let fields = match text_or_base64(bytes) {
                (Some(text), _) => json!({"node": node, "stream": stream, "data": text}),
                (None, data) => json!({"node": node, "stream": stream, "data_base64": data}),
            };
            ("output", fields)
        }
        What::NodeReattached { node } => ("node_reattached", json!({"node": node})),
        What::NodeRetrying {
            node,
            attempt,
            outcome,
            reason,
            delay,
        } => (
            "node_retrying",
            json!({
                "node": node,
                "attempt": attempt,
                "outcome": outcome,
                "reason": reason,
                "delay_ms": milliseconds(*delay),
            }),
        ),
        What::NodeFinished(result) => ("node_finished", finished(result)),
        What::Warning(text) => ("warning", json!({"text": text})),
        What::Stopping(reason) => ("stopping", json!({"reason": stop_reason(*reason)})),
        What::RunFinished => ("run_finished", json!({})),
        _ => return None,
    };
    match fields {
        Value::Object(fields) => Some((name, fields)),
        _ => None,
    }
}

fn finished(result: &NodeResult) -> Value {
    json!({
        "node": result.node,
        "rank": result.rank,
        "outcome": result.outcome,
        "exit_code": result.exit_code,
        "signal": result.signal.map(signal_name),
        "attempts": result.attempts,
        "duration_ms": milliseconds(result.duration),
        "stdout_bytes": result.stdout_bytes,
        "stderr_bytes": result.stderr_bytes,
        "reconnects": result.reconnects,
        "reason": result.reason,
        "notes": result.notes,
    })
}

const fn stop_reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Deadline => "deadline",
        StopReason::FailFast => "fail_fast",
        StopReason::Budget => "budget",
        StopReason::OutputClosed => "output_closed",
        StopReason::Interrupt => "interrupt",
        StopReason::Leave => "leave",
    }
}

fn counts(counts: &Counts) -> Value {
    let mut fields = Map::new();
    fields.insert("nodes".to_owned(), counts.nodes.into());
    fields.insert("waiting".to_owned(), counts.waiting.into());
    fields.insert("running".to_owned(), counts.running.into());
    for outcome in Outcome::ALL {
        fields.insert(outcome.to_string(), counts.of(outcome).into());
    }
    Value::Object(fields)
}
