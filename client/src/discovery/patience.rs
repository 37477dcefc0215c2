//! How long answers are spread, and how long one waits for late ones.

use std::time::Duration;

use dtx_proto_types::discovery::SPREAD_MAX;

/// Answers in a second. A stock receive buffer holds some 250, and a reader that needed ten times
/// as long as ours lost a tenth of a thousand at this rate; drops are seen and widen the spread.
const RATE: usize = 10_000;
/// Spread while nobody knows how many there are: right for 600 at that rate, and enough for some
/// thousands at the rate at which we read.
const SPREAD_UNKNOWN: Duration = Duration::from_millis(100);
const SPREAD_MIN: Duration = Duration::from_millis(5);

/// While nobody answered there is no measure of lateness.
pub(super) const WAIT_UNKNOWN: Duration = Duration::from_millis(50);
const WAIT_MIN: Duration = Duration::from_millis(15);
const WAIT_MAX: Duration = Duration::from_millis(250);
/// On an idle network answers come within a millisecond; this is for a machine that is busy.
const WAIT_NEWCOMERS_MIN: Duration = Duration::from_millis(10);
/// An answer may be so many times as late as the latest until now.
const LATENESS_FACTOR: u32 = 3;

/// The spread for so many answers, half as many again in reserve; whole milliseconds.
pub(super) fn spread(answers: Option<usize>) -> Duration {
    let Some(answers) = answers else {
        return SPREAD_UNKNOWN;
    };
    let millis = answers.saturating_mul(1_500) / RATE;
    let millis = u64::try_from(millis).unwrap_or(u64::MAX);
    Duration::from_millis(millis).clamp(SPREAD_MIN, SPREAD_MAX)
}

/// How long after the last moment of a round its answers are awaited, given how late the latest
/// was.
pub(super) fn wait(latest: Option<Duration>) -> Duration {
    latest.map_or(WAIT_UNKNOWN, |late| {
        (late * LATENESS_FACTOR).clamp(WAIT_MIN, WAIT_MAX)
    })
}

/// The same, once everyone who was expected is there: only newcomers are still waited for, and why
/// should they be later than the latest of all others?
pub(super) fn wait_for_newcomers(latest: Duration) -> Duration {
    latest.clamp(WAIT_NEWCOMERS_MIN, WAIT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_grows_with_the_population() {
        for (answers, millis) in [
            (None, 100),
            (Some(0), 5),
            (Some(16), 5),
            (Some(64), 9),
            (Some(256), 38),
            (Some(512), 76),
            (Some(10_000), 1_500),
            (Some(usize::MAX), 10_000),
        ] {
            assert_eq!(
                spread(answers),
                Duration::from_millis(millis),
                "{answers:?}"
            );
        }
    }

    #[test]
    fn newcomers_are_given_as_long_as_the_latest_took() {
        let millis = Duration::from_millis;
        for (latest, waited) in [(0, 10), (1, 10), (20, 20), (999, 250)] {
            assert_eq!(wait_for_newcomers(millis(latest)), millis(waited));
        }
    }

    #[test]
    fn wait_grows_with_lateness() {
        let millis = Duration::from_millis;
        for (latest, waited) in [(None, 50), (Some(1), 15), (Some(20), 60), (Some(999), 250)] {
            assert_eq!(wait(latest.map(millis)), millis(waited), "{latest:?}");
        }
    }
}
