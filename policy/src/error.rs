//! Why a policy file was refused, shown where it is wrong.

use std::fmt;
use std::ops::Range;

/// A policy that cannot be read as it is. Nothing of it holds: a rule that cannot be understood
/// might have been the one that mattered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError {
    line: usize,
    column: usize,
    width: usize,
    source_line: String,
    message: String,
}

impl PolicyError {
    /// Describes what is wrong at a range of bytes of `text`.
    pub(crate) fn at(text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        let start = floor(text, span.start);
        let end = floor(text, span.end.max(start));
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let marked = &text[start..end.clamp(start, line_end.max(start))];
        Self {
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            width: marked.chars().count().max(1),
            source_line: text[line_start..line_end].trim_end().to_owned(),
            message: message.into(),
        }
    }

    /// The same place, with other words.
    pub(crate) fn with_message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    /// The line, from 1.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }

    /// The column in characters, from 1.
    #[must_use]
    pub const fn column(&self) -> usize {
        self.column
    }

    /// What is wrong, in one line and without the place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl std::error::Error for PolicyError {}

impl fmt::Display for PolicyError {
    /// The message, then the line with a caret below what is wrong.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        // What precedes the caret keeps its tabs, so that both lines are indented alike.
        let before: String = self
            .source_line
            .chars()
            .take(self.column - 1)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let shown: String = self.source_line.chars().map(visible).collect();
        writeln!(
            f,
            "line {}, column {}: {}",
            self.line, self.column, self.message
        )?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {shown}")?;
        write!(f, "{margin} | {before}{}", "^".repeat(self.width))
    }
}

fn visible(c: char) -> char {
    if c.is_control() && c != '\t' {
        '\u{fffd}'
    } else {
        c
    }
}

/// The word that was probably meant, among those that exist.
pub(crate) fn did_you_mean<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1.max(candidate.len() / 3))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edits from one word to another: insertions, deletions, replacements, and neighbours swapped.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(64).collect();
    let b: Vec<char> = b.chars().take(64).collect();
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            if i == 0 || j == 0 {
                rows[i][j] = i + j;
                continue;
            }
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_is_below_what_is_wrong() {
        let error = PolicyError::at("a = 1\n\trnu = {}\n", 7..10, "unknown key `rnu`");
        assert_eq!((error.line(), error.column()), (2, 2));
        assert_eq!(
            error.to_string(),
            "line 2, column 2: unknown key `rnu`\n  |\n2 | \trnu = {}\n  | \t^^^"
        );
        // Ranges beyond the text, or inside a character, are shown somewhere near.
        for span in [0..0, 3..900, 900..901, 1..2] {
            assert!(!PolicyError::at("ä = 1", span, "x").to_string().is_empty());
        }
    }

    #[test]
    fn words_nearby() {
        let known = ["id", "who", "run", "as", "env", "limits"];
        for (word, meant) in [
            ("rnu", Some("run")),
            ("limit", Some("limits")),
            ("wh", Some("who")),
            ("completely", None),
        ] {
            assert_eq!(did_you_mean(word, known), meant, "{word}");
        }
    }
}
