//! Bytes that are not quite what was signed.

use crate::dice::Dice;

/// How bytes are spoilt.
#[derive(Debug, Clone, Copy)]
pub(super) enum Spoil {
    /// One bit is another.
    Flip,
    /// The end is missing.
    Cut,
    /// Something follows.
    Trail,
}

/// So many of each kind.
pub(super) const TIMES: [(Spoil, usize); 3] =
    [(Spoil::Flip, 24), (Spoil::Cut, 10), (Spoil::Trail, 6)];

impl Spoil {
    /// Spoils bytes somewhere.
    pub(super) fn apply(self, bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        match self {
            Self::Flip => {
                let at = dice.index(bytes.len());
                bytes[at] ^= 1 << dice.below(8);
            }
            Self::Cut => bytes.truncate(dice.index(bytes.len())),
            Self::Trail => {
                let count = 1 + dice.index(8);
                bytes.extend(dice.bytes(count));
            }
        }
        bytes
    }
}
