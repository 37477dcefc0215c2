//! The few colours that dtx uses, and what each means.

use std::fmt::{self, Display};

use dtx_proto_types::outcome::Outcome;

/// What a piece of text is, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Went well.
    Good,
    /// Did not go well.
    Bad,
    /// Worth a look.
    Notice,
    /// A node's name.
    Node,
    /// A label before a line of standard error.
    ErrorLabel,
    /// A word that heads something.
    Heading,
    /// Scaffolding: rules, hints, counts.
    Faint,
}

impl Tone {
    const fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Bad | Self::ErrorLabel => "31",
            Self::Notice => "33",
            Self::Node => "36",
            Self::Heading => "1",
            Self::Faint => "2",
        }
    }

    /// How an outcome is shown.
    pub(crate) const fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Ok => Self::Good,
            Outcome::Failed
            | Outcome::Killed
            | Outcome::Timeout
            | Outcome::Denied
            | Outcome::Lost => Self::Bad,
            Outcome::Refused | Outcome::Unreachable | Outcome::Cancelled | Outcome::Skipped => {
                Self::Notice
            }
        }
    }

    /// The text in this tone, or as it is.
    pub(crate) fn paint<T: Display>(self, text: T, color: bool) -> Painted<T> {
        Painted {
            text,
            tone: color.then_some(self),
        }
    }
}

/// Text with an optional colour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Painted<T> {
    text: T,
    tone: Option<Tone>,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tone {
            None => self.text.fmt(f),
            Some(tone) => {
                write!(f, "\x1b[{}m", tone.code())?;
                self.text.fmt(f)?;
                f.write_str("\x1b[0m")
            }
        }
    }
}
