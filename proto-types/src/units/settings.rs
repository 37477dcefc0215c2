//! Durations and sizes in settings files.

use std::fmt::Display;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Deserializer;
use serde::de::{Error, Visitor};

use super::{parse_duration, parse_size};

/// For `#[serde(deserialize_with = "…")]` on a [`Duration`]: text as [`parse_duration`] takes it,
/// or a number of seconds.
///
/// # Errors
///
/// Says what is accepted.
pub fn deserialize_duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    from.deserialize_any(Quantity::new("a duration such as \"10s\"", parse_duration))
}

/// As [`deserialize_duration`], for a setting that may be absent (with `#[serde(default)]`).
///
/// # Errors
///
/// Says what is accepted.
pub fn deserialize_duration_option<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Duration>, D::Error> {
    deserialize_duration(from).map(Some)
}

/// For `#[serde(deserialize_with = "…")]` on an `u64`: text as [`parse_size`] takes it, or a
/// number of bytes.
///
/// # Errors
///
/// Says what is accepted.
pub fn deserialize_size<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    from.deserialize_any(Quantity::new("a size such as \"16MiB\"", parse_size))
}

/// As [`deserialize_size`], for a setting that may be absent (with `#[serde(default)]`).
///
/// # Errors
///
/// Says what is accepted.
pub fn deserialize_size_option<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<u64>, D::Error> {
    deserialize_size(from).map(Some)
}

/// Takes text or a number, and reads both with the same parser.
struct Quantity<T, P> {
    expected: &'static str,
    parse: P,
    value: PhantomData<T>,
}

impl<T, P> Quantity<T, P> {
    const fn new(expected: &'static str, parse: P) -> Self {
        Self {
            expected,
            parse,
            value: PhantomData,
        }
    }
}

impl<T, F: Display, P: Fn(&str) -> Result<T, F>> Visitor<'_> for Quantity<T, P> {
    type Value = T;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use serde::de::IntoDeserializer;
    use serde::de::value::Error;

    use super::*;

    #[test]
    fn text_or_a_number() {
        let second = Duration::from_secs(1);
        let text: Result<_, Error> = deserialize_duration("1s".into_deserializer());
        assert_eq!(text, Ok(second));
        let number: Result<_, Error> = deserialize_duration(1_i64.into_deserializer());
        assert_eq!(number, Ok(second));
        let fraction: Result<_, Error> = deserialize_duration_option(0.5_f64.into_deserializer());
        assert_eq!(fraction, Ok(Some(second / 2)));
        let size: Result<_, Error> = deserialize_size("2KiB".into_deserializer());
        assert_eq!(size, Ok(2048));
        let bytes: Result<_, Error> = deserialize_size_option(7_u64.into_deserializer());
        assert_eq!(bytes, Ok(Some(7)));
    }

    #[test]
    fn errors_say_what_is_accepted() {
        let negative: Result<_, Error> = deserialize_duration((-1_i64).into_deserializer());
        assert!(negative.unwrap_err().to_string().contains("write 500ms"));
        let nan: Result<_, Error> = deserialize_duration(f64::NAN.into_deserializer());
        assert!(nan.unwrap_err().to_string().contains("write 500ms"));
        let flag: Result<_, Error> = deserialize_size(true.into_deserializer());
        assert!(flag.unwrap_err().to_string().contains("16MiB"));
    }
}
