//! What the service manager is told, where there is one that listens (`sd_notify(3)`).

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// The service manager's ear, and when it wants to hear from us next.
#[derive(Debug)]
pub(super) struct Notify {
    watchdog: Option<Duration>,
    next: Option<Instant>,
}

impl Notify {
    /// As the environment says.
    pub(super) fn new() -> Self {
        // Twice as often as asked for, so that a late wake-up is no death.
        let watchdog = sd_notify::watchdog_enabled().map(|period| period / 2);
        Self {
            watchdog,
            next: watchdog.map(|period| Instant::now() + period),
        }
    }

    /// The agent serves.
    pub(super) fn ready(&self) {
        tell(NotifyState::Ready);
    }

    /// The agent stops.
    pub(super) fn stopping(&self) {
        tell(NotifyState::Stopping);
    }

    /// When [`Notify::beat`] is due.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.next
    }

    /// Says that the loop still turns, if it is time to.
    pub(super) fn beat(&mut self, now: Instant) {
        if let (Some(period), Some(next)) = (self.watchdog, self.next)
            && next <= now
        {
            tell(NotifyState::Watchdog);
            self.next = Some(now + period);
        }
    }
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        log::warn!("the service manager does not hear: {error}");
    }
}
