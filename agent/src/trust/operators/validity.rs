//! `valid-after` and `valid-before`, as OpenSSH writes them.

use crate::sys;
use crate::trust::calendar;

/// From when until when a line of the operators file holds, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Validity {
    /// Not before this.
    pub after: Option<i64>,
    /// Not from this on.
    pub before: Option<i64>,
}

impl Validity {
    /// Whether the line holds at a moment in milliseconds since 1970.
    #[must_use]
    pub fn holds_at(self, wall_ms: u64) -> bool {
        let now = i64::try_from(wall_ms / 1000).unwrap_or(i64::MAX);
        self.after.is_none_or(|after| after <= now) && self.before.is_none_or(|before| now < before)
    }

    /// Why the line does not hold at that moment, for a person.
    #[must_use]
    pub fn words(self) -> String {
        let utc =
            |seconds: i64| calendar::utc(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000));
        match (self.after, self.before) {
            (None, None) => "always valid".to_owned(),
            (Some(after), None) => format!("valid from {}", utc(after)),
            (None, Some(before)) => format!("valid until {}", utc(before)),
            (Some(after), Some(before)) => {
                format!("valid from {} until {}", utc(after), utc(before))
            }
        }
    }
}

/// Reads `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`: with a `Z` in UTC, without one in the
/// time zone of this node.
pub(super) fn parse_time(text: &str) -> Option<i64> {
    if let Some(digits) = text.strip_suffix('Z') {
        return calendar::parse_digits(digits);
    }
    // A time that exists, before the time zone moves it.
    calendar::parse_digits(text)?;
    let number = |at: usize, length: usize| text.get(at..at + length).unwrap_or("0").parse().ok();
    let date = (number(0, 4)?, number(4, 2)?, number(6, 2)?);
    let time = (number(8, 2)?, number(10, 2)?, number(12, 2)?);
    sys::local_time(date, time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends() {
        let validity = Validity {
            after: Some(10),
            before: Some(20),
        };
        for (ms, holds) in [
            (9_999, false),
            (10_000, true),
            (19_999, true),
            (20_000, false),
        ] {
            assert_eq!(validity.holds_at(ms), holds, "{ms}");
        }
        assert!(Validity::default().holds_at(0) && Validity::default().holds_at(u64::MAX));
        assert!(validity.words().contains("1970-01-01T00:00:10"));
    }

    #[test]
    fn local_times_are_near_those_in_utc() {
        for text in ["20270101", "202706151200", "20270615120030"] {
            let utc = parse_time(&format!("{text}Z")).unwrap();
            let local = parse_time(text).unwrap();
            assert!((utc - local).abs() <= 14 * 3600, "{text}");
            assert_eq!((utc - local) % 900, 0, "{text}");
        }
        for bad in [
            "",
            "Z",
            "2027",
            "20270229",
            "20270101z",
            "20270101 Z",
            "always:forever",
        ] {
            assert_eq!(parse_time(bad), None, "{bad}");
        }
    }
}
