//! Cuts the text of a node set into items, and knows what may stand between them.
//!
//! Items are separated by commas and white space. The other operators and operands of selectors
//! (`@group`, `!`, `&`, `^`, wildcards, `/regex/`, `^file`, `-item`) are recognised here, so that
//! they are refused by name and never taken for something else.

use super::error::{NodeSetProblem, ParseNodeSetError};
use super::name::{InvalidNodeName, is_name_character};

/// One item of the text: a name, possibly with brackets, which are closed and not nested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item<'a> {
    /// As it was written.
    pub(super) text: &'a str,
    /// Where in the whole text it begins.
    pub(super) start: usize,
}

/// Goes over the items of a text once, in the order written.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    position: usize,
    /// The comma after which an item must follow.
    comma: Option<usize>,
    seen: bool,
}

impl<'a> Scanner<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self {
            text,
            position: 0,
            comma: None,
            seen: false,
        }
    }

    /// The next item; none at the end of the text.
    pub(super) fn next_item(&mut self) -> Result<Option<Item<'a>>, ParseNodeSetError> {
        self.skip_separator()?;
        let start = self.position;
        if start == self.text.len() {
            return match self.comma {
                Some(comma) => Err(empty_item(comma)),
                None if self.seen => Ok(None),
                None => Err(ParseNodeSetError::new(0..start, NodeSetProblem::Empty)
                    .with_hint("write at least one name, as in n1 or n[1-3]")),
            };
        }
        let mut bracket = None;
        for (offset, character) in self.text[start..].char_indices() {
            let at = start + offset;
            match (character, bracket) {
                ('[', Some(_)) => return Err(wrong(at, NodeSetProblem::NestedBracket)),
                ('[', None) => bracket = Some(at),
                (']', Some(_)) => bracket = None,
                (']', None) => return Err(wrong(at, NodeSetProblem::UnopenedBracket)),
                (_, Some(_)) => {}
                (_, None) if is_separator(character) => {
                    self.position = at;
                    return Ok(Some(self.item(start, at)));
                }
                (_, None) if offset == 0 && matches!(character, '-' | '.') => {
                    return Err(self.refuse(at, character, true));
                }
                (_, None) if is_name_character(character) => {}
                (_, None) => return Err(self.refuse(at, character, offset == 0)),
            }
        }
        if let Some(at) = bracket {
            return Err(wrong(at, NodeSetProblem::UnclosedBracket).with_hint("add the missing `]`"));
        }
        self.position = self.text.len();
        Ok(Some(self.item(start, self.text.len())))
    }

    fn item(&mut self, start: usize, end: usize) -> Item<'a> {
        self.comma = None;
        self.seen = true;
        Item {
            text: &self.text[start..end],
            start,
        }
    }

    /// Goes past white space and at most one comma.
    fn skip_separator(&mut self) -> Result<(), ParseNodeSetError> {
        while let Some(character) = self.text[self.position..].chars().next() {
            if character == ',' {
                if self.comma.is_some() || !self.seen {
                    return Err(empty_item(self.position));
                }
                self.comma = Some(self.position);
            } else if !character.is_ascii_whitespace() {
                break;
            }
            self.position += character.len_utf8();
        }
        Ok(())
    }

    fn refuse(&self, at: usize, character: char, first: bool) -> ParseNodeSetError {
        let rest = &self.text[at..];
        let word = rest.split(is_separator).next().unwrap_or(rest);
        let unavailable = |what, written: &str, hint| {
            let at = at..at + written.len();
            let written = clip(written).escape_debug().to_string();
            ParseNodeSetError::new(at, NodeSetProblem::Unavailable { what, written })
                .with_hint(hint)
        };
        let itself = &rest[..character.len_utf8()];
        match character {
            '@' if first => unavailable("groups", word, "write the names of its nodes"),
            '^' if first => unavailable("files of names", word, "write the names in it"),
            '/' if first => unavailable("regular expressions", word, "write the names that match"),
            '-' if first => unavailable("exclusions", word, "leave those names out"),
            '!' | '&' | '^' => unavailable("set operators", itself, "write the names that remain"),
            '*' | '?' => unavailable("wildcards", itself, "write a range, as in n[1-3]"),
            '{' | '}' => wrong(at, NodeSetProblem::Braces).with_hint("write n[1-3]"),
            _ => ParseNodeSetError::new(
                at..at + character.len_utf8(),
                InvalidNodeName::Character { character, at }.into(),
            ),
        }
    }
}

/// As much of a text as a message should repeat.
pub(super) fn clip(text: &str) -> &str {
    const SHOWN_MAX: usize = 60;
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

const fn is_separator(character: char) -> bool {
    character == ',' || character.is_ascii_whitespace()
}

const fn wrong(at: usize, problem: NodeSetProblem) -> ParseNodeSetError {
    ParseNodeSetError::new(at..at + 1, problem)
}

fn empty_item(comma: usize) -> ParseNodeSetError {
    wrong(comma, NodeSetProblem::EmptyItem).with_hint("leave out the comma or add the name")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(text: &str) -> Result<Vec<(&str, usize)>, ParseNodeSetError> {
        let mut scanner = Scanner::new(text);
        let mut items = Vec::new();
        while let Some(item) = scanner.next_item()? {
            items.push((item.text, item.start));
        }
        Ok(items)
    }

    #[test]
    fn items_and_where_they_begin() {
        for (text, expected) in [
            ("n1", vec![("n1", 0)]),
            ("  n1\t", vec![("n1", 2)]),
            ("n1,n2", vec![("n1", 0), ("n2", 3)]),
            ("n1 , n2\nn3", vec![("n1", 0), ("n2", 5), ("n3", 8)]),
            ("n[1, 2] x", vec![("n[1, 2]", 0), ("x", 8)]),
            ("[::1]:5,a[1]b[2]", vec![("[::1]:5", 0), ("a[1]b[2]", 8)]),
        ] {
            assert_eq!(items(text), Ok(expected), "{text:?}");
        }
    }
}
