//! Durations.

use std::fmt;
use std::time::Duration;

use super::number::{decimal, parse_scaled, split_unit};

/// Longest duration accepted: a century, which no clock arithmetic overflows.
const DURATION_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

const NANOS_PER_MILLI: u64 = 1_000_000;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// The units, largest first, in nanoseconds.
const UNITS: [(&str, u64); 4] = [
    ("h", 3600 * NANOS_PER_SECOND),
    ("m", 60 * NANOS_PER_SECOND),
    ("s", NANOS_PER_SECOND),
    ("ms", NANOS_PER_MILLI),
];

/// The text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDuration {
    /// Not of the form that is accepted.
    #[error(
        "{0:?} is not a duration: write 500ms, 10s, 5m or 2h; a number without a unit is seconds"
    )]
    Form(String),
    /// Longer than a century.
    #[error("{0:?} is too long a duration: 876000h at most")]
    TooLong(String),
}

/// Reads `500ms`, `10s`, `5m`, `2h`, `0.5s`, `1h30m`; a number without a unit is seconds.
///
/// # Errors
///
/// Says what is accepted.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    let trimmed = text.trim();
    let form = || InvalidDuration::Form(text.to_owned());
    let too_long = || InvalidDuration::TooLong(text.to_owned());
    let mut nanos: u128 = 0;
    if let (number, "") = split_unit(trimmed) {
        nanos = parse_scaled(number, NANOS_PER_SECOND).ok_or_else(form)?;
    } else {
        let mut rest = trimmed;
        // Every unit at most once, the larger ones first, so that a slip is not a sum.
        let mut units = UNITS.as_slice();
        while !rest.is_empty() {
            let (number, after) = split_unit(rest);
            let end = after
                .find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(after.len());
            let (unit, after) = after.split_at(end);
            let place = units.iter().position(|(name, _)| *name == unit);
            let place = place.ok_or_else(form)?;
            let part = parse_scaled(number, units[place].1).ok_or_else(form)?;
            nanos = nanos.checked_add(part).ok_or_else(too_long)?;
            units = &units[place + 1..];
            rest = after.trim_start();
        }
    }
    if nanos > DURATION_MAX.as_nanos() {
        return Err(too_long());
    }
    let nanos_per_second = u128::from(NANOS_PER_SECOND);
    let seconds = u64::try_from(nanos / nanos_per_second).map_err(|_| too_long())?;
    let rest = u32::try_from(nanos % nanos_per_second).map_err(|_| too_long())?;
    Ok(Duration::new(seconds, rest))
}

/// A duration for people: `12.3 ms`, `0.41 s`, `1 m 30 s`, `2 h`. [`parse_duration`] reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HumanDuration(pub Duration);

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&in_words(self.0))
    }
}

fn in_words(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let milli = u128::from(NANOS_PER_MILLI);
    let second = u128::from(NANOS_PER_SECOND);
    if nanos == 0 {
        return "0 s".to_owned();
    }
    if nanos < milli {
        return format!("{} ms", decimal(nanos, milli, 3));
    }
    if nanos < 100 * milli {
        return format!("{} ms", decimal(nanos, milli, 1));
    }
    if nanos < 59 * second + 995 * milli {
        return format!("{} s", decimal(nanos, second, 2));
    }
    let seconds = (nanos + second / 2) / second;
    let parts = [
        (seconds / 3600, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let words: Vec<String> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number} {unit}"))
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_that_are_accepted() {
        let ms = Duration::from_millis;
        for (text, duration) in [
            ("500ms", ms(500)),
            ("10s", ms(10_000)),
            ("5m", ms(300_000)),
            ("2h", ms(7_200_000)),
            ("7", ms(7_000)),
            ("0", ms(0)),
            ("0s", ms(0)),
            ("0.5", ms(500)),
            ("0.5s", ms(500)),
            ("1.5m", ms(90_000)),
            ("0.000000001s", Duration::from_nanos(1)),
            (" 10 s ", ms(10_000)),
            ("1h30m", ms(5_400_000)),
            ("1 m 30 s", ms(90_000)),
            ("876000h", DURATION_MAX),
        ] {
            assert_eq!(parse_duration(text), Ok(duration), "{text}");
        }
    }

    #[test]
    fn durations_that_are_not() {
        for text in [
            "",
            " ",
            "s",
            "-1",
            "-1s",
            "+1s",
            "1e3",
            "1,5s",
            ".5s",
            "5.",
            "1.2.3",
            "1d",
            "1S",
            "1 0s",
            "10sec",
            "30s1m",
            "1s1s",
            "1m30",
            "ms",
            "∞",
            "1µs",
            "1234567890123456789s",
        ] {
            let error = parse_duration(text).unwrap_err();
            assert_eq!(error, InvalidDuration::Form(text.to_owned()));
            assert!(error.to_string().contains("write 500ms"));
        }
        for text in ["876001h", "999999999999999999h", "999999999999999999h1m"] {
            let error = parse_duration(text).unwrap_err();
            assert_eq!(error, InvalidDuration::TooLong(text.to_owned()));
        }
    }

    #[test]
    fn durations_for_people() {
        let us = Duration::from_micros;
        for (duration, text) in [
            (us(0), "0 s"),
            (Duration::from_nanos(1), "0 ms"),
            (us(7), "0.007 ms"),
            (us(410), "0.41 ms"),
            (us(12_340), "12.3 ms"),
            (us(12_000), "12 ms"),
            (us(99_990), "100 ms"),
            (us(410_000), "0.41 s"),
            (us(5_000_000), "5 s"),
            (us(12_345_000), "12.35 s"),
            (us(59_994_999), "59.99 s"),
            (us(59_995_000), "1 m"),
            (us(60_000_000), "1 m"),
            (us(90_400_000), "1 m 30 s"),
            (us(7_200_000_000), "2 h"),
            (us(7_205_000_000), "2 h 5 s"),
        ] {
            assert_eq!(HumanDuration(duration).to_string(), text);
            assert!(parse_duration(text).is_ok(), "{text}");
        }
        assert_eq!(format!("{:>8}", HumanDuration(us(5_000_000))), "     5 s");
        assert_eq!(in_words(Duration::MAX).split(' ').nth(1), Some("h"));
    }
}
