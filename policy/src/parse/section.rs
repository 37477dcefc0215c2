//! Tables and values with their places in the text. Every key is known or an error.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use dtx_proto_types::units;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{PolicyError, did_you_mean};

/// A value and where it stands.
pub(super) struct Value<'t> {
    text: &'t str,
    span: Range<usize>,
    value: DeValue<'t>,
}

/// A table whose keys are all known.
pub(super) struct Section<'t> {
    text: &'t str,
    span: Range<usize>,
    entries: Vec<(String, Value<'t>)>,
}

impl<'t> Section<'t> {
    /// Reads a whole document.
    pub(super) fn document(text: &'t str, known: &[&str]) -> Result<Self, PolicyError> {
        let table = DeTable::parse(text).map_err(|error| {
            let message = error.message().replace('\n', ", ");
            PolicyError::at(text, error.span().unwrap_or(0..0), message)
        })?;
        Self::new(text, 0..0, table.into_inner(), known)
    }

    fn new(
        text: &'t str,
        span: Range<usize>,
        table: DeTable<'t>,
        known: &[&str],
    ) -> Result<Self, PolicyError> {
        let mut unknown: Option<(Range<usize>, String)> = None;
        let mut entries = Vec::new();
        for (key, value) in table {
            let (span, key) = (key.span(), key.into_inner().into_owned());
            let first = unknown.as_ref().is_none_or(|(at, _)| span.start < at.start);
            if !known.contains(&key.as_str()) && first {
                unknown = Some((span, key.clone()));
            }
            entries.push((key, Value::new(text, value)));
        }
        if let Some((span, key)) = unknown {
            let help = match did_you_mean(&key, known.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            let message = format!("unknown key `{}`; {help}", key.escape_debug());
            return Err(PolicyError::at(text, span, message));
        }
        Ok(Self {
            text,
            span,
            entries,
        })
    }

    /// Takes a value out.
    pub(super) fn take(&mut self, key: &str) -> Option<Value<'t>> {
        let at = self.entries.iter().position(|(name, _)| name == key)?;
        Some(self.entries.swap_remove(at).1)
    }

    /// Takes out a value that has to be there.
    pub(super) fn require(&mut self, key: &str, why: &str) -> Result<Value<'t>, PolicyError> {
        self.take(key)
            .ok_or_else(|| self.error(format!("`{key}` is missing: {why}")))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn error(&self, message: impl Into<String>) -> PolicyError {
        PolicyError::at(self.text, self.span.clone(), message)
    }
}

impl<'t> Value<'t> {
    fn new(text: &'t str, value: Spanned<DeValue<'t>>) -> Self {
        Self {
            text,
            span: value.span(),
            value: value.into_inner(),
        }
    }

    pub(super) fn error(&self, message: impl Into<String>) -> PolicyError {
        PolicyError::at(self.text, self.span.clone(), message)
    }

    /// The value if it is a string.
    pub(super) fn as_str(&self) -> Option<&str> {
        self.value.as_str()
    }

    /// Whether it is the word `any`.
    pub(super) fn is_any(&self) -> bool {
        self.as_str() == Some("any")
    }

    pub(super) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    pub(super) fn string(&self, what: &str) -> Result<&str, PolicyError> {
        self.as_str()
            .ok_or_else(|| self.error(format!("{what} is written in quotes")))
    }

    pub(super) fn boolean(&self) -> Result<bool, PolicyError> {
        self.value
            .as_bool()
            .ok_or_else(|| self.error("this is `true` or `false`"))
    }

    pub(super) fn integer(&self) -> Result<i64, PolicyError> {
        self.value
            .as_integer()
            .and_then(|integer| i64::from_str_radix(integer.as_str(), integer.radix()).ok())
            .ok_or_else(|| self.error("this is a whole number"))
    }

    /// A number of things, at least one.
    pub(super) fn count(&self) -> Result<u64, PolicyError> {
        let count = u64::try_from(self.integer()?).unwrap_or(0);
        if count == 0 {
            return Err(self.error("this is at least 1"));
        }
        Ok(count)
    }

    /// Text or a bare number, as `parse` understands it.
    fn measure<T, E: ToString>(
        &self,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, PolicyError> {
        let number;
        let text = if let Some(text) = self.as_str() {
            text
        } else {
            number = self.integer()?.to_string();
            &number
        };
        parse(text).map_err(|error| self.error(error.to_string()))
    }

    /// A duration, more than nothing.
    pub(super) fn duration(&self) -> Result<Duration, PolicyError> {
        let duration = self.measure(units::parse_duration)?;
        if duration.as_millis() == 0 {
            return Err(self.error("this is more than nothing: leave it out for no bound"));
        }
        Ok(duration)
    }

    /// A number of bytes, more than none.
    pub(super) fn size(&self) -> Result<u64, PolicyError> {
        let size = self.measure(units::parse_size)?;
        if size == 0 {
            return Err(self.error("this is more than nothing: leave it out for no bound"));
        }
        Ok(size)
    }

    pub(super) fn section(self, what: &str, known: &[&str]) -> Result<Section<'t>, PolicyError> {
        match self.value {
            DeValue::Table(table) => Section::new(self.text, self.span, table, known),
            _ => Err(PolicyError::at(
                self.text,
                self.span,
                format!("{what} is a table with {}", known.join(", ")),
            )),
        }
    }

    /// The entries of a table whose keys the file's author chooses.
    pub(super) fn entries(self, what: &str) -> Result<Vec<(String, Self)>, PolicyError> {
        match self.value {
            DeValue::Table(table) => Ok(table
                .into_iter()
                .map(|(key, value)| {
                    let key = key.into_inner().into_owned();
                    (key, Value::new(self.text, value))
                })
                .collect()),
            _ => Err(PolicyError::at(
                self.text,
                self.span,
                format!("{what} is a table"),
            )),
        }
    }

    pub(super) fn list(self, what: &str) -> Result<Vec<Self>, PolicyError> {
        match self.value {
            DeValue::Array(array) => Ok(array
                .into_iter()
                .map(|value| Value::new(self.text, value))
                .collect()),
            _ => Err(PolicyError::at(
                self.text,
                self.span,
                format!("{what} is a list: [ … ]"),
            )),
        }
    }

    /// A list that has to have an entry.
    pub(super) fn filled_list(self, what: &str) -> Result<Vec<Self>, PolicyError> {
        let empty = self.error(format!("{what} is empty, so this would never hold"));
        let list = self.list(what)?;
        if list.is_empty() {
            return Err(empty);
        }
        Ok(list)
    }

    /// A list of strings, each understood by `parse`; twice the same is an error.
    pub(super) fn set<T: Ord>(
        list: Vec<Self>,
        what: &str,
        mut parse: impl FnMut(&str) -> Result<T, String>,
    ) -> Result<BTreeSet<T>, PolicyError> {
        let mut set = BTreeSet::new();
        for value in list {
            let item = parse(value.string(what)?).map_err(|why| value.error(why))?;
            if !set.insert(item) {
                return Err(value.error(format!("{what} is listed twice")));
            }
        }
        Ok(set)
    }
}
