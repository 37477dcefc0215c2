//! What can be wrong with a node set as text, and where.

use std::ops::Range;

use super::name::InvalidNodeName;
use crate::limits;

/// A text that is not a node set. Nothing is selected by a part of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct ParseNodeSetError {
    /// The bytes of the text that are wrong, for a caret below them.
    pub at: Range<usize>,
    /// What is wrong with them.
    pub problem: NodeSetProblem,
    hint: Option<String>,
}

impl ParseNodeSetError {
    pub(super) const fn new(at: Range<usize>, problem: NodeSetProblem) -> Self {
        Self {
            at,
            problem,
            hint: None,
        }
    }

    pub(super) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// What to do about it, such as `write n[1-3]`.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

/// What is wrong with a node set as text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeSetProblem {
    /// Nothing was written at all.
    #[error("no node is named")]
    Empty,
    /// A comma with nothing before or after it.
    #[error("a name is missing next to this comma")]
    EmptyItem,
    /// `n[1-3`.
    #[error("`[` is never closed")]
    UnclosedBracket,
    /// `n1-3]`.
    #[error("`]` closes no bracket")]
    UnopenedBracket,
    /// `n[[1-3]]`.
    #[error("brackets cannot be inside brackets")]
    NestedBracket,
    /// `n[1-2][3-4]`, which could mean two things.
    #[error("a bracket cannot follow a bracket directly")]
    AdjacentBrackets,
    /// `n[]`.
    #[error("there is no number between the brackets")]
    EmptyBrackets,
    /// `n[1,,3]`.
    #[error("a number is missing next to this comma")]
    EmptyRange,
    /// `n[3-1]`.
    #[error("the range {0} runs backwards")]
    ReversedRange(String),
    /// `n[a-c]`.
    #[error("{0:?} is not a number or a range of numbers")]
    BadNumber(String),
    /// A number that nothing counts up to.
    #[error("a number of {0} digits is too long (18 at most)")]
    LongNumber(usize),
    /// `n[1-9/0]`, `n[1-9/x]` or `n[5/2]`.
    #[error("{0:?} is not a range with a step, as in 1-9/2")]
    BadStep(String),
    /// `n[9-011]`: are they `n9` or `n009`?
    #[error("the ends of the range {0} are padded with zeros differently")]
    PaddingMismatch(String),
    /// `n1[8-12]`: `n18` to `n112`, or `n18`, `n19`, `n110`…?
    #[error("the range {0} changes its width, and a digit stands before it")]
    WidthAfterDigit(String),
    /// `n[1-9/2]0`, which `ClusterShell` does not take either.
    #[error("a digit cannot follow a range with a step")]
    DigitAfterStep,
    /// More than anybody has.
    #[error("more than {max} nodes are named", max = limits::NODES_MAX)]
    TooMany,
    /// What an item stands for is no node's name.
    #[error(transparent)]
    Name(#[from] InvalidNodeName),
    /// `n{1..3}`: braces that the shell left alone.
    #[error("braces are not used for ranges")]
    Braces,
    /// Part of the grammar of selectors, and not taken where only names are.
    #[error("{what} are not available here: {written}")]
    Unavailable {
        /// What it is.
        what: &'static str,
        /// As it was written.
        written: String,
    },
}
