//! How the nodes of a run stand. Pure state: every change keeps the counts in agreement.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dtx_proto_types::node::NodeName;
use dtx_proto_types::outcome::Outcome;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::plan::Planned;
use crate::fanout::attempt::End;
use crate::fanout::event::{Counts, NodeResult};

/// Every node of a run and the counts over them.
#[derive(Debug)]
pub(super) struct Tally {
    nodes: Vec<Node>,
    counts: Counts,
}

/// One node of a run.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) label: NodeName,
    /// What it is called in a job, where that is known.
    pub(super) name: Option<NodeName>,
    /// Attempts begun.
    pub(super) tries: u32,
    /// Which job id it runs under, from 1.
    pub(super) repetition: u32,
    pub(super) stand: Stand,
    /// How its last attempt ended, if it was tried again.
    last: Option<End>,
    began: Option<Instant>,
    result: Option<NodeResult>,
}

/// Where a node stands.
#[derive(Debug)]
pub(super) enum Stand {
    /// Not begun.
    Waiting,
    /// Chosen to begin an attempt in this moment, or waiting for the next one.
    Between,
    /// An attempt is under way.
    Trying {
        task: AbortHandle,
        sent: Arc<AtomicBool>,
    },
    /// It has its outcome.
    Finished,
}

impl Tally {
    pub(super) fn new(nodes: Vec<Planned>) -> Self {
        let counts = Counts {
            nodes: nodes.len(),
            waiting: nodes.len(),
            ..Counts::default()
        };
        let nodes = nodes.into_iter().map(|planned| Node {
            label: planned.label,
            name: planned.name,
            tries: 0,
            repetition: 1,
            stand: Stand::Waiting,
            last: None,
            began: None,
            result: None,
        });
        Self {
            nodes: nodes.collect(),
            counts,
        }
    }

    pub(super) const fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) fn is_done(&self) -> bool {
        self.counts.done() == self.counts.nodes
    }

    pub(super) fn node(&self, rank: u32) -> &Node {
        &self.nodes[rank as usize]
    }

    pub(super) fn node_mut(&mut self, rank: u32) -> &mut Node {
        &mut self.nodes[rank as usize]
    }

    pub(super) fn ranks(&self) -> impl Iterator<Item = (u32, &Node)> {
        (0..).zip(&self.nodes)
    }

    /// The node leaves the line of those that wait.
    pub(super) fn begin(&mut self, rank: u32, now: Instant) {
        let node = &mut self.nodes[rank as usize];
        debug_assert!(matches!(node.stand, Stand::Waiting));
        node.stand = Stand::Between;
        node.began = Some(now);
        self.counts.waiting -= 1;
        self.counts.running += 1;
    }

    /// The attempt that ended is followed by another one.
    pub(super) fn again(&mut self, rank: u32, end: End) {
        let node = &mut self.nodes[rank as usize];
        // What had started runs anew, and the node must be able to tell it from the first time.
        if matches!(end.outcome, Outcome::Failed | Outcome::Timeout) {
            node.repetition += 1;
        }
        node.stand = Stand::Between;
        node.last = Some(end);
    }

    /// The node has its outcome. Says `None` if it has had one already.
    pub(super) fn finish(&mut self, rank: u32, end: End, now: Instant) -> Option<NodeResult> {
        let node = &mut self.nodes[rank as usize];
        if node.result.is_some() {
            return None;
        }
        match node.stand {
            Stand::Waiting => self.counts.waiting -= 1,
            _ => self.counts.running -= 1,
        }
        let result = node.settle(rank, end, now);
        self.counts.finished[result.outcome as usize] += 1;
        Some(result)
    }

    /// Every result, in the order of the nodes.
    pub(super) fn into_results(self) -> (Vec<NodeResult>, Counts) {
        let results = self.nodes.into_iter().filter_map(|node| node.result);
        (results.collect(), self.counts)
    }
}

impl Node {
    /// The end of a node for which nothing more is tried: what happened last counts, also when
    /// another attempt was waiting or had not got as far as the node.
    fn settle(&mut self, rank: u32, end: End, now: Instant) -> NodeResult {
        let mut attempts = self.tries;
        let end = match self.last.take() {
            Some(last) if end.outcome == Outcome::Skipped => {
                attempts = if self.is_trying() {
                    attempts - 1
                } else {
                    attempts
                };
                last
            }
            _ => end,
        };
        if end.outcome == Outcome::Skipped {
            attempts = 0;
        }
        self.stand = Stand::Finished;
        let result = NodeResult {
            node: self.label.clone(),
            rank,
            outcome: end.outcome,
            exit_code: end.exit_code,
            signal: end.signal,
            attempts,
            duration: self.began.map_or(Duration::ZERO, |began| now - began),
            stdout_bytes: end.wrote.stdout,
            stderr_bytes: end.wrote.stderr,
            reconnects: end.reconnects,
            reason: end.reason,
            notes: end.notes,
        };
        self.result = Some(result.clone());
        result
    }

    pub(super) const fn is_trying(&self) -> bool {
        matches!(self.stand, Stand::Trying { .. })
    }

    /// Whether a byte of the job may have left for it.
    pub(super) fn may_have_been_sent(&self) -> bool {
        match &self.stand {
            Stand::Trying { sent, .. } => sent.load(Ordering::Acquire),
            _ => false,
        }
    }
}
