//! One item of a node set as text, `r[1-2]n[01-16]-ib`, read and counted but not written out.

use std::ops::Range;

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
pub(super) struct Pattern<'a>(Form<'a>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form<'a> {
    /// A name without ranges.
    Name(&'a str),
    /// Some of these are ranges.
    Parts(Vec<Part<'a>>),
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
        if !item.text.contains('[') || is_address(item.text) {
            return Ok(Self(Form::Name(item.text)));
        }
        let mut reader = Reader {
            item,
            parts: Vec::new(),
            longest: 0,
        };
        let mut rest = item.text;
        while let Some((before, after)) = rest.split_once('[') {
            let open = item.text.len() - after.len() - 1;
            if before.is_empty() && open > 0 {
                return Err(reader
                    .error(open..open + 1, NodeSetProblem::AdjacentBrackets)
                    .with_hint(
                        "put a comma between two names, or write the numbers in one bracket",
                    ));
            }
            reader.text(before, open - before.len())?;
            let (inside, outside) = after.split_once(']').unwrap_or((after, ""));
            reader.ranges(inside, open + 1)?;
            rest = outside;
        }
        reader.text(rest, item.text.len() - rest.len())?;
        Ok(Self(Form::Parts(reader.parts)))
    }

    /// How many names it stands for.
    pub(super) fn count(&self) -> u64 {
        let Form::Parts(parts) = &self.0 else {
            return 1;
        };
        parts
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
        match &self.0 {
            Form::Name(name) => each(name),
            Form::Parts(parts) => write_out(parts, &mut String::new(), &mut each),
        }
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

/// Collects the parts of one item.
struct Reader<'a> {
    item: Item<'a>,
    parts: Vec<Part<'a>>,
    /// Bytes of the longest name so far.
    longest: usize,
}

impl<'a> Reader<'a> {
    /// Text outside brackets, which begins at `at` in the item.
    fn text(&mut self, text: &'a str, at: usize) -> Result<(), ParseNodeSetError> {
        if text.is_empty() {
            return Ok(());
        }
        let stepped = matches!(self.parts.last(), Some(Part::Ranges(ranges))
            if ranges.iter().any(IndexRange::is_stepped));
        if stepped && text.starts_with(is_digit) {
            return Err(self
                .error(at..at + 1, NodeSetProblem::DigitAfterStep)
                .with_hint("write all digits inside the brackets, as in n[10-90/20]"));
        }
        self.parts.push(Part::Text(text));
        self.lengthen(text.len())
    }

    /// What stands inside a pair of brackets, beginning at `start` in the item.
    fn ranges(&mut self, inside: &str, start: usize) -> Result<(), ParseNodeSetError> {
        if inside.trim().is_empty() {
            let at = start - 1..start + inside.len() + 1;
            return Err(self
                .error(at, NodeSetProblem::EmptyBrackets)
                .with_hint("write a number or a range, as in n[1-3], or leave the brackets out"));
        }
        let after_digit = matches!(self.parts.last(), Some(Part::Text(text))
            if text.ends_with(is_digit));
        let mut ranges = Vec::new();
        let mut at = start;
        for text in inside.split(',') {
            let span = at..at + text.len();
            at = span.end + 1;
            if text.trim().is_empty() {
                let comma = span.start.saturating_sub(1).max(start);
                return Err(self
                    .error(comma..comma + 1, NodeSetProblem::EmptyRange)
                    .with_hint("leave out the comma or add the number"));
            }
            let range = IndexRange::parse(text).map_err(|bad| {
                let error = self.error(span.clone(), bad.problem);
                match bad.instead {
                    Some(new) => error.with_hint(corrected(self.item.text, &span, &new)),
                    None => error,
                }
            })?;
            if range.varies_in_width() && after_digit {
                let problem = NodeSetProblem::WidthAfterDigit(text.trim().to_owned());
                return Err(self
                    .error(span, problem)
                    .with_hint("write all digits inside the brackets, as in n[008-012]"));
            }
            ranges.push(range);
        }
        let digits = ranges.iter().map(IndexRange::digits).max().unwrap_or(0);
        self.parts.push(Part::Ranges(ranges));
        self.lengthen(digits)
    }

    /// Keeps names within their bound at each step, so that a hostile text ends early.
    fn lengthen(&mut self, bytes: usize) -> Result<(), ParseNodeSetError> {
        self.longest += bytes;
        if self.longest > NAME_MAX {
            let problem = InvalidNodeName::TooLong(self.longest).into();
            return Err(self.error(0..self.item.text.len(), problem));
        }
        Ok(())
    }

    fn error(&self, at: Range<usize>, problem: NodeSetProblem) -> ParseNodeSetError {
        let start = self.item.start;
        ParseNodeSetError::new(start + at.start..start + at.end, problem)
    }
}

const fn is_digit(character: char) -> bool {
    character.is_ascii_digit()
}

/// "write n[1-3]", or only the range where the item is too long to be repeated.
fn corrected(item: &str, at: &Range<usize>, new: &str) -> String {
    const SHOWN_MAX: usize = 60;
    if item.len() > SHOWN_MAX {
        return format!("write {new}");
    }
    format!("write {}{new}{}", &item[..at.start], &item[at.end..])
}
