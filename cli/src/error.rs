//! What ends a command before it did its work: what broke, why, and what to do.

use std::error::Error;
use std::fmt;
use std::io::Write;

use dtx_client::hint::Hint;
use dtx_proto_types::node::ParseNodeSetError;

use crate::exit_code;
use crate::report::one_line;
use crate::style::Tone;
use crate::terminal::Surface;

/// Why a command did not do its work.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    error: Box<dyn Error + Send + Sync>,
    caret: Option<Caret>,
    excerpt: Vec<String>,
    hints: Vec<String>,
}

/// What kind of failure it is, which decides the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What was typed makes no sense.
    Usage,
    /// A configuration or policy file is wrong.
    Configuration,
    /// The nodes that were meant are none, too many or unknown.
    Target,
    /// The operator's key cannot be used.
    Identity,
    /// The work was begun, and something here went wrong.
    Local,
    /// Nobody reads the output any more.
    BrokenPipe,
    /// The operator interrupted before anything was sent.
    Interrupted,
}

/// Text that was typed, and the bytes of it that are wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Caret {
    text: String,
    at: std::ops::Range<usize>,
}

impl Kind {
    const fn exit_code(self) -> u8 {
        match self {
            Self::Usage | Self::Configuration | Self::Target | Self::Identity => {
                exit_code::NOTHING_SENT
            }
            Self::Local => exit_code::FAILED,
            Self::BrokenPipe => exit_code::BROKEN_PIPE,
            Self::Interrupted => exit_code::INTERRUPTED,
        }
    }
}

impl Failure {
    /// A failure with its cause.
    pub fn new(kind: Kind, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind,
            error: error.into(),
            caret: None,
            excerpt: Vec::new(),
            hints: Vec::new(),
        }
    }

    /// A failure of an operation that knows what to do about it.
    pub fn hinted(kind: Kind, error: impl Error + Hint + Send + Sync + 'static) -> Self {
        let hints = error.hints();
        Self {
            hints,
            ..Self::new(kind, error)
        }
    }

    /// Adds what can be done: a command to type or a file to edit.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Text that is no node set, with a caret under what is wrong.
    #[must_use]
    pub fn node_set(text: &str, error: ParseNodeSetError) -> Self {
        let hints = error.hint().into_iter().collect();
        let caret = Some(Caret {
            text: text.to_owned(),
            at: error.at.clone(),
        });
        Self {
            caret,
            hints,
            ..Self::new(Kind::Target, error)
        }
    }

    /// Shows lines of a file with the place that is wrong, all but the first of `text`, which
    /// repeats the message.
    #[must_use]
    pub fn excerpt(mut self, text: &str) -> Self {
        self.excerpt = text.lines().skip(1).map(str::to_owned).collect();
        self
    }

    /// Says where the text stands that is wrong.
    #[must_use]
    pub fn at(mut self, place: &str) -> Self {
        self.error = format!("{place}: {}", self.error).into();
        self
    }

    /// What an I/O error of an output means: nobody reading is no news, all else is.
    #[must_use]
    pub fn output(error: std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::BrokenPipe => Kind::BrokenPipe,
            _ => Kind::Local,
        };
        Self::new(kind, Context("the output cannot be written", error))
    }

    /// The exit status that it leads to.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        self.kind.exit_code()
    }

    /// What kind of failure it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Tells the operator.
    pub fn render(&self, to: &mut impl Write, surface: Surface) {
        if self.kind == Kind::BrokenPipe {
            return;
        }
        // If standard error is gone, there is nobody to tell.
        let _nobody = write!(to, "{}", Rendered(self, surface.color));
    }
}

/// An error with what was being done.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Context<E: Error + 'static>(pub &'static str, #[source] pub E);

struct Rendered<'a>(&'a Failure, bool);

impl fmt::Display for Rendered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(failure, color) = self;
        let word = Tone::Bad.paint("error", *color);
        writeln!(f, "{word}: {}", one_line(&failure.error.to_string()))?;
        if let Some(caret) = &failure.caret {
            write_caret(f, caret, *color)?;
        }
        for line in &failure.excerpt {
            writeln!(f, "  {}", one_line_keeping_blanks(line))?;
        }
        let mut source = failure.error.source();
        while let Some(cause) = source {
            let word = Tone::Faint.paint("caused by", *color);
            writeln!(f, "  {word}: {}", one_line(&cause.to_string()))?;
            source = cause.source();
        }
        for hint in &failure.hints {
            let word = Tone::Good.paint("hint", *color);
            writeln!(f, "{word}: {}", one_line(hint))?;
        }
        Ok(())
    }
}

