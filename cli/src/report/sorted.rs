//! `-L`: one node after the other, whatever the order of their answers.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use dtx_client::fanout::event::{RunEvent, What};
use dtx_proto_types::node::NodeName;

use super::names::sorted;
use super::{Reporter, amount};

/// Holds back what later nodes say until the earlier ones have finished, then lets another
/// reporter have it in the order of the nodes' names.
#[derive(Debug)]
pub struct Sorted<R> {
    inner: R,
    limit: Option<u64>,
    // Nodes that have not been passed on to the end, in the order of their names.
    order: VecDeque<NodeName>,
    held: BTreeMap<NodeName, Held>,
}

/// What one node said so far.
#[derive(Debug, Default)]
struct Held {
    events: Vec<RunEvent>,
    bytes: u64,
    dropped: u64,
    finished: bool,
}

impl<R: Reporter> Sorted<R> {
    /// Sorts for another reporter; `limit` bytes of each node are held back.
    pub const fn new(inner: R, limit: Option<u64>) -> Self {
        Self {
            inner,
            limit,
            order: VecDeque::new(),
            held: BTreeMap::new(),
        }
    }

    fn hold(&mut self, node: &NodeName, event: &RunEvent, finished: bool) -> io::Result<()> {
        if self.order.front() == Some(node) {
            // Nothing of an earlier node is missing: no need to hold it.
            self.inner.on_event(event)?;
            if finished {
                self.order.pop_front();
                self.release()?;
            }
            return Ok(());
        }
        let held = self.held.entry(node.clone()).or_default();
        held.finished |= finished;
        if let What::Output { bytes, .. } = &event.what {
            let size = bytes.len() as u64;
            if self.limit.is_some_and(|limit| held.bytes + size > limit) {
                held.dropped += size;
                return Ok(());
            }
            held.bytes += size;
        }
        held.events.push(event.clone());
        Ok(())
    }

    fn release(&mut self) -> io::Result<()> {
        while let Some(node) = self.order.front() {
            let held = self.held.remove(node).unwrap_or_default();
            for event in &held.events {
                self.inner.on_event(event)?;
            }
            if held.dropped > 0
                && let Some(last) = held.events.last()
            {
                let text = format!("{node}: {} not kept (--max-output)", amount(held.dropped));
                self.inner.on_event(&RunEvent {
                    what: What::Warning(text),
                    ..last.clone()
                })?;
            }
            if !held.finished {
                break;
            }
            self.order.pop_front();
        }
        Ok(())
    }
}

impl<R: Reporter> Reporter for Sorted<R> {
    fn on_event(&mut self, event: &RunEvent) -> io::Result<()> {
        match &event.what {
            What::RunStarted { nodes, .. } => {
                self.order = sorted(nodes).into();
                self.inner.on_event(event)
            }
            What::Output { node, .. } | What::NodeRetrying { node, .. } => {
                self.hold(node, event, false)
            }
            What::NodeFinished(result) => self.hold(&result.node, event, true),
            _ => self.inner.on_event(event),
        }
    }

    fn tick(&mut self) -> io::Result<()> {
        self.inner.tick()
    }
}
