//! Recorded runs for the reporters' tests.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use dtx_client::fanout::event::{Counts, NodeResult, RunEvent, Stream, What};
use dtx_proto_types::id::RunId;
use dtx_proto_types::node::NodeName;
use dtx_proto_types::outcome::Outcome;

use super::{Console, Plan, Reporters};
use crate::terminal::{Surface, Terminal};

/// A result without output.
pub(crate) fn result(node: &str, outcome: Outcome, exit_code: Option<i32>) -> NodeResult {
    NodeResult {
        node: name(node),
        rank: 0,
        outcome,
        exit_code,
        signal: None,
        attempts: 1,
        duration: Duration::from_millis(12),
        stdout_bytes: 0,
        stderr_bytes: 0,
        reconnects: 0,
        reason: None,
        notes: Vec::new(),
    }
}

/// A name that is known to be one.
pub(crate) fn name(text: &str) -> NodeName {
    text.parse().unwrap()
}

/// Builds a run's events with counts that agree.
pub(crate) struct Recording {
    events: Vec<RunEvent>,
    counts: Counts,
    written: std::collections::BTreeMap<(NodeName, Stream), u64>,
}

impl Recording {
    pub(crate) fn start(nodes: &[&str]) -> Self {
        let mut recording = Self {
            events: Vec::new(),
            counts: Counts {
                nodes: nodes.len(),
                waiting: nodes.len(),
                ..Counts::default()
            },
            written: std::collections::BTreeMap::new(),
        };
        recording.push(What::RunStarted {
            run: RunId::from_bytes([0xab; 16]),
            command: "uptime".to_owned(),
            nodes: nodes.iter().map(|node| name(node)).collect(),
        });
        recording
    }

    pub(crate) fn push(&mut self, what: What) {
        self.events.push(RunEvent {
            elapsed: Duration::from_millis(410),
            counts: self.counts,
            what,
        });
    }

    pub(crate) fn out(mut self, node: &str, bytes: &[u8]) -> Self {
        self.output(node, Stream::Stdout, bytes);
        self
    }

    pub(crate) fn err(mut self, node: &str, bytes: &[u8]) -> Self {
        self.output(node, Stream::Stderr, bytes);
        self
    }

    fn output(&mut self, node: &str, stream: Stream, bytes: &[u8]) {
        *self.written.entry((name(node), stream)).or_default() += bytes.len() as u64;
        self.push(What::Output {
            node: name(node),
            stream,
            bytes: Bytes::copy_from_slice(bytes),
        });
    }

    /// The node exits with this code.
    pub(crate) fn exit(self, node: &str, code: i32) -> Self {
        let outcome = if code == 0 {
            Outcome::Ok
        } else {
            Outcome::Failed
        };
        self.finish(result(node, outcome, Some(code)))
    }

    /// The node ends without an exit code.
    pub(crate) fn end(self, node: &str, outcome: Outcome, reason: &str) -> Self {
        self.finish(NodeResult {
            reason: Some(reason.to_owned()),
            ..result(node, outcome, None)
        })
    }

    pub(crate) fn finish(mut self, mut result: NodeResult) -> Self {
        let written = |stream| {
            let key = (result.node.clone(), stream);
            self.written.get(&key).copied().unwrap_or(0)
        };
        result.stdout_bytes = result.stdout_bytes.max(written(Stream::Stdout));
        result.stderr_bytes = result.stderr_bytes.max(written(Stream::Stderr));
        self.counts.waiting -= 1;
        self.counts.finished[result.outcome as usize] += 1;
        self.push(What::NodeFinished(result));
        self
    }

    /// The events so far, and the end.
    pub(crate) fn events(&self) -> Vec<RunEvent> {
        let mut events = self.events.clone();
        events.extend(events.last().cloned().map(|last| RunEvent {
            what: What::RunFinished,
            ..last
        }));
        events
    }

    pub(crate) fn done(mut self) -> Vec<RunEvent> {
        self.push(What::RunFinished);
        self.events
    }
}

/// What a run wrote: standard output and standard error.
pub(crate) fn play(plan: &Plan, terminal: &Terminal, events: &[RunEvent]) -> (Vec<u8>, Vec<u8>) {
    let (out, err) = (Shared::default(), Shared::default());
    let console = Console::new(Box::new(out.clone()), Box::new(err.clone()));
    let mut reporters = Reporters::new(plan, terminal, console).unwrap();
    for event in events {
        reporters.on_event(event).unwrap();
    }
    reporters.flush().unwrap();
    (out.take(), err.take())
}

/// A person's terminal, 80 columns wide.
pub(crate) fn person(color: bool) -> Terminal {
    let surface = Surface {
        terminal: true,
        color,
    };
    Terminal {
        stdin: true,
        stdout: surface,
        stderr: surface,
        joined: true,
        width: 80,
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Shared(Rc<RefCell<Vec<u8>>>);

impl Shared {
    pub(crate) fn take(&self) -> Vec<u8> {
        self.0.take()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
