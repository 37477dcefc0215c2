//! What was looked at, and what was found.

use crate::report::one_line;
use crate::style::Tone;

/// How a finding is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// As it should be.
    Good,
    /// Worth knowing; a run may still work.
    Notice,
    /// A run cannot work.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) mark: Mark,
    pub(super) what: &'static str,
    pub(super) text: String,
    /// What to do about it.
    pub(super) remedy: Option<String>,
}

impl Finding {
    pub(super) fn good(what: &'static str, text: impl Into<String>) -> Self {
        Self {
            mark: Mark::Good,
            what,
            text: text.into(),
            remedy: None,
        }
    }

    pub(super) fn notice(
        what: &'static str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            mark: Mark::Notice,
            remedy: Some(remedy.into()),
            ..Self::good(what, text)
        }
    }

    pub(super) fn bad(
        what: &'static str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            mark: Mark::Bad,
            remedy: Some(remedy.into()),
            ..Self::good(what, text)
        }
    }

    /// `ok   key       SHA256:… from ~/.ssh/id_ed25519`.
    pub(super) fn line(&self, color: bool) -> String {
        let (word, tone) = match self.mark {
            Mark::Good => ("ok  ", Tone::Good),
            Mark::Notice => ("note", Tone::Notice),
            Mark::Bad => ("bad ", Tone::Bad),
        };
        let word = tone.paint(word, color);
        format!("{word}  {:<10} {}", self.what, one_line(&self.text))
    }
}

/// The one thing to do: for what is bad first, then for what is worth knowing.
pub(super) fn the_one_thing(findings: &[Finding]) -> Option<&str> {
    [Mark::Bad, Mark::Notice].into_iter().find_map(|mark| {
        findings
            .iter()
            .filter(|finding| finding.mark == mark)
            .find_map(|finding| finding.remedy.as_deref())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_bad_comes_first() {
        let findings = [
            Finding::good("key", "there"),
            Finding::notice("agent", "absent", "start it"),
            Finding::bad("node", "denied", "enroll"),
            Finding::bad("clock", "off", "set it"),
        ];
        assert_eq!(the_one_thing(&findings), Some("enroll"));
        assert_eq!(the_one_thing(&findings[..2]), Some("start it"));
        assert_eq!(the_one_thing(&findings[..1]), None);
        assert_eq!(findings[0].line(false), "ok    key        there");
    }
}
