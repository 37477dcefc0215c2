//! Folded text cut short for a message: `n[01-03] and 12 more`.

use super::pattern::Pattern;
use super::scan::{Item, Scanner};

/// Cuts a folded text to about `width` characters by leaving out whole names, and says how many:
/// `n[01-03] and 12 more`. At least one name or range is kept, whatever the width; text that fits
/// and text that is no node set stay as they are.
#[must_use]
pub fn shorten(folded: &str, width: usize) -> String {
    if folded.len() <= width {
        return folded.to_owned();
    }
    cut(folded, width).unwrap_or_else(|| folded.to_owned())
}

fn cut(folded: &str, width: usize) -> Option<String> {
    let total = count(folded)?;
    let room = width.saturating_sub(" and 1000 more".len());
    let mut scanner = Scanner::new(folded);
    let mut shown = String::new();
    let mut named: u64 = 0;
    while let Some(item) = scanner.next_item().ok()? {
        let left = room.saturating_sub(shown.len() + usize::from(!shown.is_empty()));
        let whole = item.text.len() <= left;
        let piece = if whole {
            item.text.to_owned()
        } else {
            part_of(item, left, shown.is_empty())?
        };
        if !piece.is_empty() {
            named = named.saturating_add(count(&piece)?);
            if !shown.is_empty() {
                shown.push(',');
            }
            shown.push_str(&piece);
        }
        if !whole {
            break;
        }
    }
    match total.saturating_sub(named) {
        0 => Some(shown),
        more => Some(format!("{shown} and {more} more")),
    }
}

/// As many ranges of an item's only bracket as there is room for; if there must be something, at
/// least one range or name.
fn part_of(item: Item<'_>, room: usize, must: bool) -> Option<String> {
    let folds = Pattern::parse(item).ok()?.count() > 1;
    if folds && item.text.matches('[').count() == 1 {
        let (before, rest) = item.text.split_once('[')?;
        let (ranges, after) = rest.split_once(']')?;
        let fixed = before.len() + after.len() + 2;
        let mut ends = ranges.match_indices(',').map(|(end, _)| end).peekable();
        let shortest = ends.peek().copied().filter(|_| must);
        let fitting = ends.take_while(|end| fixed + end <= room).last();
        if let Some(end) = fitting.or(shortest) {
            let kept = &ranges[..end];
            let single = !kept.contains([',', '-']);
            let (open, close) = if single { ("", "") } else { ("[", "]") };
            return Some(format!("{before}{open}{kept}{close}{after}"));
        }
    }
    if must {
        first_name(item)
    } else {
        Some(String::new())
    }
}

fn first_name(item: Item<'_>) -> Option<String> {
    let mut first = None;
    let stop = Pattern::parse(item).ok()?.for_each_name(|name| {
        first = Some(name.to_owned());
        Err(())
    });
    stop.err().and(first)
}

fn count(text: &str) -> Option<u64> {
    let mut scanner = Scanner::new(text);
    let mut total: u64 = 0;
    while let Some(item) = scanner.next_item().ok()? {
        total = total.saturating_add(Pattern::parse(item).ok()?.count());
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_to_width() {
        for (folded, width, short) in [
            ("n[01-03,05-16]", 14, "n[01-03,05-16]"),
            ("n[01-03,05-16]", 13, "n[01-03] and 12 more"),
            ("n[01,05-16]", 5, "n01 and 12 more"),
            ("n[1-3,5],m[1-9],web[1-4]", 23, "n[1-3,5] and 13 more"),
            (
                "n[1-3,5],m[1-9,11,13],web[1-4]",
                29,
                "n[1-3,5],m[1-9] and 6 more",
            ),
            ("n[1-100000]", 5, "n1 and 99999 more"),
            ("r[1-2]n[1-4]", 5, "r1n1 and 7 more"),
            ("r[1-2]n[1-4],x", 5, "r1n1 and 8 more"),
            ("alpha,beta,gamma,delta", 20, "alpha and 3 more"),
            ("a-very-long-name,b", 5, "a-very-long-name and 1 more"),
            ("a-very-long-name", 5, "a-very-long-name"),
            ("[2001:db8::1]:15950,x", 5, "[2001:db8::1]:15950 and 1 more"),
            ("", 0, ""),
            ("not a [node set", 3, "not a [node set"),
        ] {
            assert_eq!(shorten(folded, width), short, "{folded} to {width}");
        }
    }
}
