//! One item of a node set as text, `r[1-2]n[01-16]-ib`, read and counted but not written out.

use super::error::{NodeSetProblem, ParseNodeSetError};
use super::name::{InvalidNodeName, NAME_MAX};
use super::range::IndexRange;
use super::scan::Item;

/// A name with ranges in some of its places. It takes as much memory as its text, however many
/// names it stands for.
///
/// Invariant: every name that it stands for has at most `NAME_MAX` bytes, so there are no more
/// parts than that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern<'a> {
    parts: Vec<Part<'a>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part<'a> {
    /// The same in all names.
    Text(&'a str),
    /// One pair of brackets.
    Ranges(Vec<IndexRange>),
}

impl<'a> Pattern<'a> {
    /// Reads an item whose brackets are closed and not nested.
    pub(super) fn parse(item: Item<'a>) -> Result<Self, ParseNodeSetError> {
        let whole = Self {
            parts: vec![Part::Text(item.text)],
        };
        if !item.text.contains('[') || is_address(item.text) {
            return Ok(whole);
        }
        let mut parts = Vec::new();
        let mut rest = item.text;
        let mut length = 0;
        while let Some((before, after)) = rest.split_once('[') {
            let open = item.text.len() - after.len() - 1;
            let stepped = matches!(parts.last(), Some(Part::Ranges(ranges))
                if ranges.iter().any(IndexRange::is_stepped));
            if before.is_empty() && open > 0 {
                return Err(
                    error(item, open..open + 1, NodeSetProblem::AdjacentBrackets).with_hint(
                        "put a comma between two names, or write the numbers in one bracket",
                    ),
                );
            }
            no_digit_after_step(item, stepped, before, open - before.len())?;
            if !before.is_empty() {
                parts.push(Part::Text(before));
            }
            let (inside, outside) = after.split_once(']').unwrap_or((after, ""));
            let ranges = parse_ranges(item, open + 1, inside, before)?;
            let digits = ranges.iter().map(IndexRange::digits).max().unwrap_or(0);
            // Checked here and not at the end, so that a hostile text ends early.
            length += before.len() + digits;
            if length > NAME_MAX {
                let problem = InvalidNodeName::TooLong(length).into();
                return Err(error(item, 0..item.text.len(), problem));
            }
            parts.push(Part::Ranges(ranges));
            rest = outside;
        }
        let stepped = matches!(parts.last(), Some(Part::Ranges(ranges))
            if ranges.iter().any(IndexRange::is_stepped));
        no_digit_after_step(item, stepped, rest, item.text.len() - rest.len())?;
        if length + rest.len() > NAME_MAX {
            let problem = InvalidNodeName::TooLong(length + rest.len()).into();
            return Err(error(item, 0..item.text.len(), problem));
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest));
        }
        Ok(Self { parts })
    }

    /// How many names it stands for.
    pub(super) fn count(&self) -> u64 {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Text(_) => 1,
                Part::Ranges(ranges) => ranges
                    .iter()
                    .fold(0, |sum: u64, range| sum.saturating_add(range.count())),
            })
            .fold(1, u64::saturating_mul)
    }

    /// Calls `each` with every name, the last range running fastest.
    pub(super) fn for_each_name<E>(
        &self,
        mut each: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        write_out(&self.parts, &mut String::new(), &mut each)
    }
}

fn write_out<E>(
    parts: &[Part<'_>],
    name: &mut String,
    each: &mut impl FnMut(&str) -> Result<(), E>,
) -> Result<(), E> {
    let Some((part, rest)) = parts.split_first() else {
        return each(name);
    };
    let length = name.len();
    match part {
        Part::Text(text) => {
            name.push_str(text);
            write_out(rest, name, each)?;
        }
        Part::Ranges(ranges) => {
            for range in ranges {
                for number in range.numbers() {
                    name.truncate(length);
                    push_number(name, number, range.width());
                    write_out(rest, name, each)?;
                }
            }
        }
    }
    name.truncate(length);
    Ok(())
}

/// Appends a number with at least `width` digits.
pub(super) fn push_number(text: &mut String, number: u64, width: usize) {
    use std::fmt::Write;
    write!(text, "{number:0width$}").expect("a string takes all that is written to it");
}

/// Whether an item is an IPv6 address in brackets, which no range can be: ranges have no colon.
fn is_address(text: &str) -> bool {
    let inside = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    inside.is_some_and(|(inside, _)| inside.contains(':'))
}

fn parse_ranges(
    item: Item<'_>,
    start: usize,
    inside: &str,
    before: &str,
) -> Result<Vec<IndexRange>, ParseNodeSetError> {
    if inside.trim().is_empty() {
        let at = start - 1..start + inside.len() + 1;
        return Err(error(item, at, NodeSetProblem::EmptyBrackets)
            .with_hint("write a number or a range, as in n[1-3], or leave the brackets out"));
    }
    let mut ranges = Vec::new();
    let mut at = start;
    for text in inside.split(',') {
        let span = at..at + text.len();
        at = span.end + 1;
        if text.trim().is_empty() {
            let comma = span.start.saturating_sub(1).max(start);
            return Err(error(item, comma..comma + 1, NodeSetProblem::EmptyRange)
                .with_hint("leave out the comma or add the number"));
        }
        let range = IndexRange::parse(text).map_err(|bad| {
            let hint = bad.instead.map(|new| corrected(item.text, &span, &new));
            let error = error(item, span.clone(), bad.problem);
            match hint {
                Some(hint) => error.with_hint(hint),
                None => error,
            }
        })?;
        if range.varies_in_width() && before.ends_with(|last: char| last.is_ascii_digit()) {
            let problem = NodeSetProblem::WidthAfterDigit(text.trim().to_owned());
            return Err(error(item, span, problem)
                .with_hint("write all digits inside the brackets, as in n[008-012]"));
        }
        ranges.push(range);
    }
    Ok(ranges)
}

fn no_digit_after_step(
    item: Item<'_>,
    stepped: bool,
    text: &str,
    at: usize,
) -> Result<(), ParseNodeSetError> {
    if stepped && text.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(error(item, at..at + 1, NodeSetProblem::DigitAfterStep)
            .with_hint("write all digits inside the brackets, as in n[10-90/20]"));
    }
    Ok(())
}

fn error(item: Item<'_>, at: std::ops::Range<usize>, problem: NodeSetProblem) -> ParseNodeSetError {
    ParseNodeSetError::new(item.start + at.start..item.start + at.end, problem)
}

/// "write n[1-3]", or only the range where the item is too long to be repeated.
fn corrected(item: &str, at: &std::ops::Range<usize>, new: &str) -> String {
    const SHOWN_MAX: usize = 60;
    if item.len() > SHOWN_MAX {
        return format!("write {new}");
    }
    format!("write {}{new}{}", &item[..at.start], &item[at.end..])
}
