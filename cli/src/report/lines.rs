//! `node: line`, as it comes.

use std::collections::BTreeMap;
use std::io::{self, Write};

use dtx_client::fanout::event::{RunEvent, Stream, What};
use dtx_proto_types::node::NodeName;

use super::Reporter;
use super::visible::visible;
use crate::style::Tone;
use crate::terminal::Surface;

/// Writes every line with its node's name before it, whole lines at a time.
///
/// A last line without an end is written without one; only where a person looks, or where another
/// line follows, it is completed.
#[derive(Debug)]
pub struct Lines<W> {
    options: LinesOptions,
    stdout: Side<W>,
    stderr: Side<W>,
    // The beginnings of lines whose ends have not come yet.
    begun: BTreeMap<(NodeName, Stream), Vec<u8>>,
}

/// How lines are written.
#[derive(Debug, Clone, Copy)]
pub struct LinesOptions {
    /// Name the node before each line.
    pub label: bool,
    /// Leave standard output to another reporter.
    pub stderr_only: bool,
    /// What standard output is.
    pub stdout: Surface,
    /// What standard error is.
    pub stderr: Surface,
    /// Both are one file, so lines are completed as on a terminal.
    pub joined: bool,
}

/// A line longer than this is written in pieces, so that no node can fill our memory.
const LINE_MAX: usize = 64 * 1024;

impl<W: Write> Lines<W> {
    /// Lines of the commands' two streams go to these two.
    pub const fn new(options: LinesOptions, stdout: W, stderr: W) -> Self {
        Self {
            options,
            stdout: Side {
                to: stdout,
                surface: options.stdout,
                label: options.label,
                label_tone: Tone::Node,
                complete: options.stdout.terminal || options.joined,
                open: None,
            },
            stderr: Side {
                to: stderr,
                surface: options.stderr,
                label: options.label,
                label_tone: Tone::ErrorLabel,
                complete: options.stderr.terminal || options.joined,
                open: None,
            },
            begun: BTreeMap::new(),
        }
    }

    fn on_output(&mut self, node: &NodeName, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let side = match stream {
            Stream::Stdout if self.options.stderr_only => return Ok(()),
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let key = (node.clone(), stream);
        let mut begun = self.begun.remove(&key).unwrap_or_default();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if piece.ends_with(b"\n") || begun.len() + piece.len() >= LINE_MAX {
                side.write(node, &begun, piece)?;
                begun.clear();
            } else {
                begun.extend_from_slice(piece);
            }
        }
        if !begun.is_empty() {
            self.begun.insert(key, begun);
        }
        Ok(())
    }

    fn on_finished(&mut self, node: &NodeName) -> io::Result<()> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let begun = self.begun.remove(&(node.clone(), stream));
            let side = match stream {
                Stream::Stdout => &mut self.stdout,
                Stream::Stderr => &mut self.stderr,
            };
            if let Some(begun) = begun {
                side.write(node, &begun, &[])?;
            }
            side.finish(node)?;
        }
        Ok(())
    }
}

impl<W: Write> Reporter for Lines<W> {
    fn on_event(&mut self, event: &RunEvent) -> io::Result<()> {
        match &event.what {
            What::Output {
                node,
                stream,
                bytes,
            } => self.on_output(node, *stream, bytes),
            // The next attempt's lines do not go on where this one's stopped.
            What::NodeRetrying { node, .. } => self.on_finished(node),
            What::NodeFinished(result) => self.on_finished(&result.node),
            _ => Ok(()),
        }
    }
}

/// One of the two streams that lines are written to.
#[derive(Debug)]
struct Side<W> {
    to: W,
    surface: Surface,
    label: bool,
    label_tone: Tone,
    complete: bool,
    // The node whose line has no end yet.
    open: Option<NodeName>,
}

impl<W: Write> Side<W> {
    /// Writes `head` and `tail`, which together are a line or a part of one.
    fn write(&mut self, node: &NodeName, head: &[u8], tail: &[u8]) -> io::Result<()> {
        if self.open.as_ref() != Some(node) {
            if self.open.is_some() {
                self.to.write_all(b"\n")?;
            }
            if self.label {
                let label = self.label_tone.paint(node, self.surface.color);
                write!(self.to, "{label}: ")?;
            }
        }
        if self.surface.terminal {
            // Together, because a character may have been cut between them.
            let text = visible(&[head, tail].concat());
            self.to.write_all(text.as_bytes())?;
        } else {
            self.to.write_all(head)?;
            self.to.write_all(tail)?;
        }
        self.open = (!tail.ends_with(b"\n")).then(|| node.clone());
        Ok(())
    }

    fn finish(&mut self, node: &NodeName) -> io::Result<()> {
        if self.complete && self.open.as_ref() == Some(node) {
            self.to.write_all(b"\n")?;
            self.open = None;
        }
        Ok(())
    }
}
