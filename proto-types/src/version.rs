//! Protocol versions. A peer speaks a window of them; the best common one is used.

use serde::{Deserialize, Serialize};

/// The oldest version that this build speaks. The window is never wider than two.
pub const OLDEST: u16 = 1;
/// The newest version that this build speaks.
pub const NEWEST: u16 = 1;

/// The versions that a peer speaks, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRange {
    /// The oldest.
    pub oldest: u16,
    /// The newest.
    pub newest: u16,
}

impl VersionRange {
    /// What this build speaks.
    pub const OURS: Self = Self {
        oldest: OLDEST,
        newest: NEWEST,
    };

    /// The best version that both speak.
    #[must_use]
    pub fn common(self, other: Self) -> Option<u16> {
        let best = self.newest.min(other.newest);
        (best >= self.oldest.max(other.oldest)).then_some(best)
    }
}

impl std::fmt::Display for VersionRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.oldest == self.newest {
            write!(f, "{}", self.newest)
        } else {
            write!(f, "{}-{}", self.oldest, self.newest)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn best_common_version() {
        let range = |oldest, newest| VersionRange { oldest, newest };
        for (a, b, best) in [
            (range(1, 1), range(1, 1), Some(1)),
            (range(1, 2), range(2, 3), Some(2)),
            (range(1, 3), range(1, 2), Some(2)),
            (range(1, 1), range(2, 2), None),
            (range(3, 2), range(1, 9), None),
        ] {
            assert_eq!(a.common(b), best);
            assert_eq!(b.common(a), best);
        }
    }
}
