//! The moments at which the executor must look at something again.

use std::time::{Duration, Instant};

use nix::poll::PollTimeout;

/// The nearest of several moments.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Nearest(Option<Instant>);

impl Nearest {
    /// Takes another moment into account.
    pub(super) fn add(&mut self, moment: Instant) {
        self.0 = Some(self.0.map_or(moment, |nearest| nearest.min(moment)));
    }

    /// Takes another moment into account, if there is one.
    pub(super) fn add_some(&mut self, moment: Option<Instant>) {
        if let Some(moment) = moment {
            self.add(moment);
        }
    }

    /// How long `poll` may sleep at `now`; for ever without a moment. Rounded up, so that the
    /// moment has passed when it wakes.
    #[must_use]
    pub(super) fn poll_timeout(self, now: Instant) -> PollTimeout {
        let Some(moment) = self.0 else {
            return PollTimeout::NONE;
        };
        let rest = moment.saturating_duration_since(now) + Duration::from_micros(999);
        let millis = i32::try_from(rest.as_millis()).unwrap_or(i32::MAX);
        PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
    }
}
