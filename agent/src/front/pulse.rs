//! When to say something so that the peer knows of us, and when to give a silent peer up.
//!
//! Pure: time comes from the caller.

use std::time::Instant;

use dtx_proto_types::limits::{HEARTBEAT_PERIOD, SILENCE_MAX};

/// When each side was last heard of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pulse {
    said: Instant,
    heard: Instant,
}

/// What the time has come for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beat {
    /// Nothing.
    Rest,
    /// Say something.
    Speak,
    /// The peer has been silent for too long.
    Lost,
}

impl Pulse {
    /// Both have just spoken.
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            said: now,
            heard: now,
        }
    }

    /// Something was sent.
    pub(super) const fn said(&mut self, now: Instant) {
        self.said = now;
    }

    /// Something came.
    pub(super) const fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// What is due. Whoever is told to speak has spoken, even if the words wait in a queue: a
    /// peer that does not read needs no more of them.
    pub(super) fn beat(&mut self, now: Instant) -> Beat {
        if now >= self.heard + SILENCE_MAX {
            Beat::Lost
        } else if now >= self.said + HEARTBEAT_PERIOD {
            self.said = now;
            Beat::Speak
        } else {
            Beat::Rest
        }
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Instant {
        (self.said + HEARTBEAT_PERIOD).min(self.heard + SILENCE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_peer_that_speaks_is_kept_and_a_silent_one_is_not() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut pulse = Pulse::new(start);
        for (second, heard, expected) in [
            (9, false, Beat::Rest),
            (10, false, Beat::Speak),
            (11, true, Beat::Rest),
            (20, false, Beat::Speak),
            (30, false, Beat::Speak),
            (40, false, Beat::Speak),
            (41, false, Beat::Lost),
        ] {
            if heard {
                pulse.heard(at(second));
            }
            assert_eq!(pulse.beat(at(second)), expected, "{second} s");
        }
        let mut pulse = Pulse::new(start);
        pulse.said(at(25));
        assert_eq!(pulse.next(), at(30));
        pulse.heard(at(25));
        assert_eq!(pulse.next(), at(35));
    }
}
