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

    /// Whether the part of the agents that is still unheard after so many rounds is small enough.
    pub(super) fn is_enough(self, rounds: u32) -> bool {
        power(self.chance(), rounds) < ENOUGH
    }

    /// How many agents the next round may bring, where so many were heard in so many rounds. One
    /// in twenty where nothing is known: a spread that is too short shows, and is made longer.
    pub(super) fn unheard(self, heard: usize, rounds: u32) -> usize {
        let chance = (f64::from(self.missed) + 0.5) / (f64::from(self.asked) + 10.0);
        let part = power(chance, rounds);
        let steps = [1, 5, 20, 50, 100, 250, 500];
        let per_mille = steps
            .into_iter()
            .find(|step| f64::from(*step) >= part * 1000.0);
        heard * usize::from(per_mille.unwrap_or(500_u16)) / 1000
    }
}

fn power(chance: f64, rounds: u32) -> f64 {
    chance.powi(i32::try_from(rounds).unwrap_or(i32::MAX))
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

    #[test]
    fn how_many_may_be_unheard() {
        for (asked, missed, heard, rounds, unheard) in [
            (0, 0, 1_000, 1, 50),
            (32, 0, 1_000, 2, 1),
            (1_000, 360, 1_000, 2, 250),
            (1_000, 900, 1_000, 1, 500),
            (0, 0, 0, 1, 0),
        ] {
            let mut loss = Loss::NONE;
            loss.count(asked, missed);
            assert_eq!(loss.unheard(heard, rounds), unheard, "{missed} of {asked}");
        }
    }
}
