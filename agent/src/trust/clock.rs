//! The clocks that a node decides by.

use nix::time::{ClockId, clock_gettime};

use crate::sys;

/// What trust asks of the time. Tests set it as they need.
pub trait Clock: std::fmt::Debug {
    /// Milliseconds since 1970, as the node believes.
    fn wall_ms(&self) -> u64;
    /// Milliseconds since the node was started; goes on while it sleeps, and never back.
    fn boot_ms(&self) -> u64;
    /// Whether the kernel says that something keeps the wall clock right.
    fn is_synchronised(&self) -> bool;
}

/// The node's own clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall_ms(&self) -> u64 {
        read(ClockId::CLOCK_REALTIME)
    }

    fn boot_ms(&self) -> u64 {
        read(ClockId::CLOCK_BOOTTIME)
    }

    fn is_synchronised(&self) -> bool {
        !sys::clock_is_unsynchronised()
    }
}

/// A clock that fails or is before 1970 reads 0, which no grant is fresh at.
fn read(clock: ClockId) -> u64 {
    let Ok(time) = clock_gettime(clock) else {
        return 0;
    };
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    let millis = u64::try_from(time.tv_nsec() / 1_000_000).unwrap_or(0);
    seconds.saturating_mul(1000).saturating_add(millis)
}

/// When this agent was built, in milliseconds since 1970: no right clock is earlier.
pub const BUILT_MS: u64 = match u64::from_str_radix(env!("DTX_BUILT_SECONDS"), 10) {
    Ok(seconds) => seconds * 1000,
    Err(_) => panic!("the build script writes a number"),
};

/// One reading of all that a decision needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since 1970, as the node believes.
    pub wall_ms: u64,
    /// Milliseconds since the node was started.
    pub boot_ms: u64,
    /// Whether the wall clock may be wrong: nothing keeps it right, or it is earlier than the
    /// build.
    pub is_doubtful: bool,
}

impl Now {
    /// Reads a clock.
    #[must_use]
    pub fn read(clock: &dyn Clock) -> Self {
        let wall_ms = clock.wall_ms();
        Self {
            wall_ms,
            boot_ms: clock.boot_ms(),
            is_doubtful: wall_ms < BUILT_MS || !clock.is_synchronised(),
        }
    }

    /// The wall clock, or the build's date where that is later: what ended before this agent was
    /// built is over, whatever a clock says that was never set.
    #[must_use]
    pub const fn at_least_ms(&self) -> u64 {
        if self.wall_ms < BUILT_MS {
            BUILT_MS
        } else {
            self.wall_ms
        }
    }
}

#[cfg(test)]
pub(crate) mod fake {
    //! A clock that stands still until it is told otherwise.

    use std::cell::Cell;
    use std::rc::Rc;

    use super::Clock;

    /// Clones show the same time.
    #[derive(Debug, Clone)]
    pub(crate) struct FakeClock(Rc<Cell<(u64, u64, bool)>>);

    impl FakeClock {
        /// Wall clock and synchronisation; the node started an hour ago.
        pub(crate) fn new(wall_ms: u64, synchronised: bool) -> Self {
            Self(Rc::new(Cell::new((wall_ms, 3_600_000, synchronised))))
        }

        /// Lets time pass on both clocks.
        pub(crate) fn advance(&self, ms: u64) {
            let (wall, boot, synchronised) = self.0.get();
            self.0.set((wall + ms, boot + ms, synchronised));
        }

        /// Sets the wall clock alone.
        pub(crate) fn set_wall(&self, wall_ms: u64) {
            let (_, boot, synchronised) = self.0.get();
            self.0.set((wall_ms, boot, synchronised));
        }

        /// What the kernel says about the wall clock.
        pub(crate) fn set_synchronised(&self, synchronised: bool) {
            let (wall, boot, _) = self.0.get();
            self.0.set((wall, boot, synchronised));
        }
    }

    impl Clock for FakeClock {
        fn wall_ms(&self) -> u64 {
            self.0.get().0
        }

        fn boot_ms(&self) -> u64 {
            self.0.get().1
        }

        fn is_synchronised(&self) -> bool {
            self.0.get().2
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_clocks_go_forward() {
        let clock = SystemClock;
        let (wall, boot) = (clock.wall_ms(), clock.boot_ms());
        assert!(wall > 1_600_000_000_000 && boot > 0);
        assert!(clock.boot_ms() >= boot);
        let _either = clock.is_synchronised();
    }

    #[test]
    fn a_clock_before_the_build_is_doubtful() {
        for (wall, synchronised, doubtful) in [
            (BUILT_MS, true, false),
            (BUILT_MS - 1, true, true),
            (BUILT_MS, false, true),
        ] {
            let clock = fake::FakeClock::new(wall, synchronised);
            assert_eq!(Now::read(&clock).is_doubtful, doubtful);
        }
    }
}
