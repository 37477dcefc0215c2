//! `agent.toml` as written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dtx_proto_types::units;
use serde::{Deserialize, Deserializer};

use super::limits::ProcessLimit;
use super::resolved::SettingsError;

/// Every key that the file may have; all may be absent.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) name: Option<String>,
    pub(super) cluster: Option<String>,
    pub(super) listen: Option<OneOrMore>,
    pub(super) accept_from: Option<Vec<String>>,
    pub(super) discovery: Option<bool>,
    pub(super) interfaces: Option<Vec<String>>,
    pub(super) state_dir: Option<PathBuf>,
    pub(super) operators: Option<OneOrMore>,
    pub(super) policy: Option<PathBuf>,
    pub(super) slots: Option<u32>,
    pub(super) queue: Option<u32>,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    pub(super) max_grant: Option<Span>,
    pub(super) reattach_grace: Option<Span>,
    pub(super) kill_grace: Option<Span>,
    pub(super) stop_timeout: Option<Span>,
    pub(super) max_output: Option<Size>,
    pub(super) max_timeout: Option<Span>,
    pub(super) keep: Option<Span>,
    #[serde(default)]
    pub(super) audit: Audit,
    #[serde(default)]
    pub(super) limits: BTreeMap<String, Limit>,
    pub(super) log_format: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Audit {
    pub(super) file: Option<PathBuf>,
}

/// A text, or a list of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    pub(super) fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::More(texts) => texts,
        }
    }
}

/// A duration: `"60s"`, or a number of seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span(pub(super) Duration);

/// A size: `"16MiB"`, or a number of bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size(pub(super) u64);

/// A resource limit: a size, or `"unlimited"`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit(pub(super) Option<u64>);

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(u64),
    Text(String),
}

impl NumberOrText {
    fn into_text(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text,
        }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = NumberOrText::deserialize(deserializer)?.into_text();
        units::parse_duration(&text)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = NumberOrText::deserialize(deserializer)?.into_text();
        units::parse_size(&text)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = NumberOrText::deserialize(deserializer)?.into_text();
        if text == "unlimited" {
            return Ok(Self(None));
        }
        units::parse_size(&text)
            .map(|size| Self(Some(size)))
            .map_err(serde::de::Error::custom)
    }
}

impl File {
    /// Reads the file's text.
    pub(super) fn parse(text: &str, path: &Path) -> Result<Self, SettingsError> {
        let file: Self = toml::from_str(text).map_err(|error| SettingsError::File {
            path: path.to_owned(),
            hint: did_you_mean(error.message()),
            error: error.to_string().trim_end().to_owned(),
        })?;
        for name in file.limits.keys() {
            if ProcessLimit::new(name, None).is_none() {
                return Err(SettingsError::UnknownLimit {
                    path: path.to_owned(),
                    name: name.clone(),
                    known: ProcessLimit::names().collect::<Vec<_>>().join(", "),
                });
            }
        }
        Ok(file)
    }
}

/// The known key nearest to an unknown one, out of the parser's own list of what it expected.
fn did_you_mean(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = message
        .starts_with("unknown field")
        .then(|| quoted.next())
        .flatten();
    let Some(unknown) = unknown else {
        return String::new();
    };
    quoted
        .filter_map(|known| Some((distance(unknown, known)?, known)))
        .min()
        .map(|(_, known)| format!("\ndid you mean `{known}`?"))
        .unwrap_or_default()
}

/// How many single changes make one word of the other, if few enough to be a slip.
fn distance(a: &str, b: &str) -> Option<usize> {
    let changes = strsim::damerau_levenshtein(a, b);
    (changes <= 1 + a.len() / 4).then_some(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_where_and_what_was_meant() {
        for (text, says) in [
            ("slot = 4", "did you mean `slots`?"),
            ("slots = \"x\"", "line 1"),
            ("\n\nname = 1", "line 3"),
            ("[audit]\nfle = \"x\"", "did you mean `file`?"),
            ("stop_timeout = \"5 parsecs\"", "line 1"),
            ("limits.memlok = 1", "memlock"),
            ("colour = true", "unknown field `colour`"),
        ] {
            let error = File::parse(text, Path::new("agent.toml"))
                .unwrap_err()
                .to_string();
            assert!(error.contains(says), "{text}: {error}");
            assert!(error.contains("agent.toml"), "{error}");
        }
    }

    #[test]
    fn units() {
        let text = "stop_timeout = 5\nmax_output = \"16MiB\"\nlimits = { memlock = \"unlimited\" }";
        let file = File::parse(text, Path::new("x")).unwrap();
        assert_eq!(file.stop_timeout.unwrap().0, Duration::from_secs(5));
        assert_eq!(file.max_output.unwrap().0, 16 << 20);
        assert_eq!(file.limits["memlock"].0, None);
    }
}
