//! Recorded runs in, exact bytes out.

mod fold;
mod hostile;
mod lines;
mod machine;
mod summary;

use super::samples::{Recording, person, play};
use super::{Format, Plan, Verbosity};
use crate::terminal::Terminal;

/// A format with everything else as it is by default.
fn plan(format: Format) -> Plan {
    Plan {
        format,
        fold_stderr: false,
        by_name: false,
        label: true,
        diff: false,
        limit: Some(16 * 1024 * 1024),
        outdir: None,
        errdir: None,
        // Reporters are tested one by one, and the summary has tests of its own.
        verbosity: Verbosity::Quiet,
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// Standard output as text.
fn shown(plan: &Plan, terminal: &Terminal, recording: Recording) -> String {
    text(play(plan, terminal, &recording.done()).0)
}

/// Standard error as text.
fn told(plan: &Plan, terminal: &Terminal, recording: Recording) -> String {
    text(play(plan, terminal, &recording.done()).1)
}
