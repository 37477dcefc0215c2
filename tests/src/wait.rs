//! Waiting for a condition: bounded, and with the last thing seen in the message.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const PERIOD: Duration = Duration::from_millis(5);

/// Looks until `condition` gives a value, and returns it.
///
/// # Panics
///
/// After `deadline`, with what the condition said last.
pub fn wait_for<T, S: Display>(
    what: &str,
    deadline: Duration,
    mut condition: impl FnMut() -> Result<T, S>,
) -> T {
    let start = Instant::now();
    loop {
        match condition() {
            Ok(value) => return value,
            Err(seen) if start.elapsed() >= deadline => {
                panic!("{what}: not within {deadline:?}; last seen: {seen}")
            }
            Err(_) => std::thread::sleep(PERIOD),
        }
    }
}

/// Turns a truth and what was seen into what [`wait_for`] wants.
///
/// # Errors
///
/// What was seen, if it is not so yet.
pub fn holds<S: Display>(so: bool, seen: S) -> Result<(), S> {
    if so { Ok(()) } else { Err(seen) }
}
