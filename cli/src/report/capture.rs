//! One stream of one node, kept until it can be shown.

use std::cmp::Ordering;

use bytes::Bytes;

/// The first bytes of a stream, up to a limit, in the pieces in which they came: nothing large is
/// copied. Two captures compare by what they hold, not by how it came.
#[derive(Debug, Clone, Default)]
pub(super) struct Capture {
    pieces: Vec<Bytes>,
    // Small pieces are gathered here, so that a command that writes byte by byte does not cost a
    // handle for each and does not keep a whole receive buffer alive.
    gathered: Vec<u8>,
    kept: u64,
}

/// Below this a copy is cheaper than a handle.
const SMALL: usize = 4096;

impl Capture {
    /// Adds what the node wrote next; `limit` bytes are kept, or all of them without one.
    pub(super) fn push(&mut self, bytes: &Bytes, limit: Option<u64>) {
        let room = limit.map_or(u64::MAX, |limit| limit.saturating_sub(self.kept));
        let fits = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
        if fits == 0 {
            return;
        }
        self.kept += fits as u64;
        if fits < SMALL {
            self.gathered.extend_from_slice(&bytes[..fits]);
            if self.gathered.len() >= 16 * SMALL {
                self.seal();
            }
        } else {
            self.seal();
            self.pieces.push(bytes.slice(..fits));
        }
    }

    fn seal(&mut self) {
        if !self.gathered.is_empty() {
            self.pieces
                .push(Bytes::from(std::mem::take(&mut self.gathered)));
        }
    }

    /// How many bytes are kept.
    pub(super) const fn len(&self) -> u64 {
        self.kept
    }

    /// Whether none are.
    pub(super) const fn is_empty(&self) -> bool {
        self.kept == 0
    }

    /// The pieces, none of them empty.
    pub(super) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces
            .iter()
            .map(|piece| &piece[..])
            .chain(std::iter::once(&self.gathered[..]))
            .filter(|piece| !piece.is_empty())
    }

    /// All of it in one piece; copied only if it came in several.
    pub(super) fn contiguous(&self) -> std::borrow::Cow<'_, [u8]> {
        let mut pieces = self.pieces();
        match (pieces.next(), pieces.next()) {
            (None, _) => (&[][..]).into(),
            (Some(only), None) => only.into(),
            (Some(first), Some(second)) => {
                let mut all = [first, second].concat();
                pieces.for_each(|piece| all.extend_from_slice(piece));
                all.into()
            }
        }
    }

    /// The beginning, up to the first line end or `max` bytes.
    pub(super) fn first_line(&self, max: usize) -> Vec<u8> {
        let mut line = Vec::new();
        for piece in self.pieces() {
            let end = piece.iter().position(|byte| *byte == b'\n');
            line.extend_from_slice(&piece[..end.unwrap_or(piece.len())]);
            if end.is_some() || line.len() >= max {
                break;
            }
        }
        line.truncate(max);
        line
    }
}

impl Ord for Capture {
    fn cmp(&self, other: &Self) -> Ordering {
        // Lengths first: the order only has to be one, and most different outputs differ here.
        self.kept
            .cmp(&other.kept)
            .then_with(|| cmp_pieces(self.pieces(), other.pieces()))
    }
}

impl PartialOrd for Capture {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Capture {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Capture {}

/// Compares two equally long rows of pieces, however they are cut.
fn cmp_pieces<'a>(
    mut left: impl Iterator<Item = &'a [u8]>,
    mut right: impl Iterator<Item = &'a [u8]>,
) -> Ordering {
    let (mut a, mut b): (&[u8], &[u8]) = (&[], &[]);
    loop {
        if a.is_empty() {
            a = left.next().unwrap_or_default();
        }
        if b.is_empty() {
            b = right.next().unwrap_or_default();
        }
        let common = a.len().min(b.len());
        if common == 0 {
            return a.len().cmp(&b.len());
        }
        match a[..common].cmp(&b[..common]) {
            Ordering::Equal => (a, b) = (&a[common..], &b[common..]),
            unequal => return unequal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(pieces: &[&[u8]]) -> Capture {
        let mut capture = Capture::default();
        for piece in pieces {
            capture.push(&Bytes::copy_from_slice(piece), None);
        }
        capture
    }

    #[test]
    fn equal_however_it_came() {
        let large = vec![b'x'; 3 * SMALL];
        let whole = capture(&[&large, b"end"]);
        let cut = capture(&[&large[..SMALL], b"xx", &large[SMALL + 2..], b"e", b"nd"]);
        assert_eq!(whole, cut);
        assert_eq!(whole.contiguous(), cut.contiguous());
        assert_ne!(whole, capture(&[&large, b"enD"]));
        assert_ne!(whole, capture(&[&large]));
        assert_eq!(capture(&[]), capture(&[b""]));
    }

    #[test]
    fn large_pieces_are_not_copied() {
        let piece = Bytes::from(vec![7; SMALL]);
        let mut capture = Capture::default();
        capture.push(&piece, None);
        assert_eq!(
            capture.pieces().next().map(<[u8]>::as_ptr),
            Some(piece.as_ptr())
        );
    }

    #[test]
    fn keeps_up_to_the_limit() {
        let mut capture = Capture::default();
        for _ in 0..3 {
            capture.push(&Bytes::from_static(b"abcd"), Some(6));
        }
        assert_eq!(capture.len(), 6);
        assert_eq!(&*capture.contiguous(), b"abcdab");
    }

    #[test]
    fn first_line_of_pieces() {
        assert_eq!(capture(&[b"ab", b"c\nd"]).first_line(80), b"abc");
        assert_eq!(capture(&[b"abcdef"]).first_line(4), b"abcd");
        assert_eq!(capture(&[]).first_line(4), b"");
    }
}
