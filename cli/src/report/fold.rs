//! Equal results as one block: people read groups, not lines.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Write};

use dtx_client::fanout::event::{NodeResult, RunEvent, Stream, What};
use dtx_proto_types::node::NodeName;
use dtx_proto_types::outcome::Outcome;

use super::Reporter;
use super::block::{Block, write_block};
use super::capture::Capture;
use super::diff::write_diff;
use super::names::sorted;
use super::reasons::ending;
use crate::terminal::Surface;

/// Keeps what each node writes and, at the end, shows every distinct result once: the smallest
/// groups first, and the one on which most agree last, next to the prompt.
#[derive(Debug)]
pub struct Fold<W> {
    options: FoldOptions,
    to: W,
    // Where each node stands among all of them by name.
    places: BTreeMap<NodeName, usize>,
    running: BTreeMap<NodeName, [Capture; 2]>,
    // A group holds one copy of what its nodes wrote, however many they are.
    groups: BTreeMap<Key, Group>,
}

/// How results are folded.
#[derive(Debug, Clone, Copy)]
pub struct FoldOptions {
    /// `-B`: standard error belongs to the result.
    pub stderr: bool,
    /// `-L`: blocks in the order of the nodes' names.
    pub by_name: bool,
    /// `--diff`: only what differs from the largest group.
    pub diff: bool,
    /// Bytes of each stream and node that are kept.
    pub limit: Option<u64>,
    /// What standard output is.
    pub surface: Surface,
}

/// What must be equal for two nodes to share a block.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    outcome: Outcome,
    exit_code: Option<i32>,
    signal: Option<i32>,
    written: [u64; 2],
    kept: [Capture; 2],
}

#[derive(Debug, Default)]
struct Group {
    nodes: Vec<NodeName>,
    ending: String,
}

impl<W: Write> Fold<W> {
    /// Writes blocks to standard output.
    pub const fn new(options: FoldOptions, to: W) -> Self {
        Self {
            options,
            to,
            places: BTreeMap::new(),
            running: BTreeMap::new(),
            groups: BTreeMap::new(),
        }
    }

    fn on_output(&mut self, node: &NodeName, stream: Stream, bytes: &bytes::Bytes) {
        if stream == Stream::Stderr && !self.options.stderr {
            return;
        }
        let kept = self.running.entry(node.clone()).or_default();
        kept[stream as usize].push(bytes, self.options.limit);
    }

    fn on_finished(&mut self, result: &NodeResult) {
        let kept = self.running.remove(&result.node).unwrap_or_default();
        let stderr_bytes = if self.options.stderr {
            result.stderr_bytes
        } else {
            0
        };
        let key = Key {
            outcome: result.outcome,
            exit_code: result.exit_code,
            signal: result.signal,
            written: [result.stdout_bytes, stderr_bytes],
            kept,
        };
        let group = self.groups.entry(key).or_default();
        if group.nodes.is_empty() {
            group.ending = ending(result);
        }
        group.nodes.push(result.node.clone());
    }

    fn blocks(&mut self) -> Vec<Block> {
        let mut blocks: Vec<_> = std::mem::take(&mut self.groups)
            .into_iter()
            .map(|(key, group)| Block {
                place: group
                    .nodes
                    .iter()
                    .filter_map(|node| self.places.get(node).copied())
                    .min()
                    .unwrap_or(usize::MAX),
                nodes: group.nodes,
                outcome: key.outcome,
                ending: group.ending,
                dropped: (0..2)
                    .map(|i| key.written[i].saturating_sub(key.kept[i].len()))
                    .sum(),
                kept: key.kept,
            })
            .collect();
        if self.options.by_name {
            blocks.sort_by_key(|block| block.place);
        } else {
            // Of two groups of a size, the one that went well is the less surprising.
            blocks.sort_by_key(|block| {
                let well = block.outcome == Outcome::Ok;
                (block.nodes.len(), well, Reverse(block.place))
            });
        }
        blocks
    }

    fn write(&mut self) -> io::Result<()> {
        let blocks = self.blocks();
        if self.options.diff {
            return self.write_diffs(&blocks);
        }
        for block in blocks.iter().filter(|block| !block.is_empty()) {
            write_block(&mut self.to, block, self.options.surface)?;
        }
        Ok(())
    }

    fn write_diffs(&mut self, blocks: &[Block]) -> io::Result<()> {
        let Some(reference) = blocks
            .iter()
            .enumerate()
            .max_by_key(|(at, block)| (block.nodes.len(), *at))
            .map(|(at, _)| at)
        else {
            return Ok(());
        };
        for (at, block) in blocks.iter().enumerate() {
            if at != reference {
                write_diff(
                    &mut self.to,
                    &blocks[reference],
                    block,
                    self.options.surface,
                )?;
            }
        }
        Ok(())
    }
}

impl<W: Write> Reporter for Fold<W> {
    fn on_event(&mut self, event: &RunEvent) -> io::Result<()> {
        match &event.what {
            What::RunStarted { nodes, .. } => {
                self.places = sorted(nodes).into_iter().zip(0..).collect();
                Ok(())
            }
            What::Output {
                node,
                stream,
                bytes,
            } => {
                self.on_output(node, *stream, bytes);
                Ok(())
            }
            // What an attempt wrote that is tried again is not the node's result.
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
