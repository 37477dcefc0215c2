//! One configuration file.

use std::fmt::Display;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use dtx_client::cluster::NewNodes;
use dtx_proto_types::units::parse_duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Problem, SettingsError};
use crate::report::Format;
use crate::suggest::nearest;
use crate::terminal::ColorChoice;

/// The keys of a configuration file.
pub const KEYS: [&str; 11] = [
    "cluster",
    "identity",
    "user",
    "fanout",
    "connect_timeout",
    "color",
    "output",
    "new_nodes",
    "confirm_above",
    "seeds",
    "state_dir",
];

/// What one file says; what it does not mention is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the key of its name")]
pub struct Layer {
    pub cluster: Option<String>,
    pub identity: Option<String>,
    pub user: Option<String>,
    pub fanout: Option<usize>,
    pub connect_timeout: Option<Duration>,
    pub color: Option<ColorChoice>,
    pub output: Option<Format>,
    pub new_nodes: Option<NewNodes>,
    pub confirm_above: Option<usize>,
    pub seeds: Option<Vec<String>>,
    pub state_dir: Option<String>,
}

impl Layer {
    /// Reads a file. One that is not there says nothing.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or has something wrong in it.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text).map_err(|(at, problem)| SettingsError::Wrong {
                path: path.to_owned(),
                line: text[..at.min(text.len())].matches('\n').count() + 1,
                problem,
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(SettingsError::Unreadable {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Reads the text of a file; an error is where it is, and what.
    fn parse(text: &str) -> Result<Self, (usize, Problem)> {
        let table = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            (at, Problem::Syntax(error.message().to_owned()))
        })?;
        let mut layer = Self::default();
        for (key, value) in table.get_ref() {
            layer.set(key.get_ref(), key.span(), value)?;
        }
        Ok(layer)
    }

    fn set(
        &mut self,
        key: &str,
        place: Range<usize>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), (usize, Problem)> {
        let given = Given {
            key,
            at: value.span().start,
            value: value.get_ref(),
        };
        match key {
            "cluster" => self.cluster = Some(given.text()?),
            "identity" => self.identity = Some(given.text()?),
            "user" => self.user = Some(given.text()?),
            "fanout" => self.fanout = Some(given.number(1)?),
            "connect_timeout" => self.connect_timeout = Some(given.duration()?),
            "color" => self.color = Some(given.parsed()?),
            "output" => self.output = Some(given.parsed()?),
            "new_nodes" => self.new_nodes = Some(given.parsed()?),
            "confirm_above" => self.confirm_above = Some(given.number(0)?),
            "seeds" => self.seeds = Some(given.texts()?),
            "state_dir" => self.state_dir = Some(given.text()?),
            _ => {
                let meant = nearest(key, KEYS);
                let key = key.to_owned();
                return Err((place.start, Problem::UnknownKey { key, meant }));
            }
        }
        Ok(())
    }
}

/// A value as it was given, with its place.
struct Given<'a> {
    key: &'a str,
    at: usize,
    value: &'a DeValue<'a>,
}

impl Given<'_> {
    fn wrong(&self, text: impl Display) -> (usize, Problem) {
        let problem = Problem::Value {
            key: self.key.to_owned(),
            text: text.to_string(),
        };
        (self.at, problem)
    }

    fn text(&self) -> Result<String, (usize, Problem)> {
        match self.value.as_str() {
            Some("") => Err(self.wrong("it is empty")),
            Some(text) => Ok(text.to_owned()),
            None => Err(self.wrong(format_args!(
                "text in quotes is wanted, not {}",
                article(self.value.type_str())
            ))),
        }
    }

    fn parsed<T: FromStr<Err: Display>>(&self) -> Result<T, (usize, Problem)> {
        self.text()?.parse().map_err(|error| self.wrong(error))
    }

    fn integer(&self) -> Option<u64> {
        let integer = self.value.as_integer()?;
        u64::from_str_radix(integer.as_str(), integer.radix()).ok()
    }

    fn number(&self, least: usize) -> Result<usize, (usize, Problem)> {
        self.integer()
            .and_then(|number| usize::try_from(number).ok())
            .filter(|number| *number >= least)
            .ok_or_else(|| self.wrong(format_args!("a whole number from {least} is wanted")))
    }

    fn duration(&self) -> Result<Duration, (usize, Problem)> {
        match self.integer() {
            Some(seconds) => Ok(Duration::from_secs(seconds)),
            None => parse_duration(&self.text()?).map_err(|error| self.wrong(error)),
        }
    }

    fn texts(&self) -> Result<Vec<String>, (usize, Problem)> {
        let items = self
            .value
            .as_array()
            .ok_or_else(|| self.wrong("a list of texts is wanted"))?;
        items
            .iter()
            .map(|item| {
                let given = Given {
                    key: self.key,
                    at: item.span().start,
                    value: item.get_ref(),
                };
                given.text()
            })
            .collect()
    }
}

