//! How counts, times and sizes are written, each in one place.

use std::time::Duration;

use dtx_proto_types::units::{HumanDuration, HumanSize};

/// `1 node`, `512 nodes`.
#[must_use]
pub fn nodes(count: usize) -> String {
    format!("{count} {}", if count == 1 { "node" } else { "nodes" })
}

/// `0.41 s`.
#[must_use]
pub const fn span(time: Duration) -> HumanDuration {
    HumanDuration(time)
}

/// `0.41 s`, whatever its size, so that the last lines of two runs compare at a glance.
#[must_use]
pub(super) fn wall(time: Duration) -> String {
    // From here on the short form would round up to a minute.
    if time < Duration::from_millis(59_995) {
        format!("{:.2} s", time.as_secs_f64())
    } else {
        span(time).to_string()
    }
}

/// `1.5 MiB`.
#[must_use]
pub const fn amount(bytes: u64) -> HumanSize {
    HumanSize(bytes)
}

/// Milliseconds with one decimal, for machines.
#[must_use]
pub(super) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}
