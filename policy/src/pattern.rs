//! Regular expressions that have to match a whole text, in time linear in its length.

use std::fmt;

use regex_lite::{Regex, RegexBuilder};

/// Longest pattern. A rule that needs more is better written as several.
const SOURCE_MAX: usize = 1024;
/// Largest compiled form, in bytes. With [`TEXT_MAX`] it bounds the time of one match to some
/// tens of milliseconds, whatever pattern and text.
const COMPILED_MAX: usize = 32 * 1024;
/// Deepest nesting of groups.
const NEST_MAX: u32 = 32;

/// Longest text that is matched; a longer one needs `"any"`.
pub(crate) const TEXT_MAX: usize = 16 * 1024;

/// A regular expression of the policy. `\d`, `\s` and `\w` are ASCII, and it is anchored at both
/// ends whatever it says itself.
#[derive(Clone)]
pub(crate) struct Pattern {
    source: String,
    anchored: Regex,
}

/// The text is not a pattern that a policy may have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidPattern {
    /// Longer than a pattern may be.
    #[error("a pattern has at most 1024 characters; write several")]
    TooLong,
    /// It can only match the empty text, or is missing.
    #[error("a pattern cannot be empty")]
    Empty,
    /// It does not compile by itself, in the size allowed.
    #[error("not a regular expression: {0}")]
    Malformed(String),
    /// It compiles alone, but not where it has to stand: a comment swallows what follows.
    #[error("the pattern does not end where its text ends; is there a `(?x)` comment in it?")]
    Open,
}

impl Pattern {
    /// Compiles a pattern: first alone, so that it cannot close a group that is not its own, then
    /// anchored.
    ///
    /// # Errors
    ///
    /// If it does not compile, or only into something too large.
    pub(crate) fn new(source: &str) -> Result<Self, InvalidPattern> {
        if source.is_empty() {
            return Err(InvalidPattern::Empty);
        }
        if source.len() > SOURCE_MAX {
            return Err(InvalidPattern::TooLong);
        }
        let build = |text: &str| {
            RegexBuilder::new(text)
                .size_limit(COMPILED_MAX)
                .nest_limit(NEST_MAX)
                .build()
        };
        build(source).map_err(|error| InvalidPattern::Malformed(error.to_string()))?;
        let anchored = build(&format!("\\A(?:{source})\\z")).map_err(|_| InvalidPattern::Open)?;
        Ok(Self {
            source: source.to_owned(),
            anchored,
        })
    }

    /// Whether all of `text` is what the pattern describes.
    pub(crate) fn matches(&self, text: &str) -> bool {
        text.len() <= TEXT_MAX && self.anchored.is_match(text)
    }

    /// As it was written.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.source)
    }
}

/// Whether a text holds a byte that no pattern may be asked about: below 0x20, or 0x7f.
pub(crate) fn has_control_bytes(text: &str) -> bool {
    text.bytes().any(|byte| byte < 0x20 || byte == 0x7f)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn matches_the_whole_text() {
        for (pattern, text, expected) in [
            ("a+", "aaa", true),
            ("a+", "aab", false),
            ("a|b", "b", true),
            ("a|b", "bx", false),
            ("^a$", "a", true),
            ("(?m)^a$", "a\nb", false),
            ("(?i)ab", "AB", true),
            ("\\w+", "abc_1", true),
            ("\\w+", "äb", false),
            ("\\d+", "٣", false),
            ("a.*z", "a;rm -rf /;z", true),
            ("a$|b", "ax", false),
        ] {
            let pattern = Pattern::new(pattern).unwrap();
            assert_eq!(pattern.matches(text), expected, "{pattern:?} {text:?}");
        }
    }

    #[test]
    fn refuses_what_reaches_outside() {
        for bad in [
            "",
            "(",
            "a)|(?:b",
            ")",
            "a)",
            "[",
            "*",
            "(?x)a # comment",
            "a{,",
            "\\p{L}",
        ] {
            assert!(Pattern::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(
            Pattern::new(&"a".repeat(1025)).unwrap_err(),
            InvalidPattern::TooLong
        );
        for huge in [
            "((a{100}){100}){100}",
            "[a-z]{100000}",
            "(((((a{9}){9}){9}){9}){9})",
        ] {
            assert!(Pattern::new(huge).is_err(), "{huge}");
        }
        assert!(Pattern::new(&format!("{}a{}", "(".repeat(64), ")".repeat(64))).is_err());
    }

    #[test]
    fn notorious_patterns_take_linear_time() {
        let text = format!("{}!", "a".repeat(TEXT_MAX - 1));
        for bomb in [
            "(a+)+",
            "(a|a)*",
            "(a|aa)+",
            "(.*)*",
            "(.*a){20}",
            "([a-zA-Z]+)*",
            "(a*)*b",
            "a{0,200}a{0,200}",
            "(x+x+)+y",
            "^(([a-z])+.)+[A-Z]([a-z])+$",
        ] {
            let pattern = Pattern::new(bomb).unwrap();
            let begin = Instant::now();
            std::hint::black_box(pattern.matches(&text));
            assert!(begin.elapsed() < Duration::from_secs(5), "{bomb}");
        }
        assert!(
            !Pattern::new(".*")
                .unwrap()
                .matches(&"a".repeat(TEXT_MAX + 1))
        );
    }

    #[test]
    fn control_bytes() {
        for bad in ["a\nb", "a\r", "\0", "\t", "\x7f", "\x1b[2J"] {
            assert!(has_control_bytes(bad), "{bad:?}");
        }
        assert!(!has_control_bytes("echo 'a;b' $(c) ä"));
    }
}
