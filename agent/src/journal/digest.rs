//! Enough of a digest to tell two jobs apart.

/// The first half of the digest of all that may not differ between two sendings of one job.
///
/// 128 bits are enough: it is compared only with jobs of the same operator and id. To pass another
/// job for one that was taken on, somebody else would have to find a second preimage (2^128). The
/// operator itself could look for two jobs of its own that collide (2^64), and win that its agent
/// answers for the second with how the first ended: nothing runs that it did not sign, and nothing
/// runs twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 16]);

impl Digest {
    pub(super) fn of(whole: &[u8; 32]) -> Self {
        let (half, _) = whole.as_chunks::<16>();
        Self(half[0])
    }
}

impl PartialEq<[u8; 32]> for Digest {
    fn eq(&self, whole: &[u8; 32]) -> bool {
        *self == Self::of(whole)
    }
}
