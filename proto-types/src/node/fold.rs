//! Names folded into the shortest usual text: `n[1-3,7],r[1-2]n[01-16]`.
//!
//! Names with the same text around their numbers make a table: a row for each name, a column for
//! each number. Order, padding and ranges are those of `ClusterShell`.

use std::collections::BTreeMap;

use super::name::NodeName;
use super::pattern::push_number;
use super::range::DIGITS_MAX;
use super::table::Table;

/// The names as text, folded, sorted, without duplicates. It depends on the names alone and not
/// on their order, and [`super::NodeSet::parse`] reads the same names from it.
#[must_use]
pub fn fold_names<'a>(names: impl IntoIterator<Item = &'a NodeName>) -> String {
    let mut tables: BTreeMap<String, Vec<Index>> = BTreeMap::new();
    let mut skeleton = String::new();
    let mut row = Vec::new();
    for name in names {
        skeleton.clear();
        row.clear();
        split(name.as_str(), &mut skeleton, &mut row);
        if let Some(cells) = tables.get_mut(&skeleton) {
            cells.extend_from_slice(&row);
        } else {
            tables.insert(skeleton.clone(), row.clone());
        }
    }
    let mut text = String::new();
    for (skeleton, cells) in tables {
        let literals: Vec<&str> = skeleton.split(HOLE).collect();
        match literals.len() - 1 {
            0 => write_row(&literals, &[], &mut text),
            1 => {
                let mut numbers = cells;
                numbers.sort_unstable();
                numbers.dedup();
                write_row(&literals, &[numbers], &mut text);
            }
            width => Table::new(&cells, width).fold(|row| write_row(&literals, row, &mut text)),
        }
    }
    text
}

fn write_row(literals: &[&str], row: &[Vec<Index>], text: &mut String) {
    if !text.is_empty() {
        text.push(',');
    }
    let mut cells = row.iter();
    for (nth, literal) in literals.iter().enumerate() {
        if nth > 0
            && let Some(numbers) = cells.next()
        {
            write_ranges(numbers, text);
        }
        text.push_str(literal);
    }
}

/// A number as it is written in a name. Sorted as `ClusterShell` does: shorter ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Index {
    width: usize,
    value: u64,
}

impl Index {
    /// Whether it begins with zeros for the sake of its width.
    fn is_padded(self) -> bool {
        let digits = self.value.checked_ilog10().unwrap_or(0) + 1;
        usize::try_from(digits).is_ok_and(|digits| digits < self.width)
    }
}

/// Stands for a number in a skeleton. No name has this character, and it sorts before all others.
const HOLE: char = '\0';

/// Takes the numbers out of a name.
fn split(name: &str, skeleton: &mut String, row: &mut Vec<Index>) {
    // The brackets of an address and those of a range would not go together.
    let mut rest = if name.starts_with('[') { "" } else { name };
    skeleton.push_str(&name[..name.len() - rest.len()]);
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        skeleton.push_str(before);
        let end = from
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(from.len());
        let (digits, after) = from.split_at(end);
        rest = after;
        match digits.parse() {
            Ok(value) if digits.len() <= DIGITS_MAX => {
                skeleton.push(HOLE);
                row.push(Index {
                    width: digits.len(),
                    value,
                });
            }
            // Longer than any number counted with: it stays as it is.
            _ => skeleton.push_str(digits),
        }
    }
    skeleton.push_str(rest);
}

/// Writes sorted numbers: one as it is, several in brackets, with neighbours as ranges.
fn write_ranges(numbers: &[Index], text: &mut String) {
    if let [only] = numbers {
        push_number(text, only.value, only.width);
        return;
    }
    text.push('[');
    let mut run: Option<(Index, Index)> = None;
    for &index in numbers {
        run = Some(match run {
            Some((first, last)) if continues(first, last, index) => (first, index),
            Some(done) => {
                write_run(done, text);
                text.push(',');
                (index, index)
            }
            None => (index, index),
        });
    }
    if let Some(last) = run {
        write_run(last, text);
    }
    text.push(']');
}

/// Whether `next` prolongs the range from `first` to `last`. A padded range keeps its width; one
/// without padding goes from 9 to 10.
fn continues(first: Index, last: Index, next: Index) -> bool {
    let same_kind = if first.is_padded() {
        next.width == first.width
    } else {
        !next.is_padded()
    };
    same_kind && last.value.checked_add(1) == Some(next.value)
}

fn write_run((first, last): (Index, Index), text: &mut String) {
    push_number(text, first.value, first.width);
    if first != last {
        text.push('-');
        push_number(text, last.value, last.width);
    }
}