/// Text is shown around the place that is wrong, so that a long list does not hide it.
const CONTEXT: usize = 30;

fn write_caret(f: &mut fmt::Formatter<'_>, caret: &Caret, color: bool) -> fmt::Result {
    let line = |part: &str| one_line_keeping_blanks(part);
    let (start, end) = (
        floor(&caret.text, caret.at.start),
        floor(&caret.text, caret.at.end.max(caret.at.start)),
    );
    let from = floor(&caret.text, start.saturating_sub(CONTEXT));
    let to = floor(&caret.text, end.saturating_add(CONTEXT));
    let before = line(&caret.text[from..start]);
    let wrong = line(&caret.text[start..end]);
    let after = line(&caret.text[end..to]);
    let (open, close) = (
        if from > 0 { "…" } else { "" },
        if to < caret.text.len() { "…" } else { "" },
    );
    writeln!(f, "  {open}{before}{wrong}{after}{close}")?;
    let blanks = " ".repeat(open.chars().count() + before.chars().count());
    let carets = "^".repeat(wrong.chars().count().max(1));
    writeln!(f, "  {blanks}{}", Tone::Bad.paint(carets, color))
}

/// Control characters would move the caret away from its place.
fn one_line_keeping_blanks(part: &str) -> String {
    part.chars()
        .map(|character| match character {
            '\t' => ' ',
            control if control.is_control() => '?',
            plain => plain,
        })
        .collect()
}

/// The nearest place at or before `at` where a character begins.
fn floor(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at.min(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(failure: &Failure) -> String {
        Rendered(failure, false).to_string()
    }

    #[test]
    fn error_causes_hints() {
        let cause = std::io::Error::new(std::io::ErrorKind::NotFound, "no such file");
        let failure = Failure::new(Kind::Local, Context("the key cannot be read", cause))
            .hint("make one: `dtx keys new`");
        assert_eq!(
            rendered(&failure),
            "error: the key cannot be read\n  caused by: no such file\nhint: make one: `dtx keys new`\n"
        );
    }

    #[test]
    fn a_caret_under_what_is_wrong() {
        for (text, at, expected) in [
            ("n[1-3", 1..2, "  n[1-3\n   ^\n"),
            ("n1,n[3-1]", 5..8, "  n1,n[3-1]\n       ^^^\n"),
            ("", 0..0, "  \n  ^\n"),
            ("ä[", 2..3, "  ä[\n   ^\n"),
            ("n1\x1b[", 3..4, "  n1?[\n     ^\n"),
            ("n1", 9..12, "  n1\n    ^\n"),
        ] {
            let failure = Failure {
                caret: Some(Caret {
                    text: text.to_owned(),
                    at,
                }),
                ..Failure::new(Kind::Target, "wrong")
            };
            assert_eq!(rendered(&failure), format!("error: wrong\n{expected}"));
        }
        let long = format!("{}[,{}", "a".repeat(100), "b".repeat(100));
        let failure = Failure {
            caret: Some(Caret {
                text: long,
                at: 100..101,
            }),
            ..Failure::new(Kind::Target, "wrong")
        };
        let shown = rendered(&failure);
        let lines: Vec<_> = shown.lines().collect();
        let column = |line: &str, what| line.chars().position(|c| c == what);
        assert_eq!(column(lines[1], '['), column(lines[2], '^'));
        assert!(lines[1].chars().count() < 80, "{shown}");
    }

    #[test]
    fn nothing_typed_becomes_a_second_line() {
        let failure = Failure::new(Kind::Usage, "no such node: \"x\n512 nodes: 512 ok\"");
        assert_eq!(rendered(&failure).lines().count(), 1);
    }

    #[test]
    fn statuses() {
        for (kind, status) in [
            (Kind::Usage, 2),
            (Kind::Configuration, 2),
            (Kind::Target, 2),
            (Kind::Identity, 2),
            (Kind::Local, 1),
            (Kind::BrokenPipe, 141),
            (Kind::Interrupted, 130),
        ] {
            assert_eq!(Failure::new(kind, "x").exit_code(), status);
        }
    }
}
