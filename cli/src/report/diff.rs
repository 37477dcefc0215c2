//! `--diff`: how one folded result differs from another.

use std::io::{self, Write};

use similar::{ChangeTag, TextDiff};

use super::block::Block;
use crate::style::Tone;
use crate::terminal::Surface;

/// Lines shown around each change, as `diff -u` does.
const CONTEXT: usize = 3;

/// Writes a unified diff from `reference` to `block`.
pub(super) fn write_diff(
    to: &mut impl Write,
    reference: &Block,
    block: &Block,
    surface: Surface,
) -> io::Result<()> {
    let (old, new) = (reference.text(surface), block.text(surface));
    let (old, new) = (String::from_utf8_lossy(&old), String::from_utf8_lossy(&new));
    let color = surface.color;
    let header = |sign: &str, block: &Block| match block.ending.as_str() {
        "" => format!("{sign} {}", block.title()),
        ending => format!("{sign} {}: {ending}", block.title()),
    };
    let titles = [header("---", reference), header("+++", block)];
    for title in titles {
        writeln!(to, "{}", Tone::Heading.paint(title, color))?;
    }
    let diff = TextDiff::configure()
        .timeout(std::time::Duration::from_secs(1))
        .diff_lines(&*old, &*new);
    for hunk in diff.unified_diff().context_radius(CONTEXT).iter_hunks() {
        writeln!(to, "{}", Tone::Node.paint(hunk.header(), color))?;
        for change in hunk.iter_changes() {
            let (sign, tone) = match change.tag() {
                ChangeTag::Delete => ("-", Some(Tone::Bad)),
                ChangeTag::Insert => ("+", Some(Tone::Good)),
                ChangeTag::Equal => (" ", None),
            };
            let line = format!("{sign}{}", change.value().trim_end_matches('\n'));
            match tone {
                Some(tone) => writeln!(to, "{}", tone.paint(line, color))?,
                None => writeln!(to, "{line}")?,
            }
        }
    }
    Ok(())
}