fn article(kind: &str) -> String {
    match kind.chars().next() {
        Some('a' | 'e' | 'i' | 'o' | 'u') => format!("an {kind}"),
        _ => format!("a {kind}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key() {
        let text = r#"
            cluster = "lab"
            identity = "~/.ssh/lab"
            user = "ops"
            fanout = 64
            connect_timeout = "2500ms"
            color = "never"
            output = "table"
            new_nodes = "accept"
            confirm_above = 100
            seeds = ["10.0.0.1", "n7:15943"]
            state_dir = "/srv/dtx"
        "#;
        let expected = Layer {
            cluster: Some("lab".into()),
            identity: Some("~/.ssh/lab".into()),
            user: Some("ops".into()),
            fanout: Some(64),
            connect_timeout: Some(Duration::from_millis(2500)),
            color: Some(ColorChoice::Never),
            output: Some(Format::Table),
            new_nodes: Some(NewNodes::Accept),
            confirm_above: Some(100),
            seeds: Some(vec!["10.0.0.1".into(), "n7:15943".into()]),
            state_dir: Some("/srv/dtx".into()),
        };
        assert_eq!(Layer::parse(text), Ok(expected));
        for key in KEYS {
            assert!(text.contains(&format!(" {key} = ")), "{key}");
        }
        assert_eq!(Layer::parse(""), Ok(Layer::default()));
        let seconds = Layer::parse("connect_timeout = 7").unwrap();
        assert_eq!(seconds.connect_timeout, Some(Duration::from_secs(7)));
    }

    #[test]
    fn what_is_wrong_and_where() {
        for (text, line, expected) in [
            ("clustr = \"x\"", 1, "there is no key `clustr`"),
            ("\n\ncolour = \"never\"", 3, "there is no key `colour`"),
            ("[groups]", 1, "there is no key `groups`"),
            (
                "cluster = 7",
                1,
                "`cluster`: text in quotes is wanted, not an integer",
            ),
            ("cluster = \"\"", 1, "`cluster`: it is empty"),
            ("fanout = 0", 1, "`fanout`: a whole number from 1 is wanted"),
            (
                "fanout = -3",
                1,
                "`fanout`: a whole number from 1 is wanted",
            ),
            (
                "fanout = \"many\"",
                1,
                "`fanout`: a whole number from 1 is wanted",
            ),
            (
                "\nseeds = [\"a\",\n 7]",
                3,
                "`seeds`: text in quotes is wanted, not an integer",
            ),
            ("seeds = \"a\"", 1, "`seeds`: a list of texts is wanted"),
            (
                "color = \"red\"",
                1,
                "`color`: \"red\" is not a colour choice (auto, always, never)",
            ),
            (
                "output = \"xml\"",
                1,
                "`output`: \"xml\" is not an output format (lines, fold, table, json, jsonl, none)",
            ),
            (
                "new_nodes = \"maybe\"",
                1,
                "`new_nodes`: new_nodes is `ask`, `accept` or `refuse`, not \"maybe\"",
            ),
        ] {
            let (at, problem) = Layer::parse(text).unwrap_err();
            assert_eq!(problem.to_string(), expected);
            assert_eq!(text[..at].matches('\n').count() + 1, line, "{text}");
        }
        for text in ["cluster", "cluster = \"a\"\ncluster = \"b\"", "= 1"] {
            let (_, problem) = Layer::parse(text).unwrap_err();
            assert!(matches!(problem, Problem::Syntax(_)), "{text}");
        }
    }
}
