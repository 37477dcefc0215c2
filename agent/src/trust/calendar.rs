//! Dates in UTC: as people read them, and as OpenSSH writes them.

const DAY_SECONDS: i64 = 86_400;

/// A moment, in milliseconds since 1970, as `2026-11-22T15:04:05.678Z`.
#[must_use]
pub fn utc(ms: u64) -> String {
    let seconds = i64::try_from(ms / 1000).unwrap_or(i64::MAX);
    let (year, month, day) = civil(seconds.div_euclid(DAY_SECONDS));
    let second = seconds.rem_euclid(DAY_SECONDS);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        second / 3600,
        second / 60 % 60,
        second % 60,
        ms % 1000
    )
}

/// The calendar's day, counted from the first of January 1970.
///
/// Years begin in March here, so that a leap day is the last of its year; eras have 400 years.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days.saturating_add(719_468);
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + carry, month, day)
}

fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Seconds since 1970 of digits as OpenSSH has them, `YYYYMMDD`, `YYYYMMDDHHMM` or
/// `YYYYMMDDHHMMSS`, on a clock that is at UTC.
pub(super) fn parse_digits(text: &str) -> Option<i64> {
    if !matches!(text.len(), 8 | 12 | 14) || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = |at: usize, length: usize| text.get(at..at + length).unwrap_or("0").parse().ok();
    let (year, month, day): (i64, i64, i64) = (number(0, 4)?, number(4, 2)?, number(6, 2)?);
    let (hour, minute, second): (i64, i64, i64) = (number(8, 2)?, number(10, 2)?, number(12, 2)?);
    let midnight = days(year, month, day);
    let exists = year >= 1970
        && (1..=12).contains(&month)
        && civil(midnight) == (year, month, day)
        && hour < 24
        && minute < 60
        && second < 60;
    exists.then_some(midnight * DAY_SECONDS + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        for (seconds, text, digits) in [
            (0_i64, "1970-01-01T00:00:00.000Z", "19700101"),
            (951_782_400, "2000-02-29T00:00:00.000Z", "20000229"),
            (1_000_000_000, "2001-09-09T01:46:40.000Z", "20010909014640"),
            (1_798_761_600, "2027-01-01T00:00:00.000Z", "202701010000"),
            (4_107_542_399, "2100-02-28T23:59:59.000Z", "21000228235959"),
        ] {
            assert_eq!(utc(u64::try_from(seconds).unwrap() * 1000), text);
            assert_eq!(parse_digits(digits), Some(seconds), "{digits}");
        }
        assert_eq!(utc(1), "1970-01-01T00:00:00.001Z");
    }

    #[test]
    fn days_go_both_ways() {
        for day in (0..200_000).step_by(7) {
            let (year, month, date) = civil(day);
            assert_eq!(days(year, month, date), day);
        }
    }

    #[test]
    fn no_such_moment() {
        for bad in [
            "",
            "2027",
            "20270229",
            "20271301",
            "20270001",
            "20270100",
            "20270431",
            "202701012400",
            "202701010060",
            "20270101000060",
            "2027010100",
            "2027-01-01",
            "+2027010",
            "19691231",
            "21000229",
        ] {
            assert_eq!(parse_digits(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_far_future_does_not_panic() {
        assert!(!utc(u64::MAX).is_empty());
    }
}
