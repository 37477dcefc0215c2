//! What was learned while nodes were found, told before anything else.

use dtx_client::cluster::Selection;

use super::Context;
use crate::report::one_line;
use crate::style::Tone;

/// As many lines of a kind as a person reads; a flood of impostors must not push them away.
const LINES_SHOWN: usize = 8;

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
    for line in first_few(lines) {
        context.tell(line);
    }
}

/// The first few lines, and how many more there are.
fn first_few(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(LINES_SHOWN);
    // One more line is as long as saying that there is one more.
    if more > 1 {
        lines.truncate(LINES_SHOWN);
        lines.push(format!("… and {more} more of this kind"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::first_few;

    #[test]
    fn a_flood_of_impostors_is_a_few_lines() {
        let flood = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
        assert_eq!(first_few(flood(9)).len(), 9);
        let shown = first_few(flood(4096));
        assert_eq!(shown.len(), 9);
        assert!(shown[8].contains("4088 more"), "{}", shown[8]);
    }
}
