//! A range of numbers, with step and zero padding, that is not written out.

use super::error::NodeSetProblem;
use super::scan::clip;

/// Most digits in a number; every such number fits an `u64`.
pub(super) const DIGITS_MAX: usize = 18;

/// What stands between two commas inside brackets: `7`, `1-10`, `01-16/2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IndexRange {
    first: u64,
    last: u64,
    step: u64,
    /// Numbers have at least so many digits.
    width: usize,
    varies: bool,
}

/// Why a text is not a range, and the range that was probably meant.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadRange {
    pub(super) problem: NodeSetProblem,
    pub(super) instead: Option<String>,
}

impl From<NodeSetProblem> for BadRange {
    fn from(problem: NodeSetProblem) -> Self {
        Self {
            problem,
            instead: None,
        }
    }
}

impl IndexRange {
    /// Reads a range. Zero padding is as in `ClusterShell`: where one end is padded, both have the
    /// same width, and that is the width of all numbers between.
    pub(super) fn parse(text: &str) -> Result<Self, BadRange> {
        let (ends, step) = match text.split_once('/') {
            Some((ends, step)) => (ends, Some(step.trim())),
            None => (text, None),
        };
        let written = || clip(text.trim()).to_owned();
        let bad_number = || NodeSetProblem::BadNumber(written());
        let bad_step = || NodeSetProblem::BadStep(written());
        let Some((first, last)) = ends.split_once('-') else {
            if step.is_some() {
                return Err(bad_step().into());
            }
            let number = ends.trim();
            let value = parse_number(number, bad_number)?;
            return Ok(Self {
                first: value,
                last: value,
                step: 1,
                width: number.len(),
                varies: false,
            });
        };
        let (from, to) = (first.trim(), last.trim());
        let first = parse_number(from, bad_number)?;
        let last = parse_number(to, bad_number)?;
        let step = match step {
            None => 1,
            Some(step) => parse_number(step, bad_step)?,
        };
        if step == 0 {
            return Err(bad_step().into());
        }
        let padded = is_padded(from) || is_padded(to);
        let width = if padded { from.len().max(to.len()) } else { 1 };
        let problem = if padded && from.len() != to.len() {
            NodeSetProblem::PaddingMismatch(written())
        } else if first > last {
            NodeSetProblem::ReversedRange(written())
        } else {
            return Ok(Self {
                first,
                last,
                step,
                width,
                varies: from.len() != to.len(),
            });
        };
        let (low, high) = (first.min(last), first.max(last));
        let step = match step {
            1 => String::new(),
            step => format!("/{step}"),
        };
        Err(BadRange {
            problem,
            instead: Some(format!("{low:0width$}-{high:0width$}{step}")),
        })
    }

    /// How many numbers there are.
    pub(super) const fn count(&self) -> u64 {
        (self.last - self.first) / self.step + 1
    }

    /// Whether some numbers have more digits than others.
    pub(super) const fn varies_in_width(&self) -> bool {
        self.varies
    }

    /// Whether a step was written that matters.
    pub(super) const fn is_stepped(&self) -> bool {
        self.step > 1
    }

    /// Digits of the longest number.
    pub(super) fn digits(&self) -> usize {
        let digits = self.last.checked_ilog10().unwrap_or(0) + 1;
        self.width
            .max(usize::try_from(digits).unwrap_or(DIGITS_MAX))
    }

    /// Digits that a number has at least.
    pub(super) const fn width(&self) -> usize {
        self.width
    }

    /// The numbers, upwards.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> + use<> {
        let Self { first, step, .. } = *self;
        (0..self.count()).map(move |nth| first + nth * step)
    }
}

/// Whether a number as text begins with zeros for the sake of its width.
pub(super) fn is_padded(number: &str) -> bool {
    number.len() > 1 && number.starts_with('0')
}

fn parse_number(text: &str, bad: impl Fn() -> NodeSetProblem) -> Result<u64, NodeSetProblem> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad());
    }
    if text.len() > DIGITS_MAX {
        return Err(NodeSetProblem::LongNumber(text.len()));
    }
    text.parse().map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_widths() {
        for (text, numbers, width) in [
            ("7", vec![7], 1),
            ("007", vec![7], 3),
            ("9-11", vec![9, 10, 11], 1),
            ("09-11", vec![9, 10, 11], 2),
            ("0-0", vec![0], 1),
            ("00-02", vec![0, 1, 2], 2),
            ("1-10/3", vec![1, 4, 7, 10], 1),
            ("1-10/03", vec![1, 4, 7, 10], 1),
            ("5-5/9", vec![5], 1),
            (" 1 - 3 / 2 ", vec![1, 3], 1),
            ("999999999999999999", vec![999_999_999_999_999_999], 18),
        ] {
            let range = IndexRange::parse(text).unwrap();
            assert_eq!(range.numbers().collect::<Vec<_>>(), numbers, "{text}");
            assert_eq!(range.count(), numbers.len() as u64, "{text}");
            assert_eq!(range.width(), width, "{text}");
        }
        let whole = IndexRange::parse("0-999999999999999999/1").unwrap();
        assert_eq!(whole.count(), 1_000_000_000_000_000_000);
    }

    #[test]
    fn what_is_no_range_and_what_was_meant() {
        for (text, instead) in [
            ("3-1", Some("1-3")),
            ("03-01", Some("01-03")),
            ("9-1/2", Some("1-9/2")),
            ("9-011", Some("009-011")),
            ("001-10", Some("001-010")),
            ("0-00", Some("00-00")),
            ("x", None),
            ("1-", None),
            ("-1", None),
            ("1-2-3", None),
            ("+1", None),
            ("1 2", None),
            ("5/2", None),
            ("1-9/0", None),
            ("1-9/x", None),
            ("1-9/", None),
            ("1-9/2/2", None),
            ("1234567890123456789", None),
            ("٣", None),
        ] {
            let error = IndexRange::parse(text).unwrap_err();
            assert_eq!(error.instead.as_deref(), instead, "{text}");
        }
    }
}
