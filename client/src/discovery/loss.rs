//! How many agents may still be unheard.

/// Fewer agents than this part may remain unheard before asking again is worth its time.
const ENOUGH: f64 = 0.001;

/// What is known of the chance that question or answer gets lost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loss {
    asked: u32,
    missed: u32,
}

impl Loss {
    /// Nothing is known.
    pub(super) const NONE: Self = Self {
        asked: 0,
        missed: 0,
    };

    /// An agent known to be there was asked so many times and missed so many of them.
    pub(super) const fn count(&mut self, asked: u32, missed: u32) {
        self.asked = self.asked.saturating_add(asked);
        self.missed = self.missed.saturating_add(missed);
    }

    /// The chance that an agent misses one round. Half a miss is assumed to begin with, so that a
    /// handful of good answers is not taken for certainty.
    fn chance(self) -> f64 {
        (f64::from(self.missed) + 0.5) / (f64::from(self.asked) + 2.0)
    }

    /// The part of the agents that is still unheard after so many rounds.
    pub(super) fn unheard(self, rounds: u32) -> f64 {
        self.chance()
            .powi(i32::try_from(rounds).unwrap_or(i32::MAX))
    }

    /// Whether that part is small enough.
    pub(super) fn is_enough(self, rounds: u32) -> bool {
        self.unheard(rounds) < ENOUGH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_asking_again_is_worth_it() {
        for (asked, missed, rounds) in [
            // A quiet network: two rounds, three where only a few can tell.
            (32, 0, 2),
            (15, 0, 2),
            (14, 0, 2),
            (4, 0, 3),
            // 5 % and 20 % lost each way.
            (320, 31, 3),
            (320, 115, 7),
        ] {
            let mut loss = Loss::NONE;
            loss.count(asked, missed);
            let enough = (1..).find(|&n| loss.is_enough(n)).unwrap();
            assert_eq!(enough, rounds, "{missed} of {asked}");
        }
    }
}
