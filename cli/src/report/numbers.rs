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
