//! One folded result, and how it is shown.

use std::io::{self, Write};

use dtx_proto_types::node::NodeName;
use dtx_proto_types::outcome::Outcome;

use super::amount;
use super::capture::Capture;
use super::names::fold;
use super::visible::visible;
use crate::style::Tone;
use crate::terminal::Surface;

/// Nodes that ended alike, and what each of them wrote.
#[derive(Debug)]
pub(super) struct Block {
    /// Where the first of them stands among all nodes by name.
    pub(super) place: usize,
    pub(super) nodes: Vec<NodeName>,
    pub(super) outcome: Outcome,
    /// How they ended, where that was not well.
    pub(super) ending: String,
    /// What they wrote.
    pub(super) kept: [Capture; 2],
    /// Bytes that they wrote and that were not kept.
    pub(super) dropped: u64,
}

/// As `clush -b` has it.
const RULE: &str = "---------------";

impl Block {
    /// Whether there is nothing to show: how such nodes ended is said elsewhere.
    pub(super) fn is_empty(&self) -> bool {
        self.dropped == 0 && self.kept.iter().all(Capture::is_empty)
    }

    /// `n[1-2,4] (3)`.
    pub(super) fn title(&self) -> String {
        let folded = fold(&self.nodes);
        match self.nodes.len() {
            1 => folded,
            count => format!("{folded} ({count})"),
        }
    }

    /// What was written, with every line ended.
    pub(super) fn text(&self, surface: Surface) -> Vec<u8> {
        let mut text = Vec::new();
        for capture in &self.kept {
            let bytes = capture.contiguous();
            if surface.terminal {
                text.extend_from_slice(visible(&bytes).as_bytes());
            } else {
                text.extend_from_slice(&bytes);
            }
            if !text.is_empty() && !text.ends_with(b"\n") {
                text.push(b'\n');
            }
        }
        text
    }
}

/// Writes a block under its header.
pub(super) fn write_block(to: &mut impl Write, block: &Block, surface: Surface) -> io::Result<()> {
    let rule = Tone::Faint.paint(RULE, surface.color);
    let title = Tone::Node.paint(block.title(), surface.color);
    writeln!(to, "{rule}")?;
    if block.outcome == Outcome::Ok {
        writeln!(to, "{title}")?;
    } else {
        let ending = Tone::of(block.outcome).paint(&block.ending, surface.color);
        writeln!(to, "{title}: {ending}")?;
    }
    writeln!(to, "{rule}")?;
    to.write_all(&block.text(surface))?;
    if block.dropped > 0 {
        let mark = format!("[{} more, not kept: --max-output]", amount(block.dropped));
        writeln!(to, "{}", Tone::Notice.paint(mark, surface.color))?;
    }
    Ok(())
}
