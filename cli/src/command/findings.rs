//! What was learned while nodes were found, told before anything else.

use dtx_client::cluster::Selection;

use super::Context;
use crate::report::one_line;
use crate::style::Tone;

/// As many lines of a kind as a person reads; a flood of impostors must not push them away.
const LINES_SHOWN: usize = 10;

/// Tells the notices and conflicts of a selection.
pub(super) fn tell(context: &Context, selection: &Selection) {
    let color = context.terminal.stderr.color;
    let notices = selection
        .notices
        .iter()
        .map(|notice| Tone::Faint.paint(one_line(notice), color).to_string());
    tell_first(context, notices.collect());
    let conflicts = selection.conflicts.iter().map(|conflict| {
        let word = Tone::Notice.paint("warning", color);
        format!("{word}: {}: {}", conflict.node, one_line(&conflict.text))
    });
    tell_first(context, conflicts.collect());
}

fn tell_first(context: &Context, lines: Vec<String>) {
    let more = lines.len().saturating_sub(LINES_SHOWN);
    // One more line is as long as saying that there is one more.
    let shown = if more > 1 { LINES_SHOWN } else { lines.len() };
    for line in &lines[..shown] {
        context.tell(line);
    }
    if more > 1 {
        context.tell(format_args!("… and {more} more of this kind"));
    }
}
