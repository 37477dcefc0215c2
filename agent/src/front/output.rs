//! One output stream of a job: what was read from its pipe and not yet acknowledged.
//!
//! Bytes are kept until the client has them, so that another session can go on at any of them;
//! more than a window of them is never kept: then the pipe is left alone, and the command waits.

use std::collections::VecDeque;

use bytes::Bytes;
use dtx_proto_types::limits::STREAM_WINDOW;
use dtx_proto_types::message::Chunk;

use super::budget::READ_PIECE;

/// Fewer bytes than this are not worth giving space back for while more may come.
const KEEP_SPACE: usize = 4 * 1024;
/// The largest offset to begin at: there is room for more than will ever be read.
const OFFSET_MAX: u64 = u64::MAX / 2;

/// Read from the pipe, and on its way to the client.
#[derive(Debug)]
pub(super) struct Output {
    /// Bytes that the client has, from the stream's beginning.
    acknowledged: u64,
    /// Bytes that were handed to the client's session.
    sent: u64,
    /// Bytes that were read from the pipe.
    read: u64,
    /// Bytes that are sent at all; those beyond are only counted.
    limit: u64,
    /// From `acknowledged` on.
    held: VecDeque<u8>,
}

/// The client acknowledged what it was never sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("output was acknowledged that was never sent")]
pub(super) struct NeverSent;

/// The bytes that a client asked for are not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("output from byte {wanted} on was asked for, and the agent holds it from byte {from} on")]
pub(super) struct Gone {
    wanted: u64,
    from: u64,
}

impl Output {
    /// A stream whose next byte in the pipe has this offset; the client has all before it. No
    /// stream gets to [`OFFSET_MAX`]: what is beyond it a front that is gone made up.
    pub(super) const fn at(offset: u64) -> Self {
        let offset = if offset < OFFSET_MAX {
            offset
        } else {
            OFFSET_MAX
        };
        Self {
            acknowledged: offset,
            sent: offset,
            read: offset,
            limit: u64::MAX,
            held: VecDeque::new(),
        }
    }

    /// Bytes beyond the first `limit` are counted only.
    pub(super) fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
        self.acknowledged = self.acknowledged.min(limit);
        self.sent = self.sent.min(limit);
    }

    /// How many bytes are sent at most, if there is a limit.
    pub(super) fn limit(&self) -> Option<u64> {
        (self.limit < u64::MAX).then_some(self.limit)
    }

    /// How many bytes may be read from the pipe now.
    pub(super) fn room(&self) -> usize {
        if self.read >= self.limit {
            return READ_PIECE;
        }
        let window = usize::try_from(STREAM_WINDOW).unwrap_or(usize::MAX);
        window.saturating_sub(self.held.len()).min(READ_PIECE)
    }

    /// Takes what was read from the pipe.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        let wanted = self.limit.saturating_sub(self.read);
        let wanted = usize::try_from(wanted)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        self.held.extend(&bytes[..wanted]);
        self.read += bytes.len() as u64;
    }

    /// The next bytes for the client, at most `most` of them.
    pub(super) fn next(&mut self, most: usize) -> Option<Chunk> {
        let start = self.ahead();
        let length = (self.held.len() - start).min(most);
        if length == 0 {
            return None;
        }
        let (first, second) = self.held.as_slices();
        let bytes = match first.get(start..) {
            Some(first) if !first.is_empty() => &first[..length.min(first.len())],
            _ => {
                let start = start - first.len();
                &second[start..start + length]
            }
        };
        let offset = self.sent;
        self.sent += bytes.len() as u64;
        Some(Chunk {
            offset,
            bytes: Bytes::copy_from_slice(bytes),
        })
    }

    /// The client has everything before `offset`.
    pub(super) fn acknowledge(&mut self, offset: u64) -> Result<(), NeverSent> {
        if offset > self.sent {
            return Err(NeverSent);
        }
        let Some(count) = offset.checked_sub(self.acknowledged) else {
            // An older word than the last one.
            return Ok(());
        };
        self.held
            .drain(..usize::try_from(count).unwrap_or(usize::MAX));
        self.acknowledged = offset;
        if self.held.is_empty() {
            self.held = VecDeque::new();
        } else if self.held.len() < self.held.capacity() / 4 {
            self.held.shrink_to(KEEP_SPACE);
        }
        Ok(())
    }

    /// Goes on at `offset` for a client that came back with everything before it.
    pub(super) fn resume(&mut self, offset: u64) -> Result<(), Gone> {
        let from = self.acknowledged;
        // Beyond the limit nothing is sent, whatever the client has from before it was set.
        let offset = offset.min(self.limit);
        if offset < from || offset > self.end() {
            let wanted = offset;
            return Err(Gone { wanted, from });
        }
        self.sent = self.end();
        self.acknowledge(offset).map_err(|NeverSent| Gone {
            wanted: offset,
            from,
        })?;
        self.sent = offset;
        Ok(())
    }

    /// Whether all that will be sent of what was read so far has been.
    pub(super) fn is_sent(&self) -> bool {
        self.sent == self.end()
    }

    /// Whether nothing is here that the client has not.
    pub(super) fn is_clean(&self) -> bool {
        self.held.is_empty()
    }

    /// Bytes read from the pipe so far.
    pub(super) const fn read(&self) -> u64 {
        self.read
    }

    /// Offset after the last byte held.
    fn end(&self) -> u64 {
        self.read.min(self.limit)
    }

    /// Bytes held that were sent and not acknowledged.
    fn ahead(&self) -> usize {
        usize::try_from(self.sent - self.acknowledged).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(output: &mut Output, most: usize) -> Option<(u64, String)> {
        let chunk = output.next(most)?;
        Some((
            chunk.offset,
            String::from_utf8(chunk.bytes.to_vec()).unwrap(),
        ))
    }

    fn all(output: &mut Output) -> String {
        std::iter::from_fn(|| text(output, 7))
            .map(|(_, text)| text)
            .collect()
    }

    #[test]
    fn bytes_are_kept_until_acknowledged() {
        let mut output = Output::at(0);
        output.take(b"hello ");
        output.take(b"world");
        assert_eq!(text(&mut output, 4), Some((0, "hell".into())));
        assert_eq!(output.acknowledge(5), Err(NeverSent));
        assert_eq!(all(&mut output), "o world");
        assert!(output.is_sent() && !output.is_clean());
        output.acknowledge(3).unwrap();
        output.acknowledge(1).unwrap();
        output.resume(6).unwrap();
        assert_eq!(text(&mut output, 9), Some((6, "world".into())));
        assert!(output.resume(5).is_err());
        assert!(output.resume(12).is_err());
        output.resume(11).unwrap();
        assert!(output.is_clean() && output.is_sent());
        assert_eq!(text(&mut output, 9), None);
    }

    #[test]
    fn beyond_the_limit_bytes_are_counted() {
        for limit in [0_u64, 1, 5, 6, 11, 12] {
            let mut output = Output::at(0);
            output.set_limit(limit);
            output.take(b"hello ");
            output.take(b"world");
            let sent = all(&mut output);
            assert_eq!(sent.len() as u64, limit.min(11));
            assert!("hello world".starts_with(&sent));
            assert_eq!(output.read(), 11);
            assert!(output.is_sent());
        }
        let mut output = Output::at(100);
        output.set_limit(30);
        assert!(output.is_sent() && output.is_clean() && output.resume(30).is_ok());
    }

    #[test]
    fn a_full_window_leaves_no_room_and_space_is_given_back() {
        let mut output = Output::at(7);
        let piece = vec![b'x'; READ_PIECE];
        let mut window = 0;
        while output.room() > 0 {
            let count = output.room();
            output.take(&piece[..count]);
            window += count as u64;
        }
        assert_eq!(window, STREAM_WINDOW);
        while output.next(READ_PIECE).is_some() {}
        output.acknowledge(7 + STREAM_WINDOW - 10).unwrap();
        assert!(output.held.capacity() < 2 * KEEP_SPACE);
        output.acknowledge(7 + STREAM_WINDOW).unwrap();
        assert_eq!(output.held.capacity(), 0);
    }

    #[test]
    fn an_offset_that_no_stream_can_have_overflows_nothing() {
        for offset in [OFFSET_MAX - 1, OFFSET_MAX, u64::MAX - 1, u64::MAX] {
            let mut output = Output::at(offset);
            let first = offset.min(OFFSET_MAX);
            output.take(b"hello");
            assert_eq!(output.read(), first + 5);
            assert_eq!(text(&mut output, 9), Some((first, "hello".into())));
            assert_eq!(output.acknowledge(u64::MAX), Err(NeverSent));
            assert!(output.resume(u64::MAX).is_err());
            output.resume(first + 5).unwrap();
            assert!(output.is_clean() && output.is_sent());
        }
    }

    proptest::proptest! {
        /// However reads, sends, acknowledgements and new sessions interleave, each session sees
        /// the stream's bytes from its offset on, and no more than a window is held.
        #[test]
        fn every_session_sees_the_same_bytes(
            steps in proptest::collection::vec((0_u8..4, 0_usize..40_000), 1..200)
        ) {
            let byte = |offset: u64| u8::try_from(offset % 251).unwrap();
            let mut output = Output::at(0);
            let mut received = 0_u64;
            for (step, amount) in steps {
                match step {
                    0 => {
                        let count = amount.min(output.room()) as u64;
                        let start = output.read();
                        let bytes: Vec<u8> = (start..start + count).map(byte).collect();
                        output.take(&bytes);
                    }
                    1 => {
                        if let Some(chunk) = output.next(amount) {
                            assert_eq!(chunk.offset, received);
                            for got in chunk.bytes {
                                assert_eq!(got, byte(received));
                                received += 1;
                            }
                        }
                    }
                    2 => output.acknowledge(received.saturating_sub(amount as u64)).unwrap(),
                    _ => {
                        let from = received.saturating_sub(amount as u64).max(output.acknowledged);
                        output.resume(from).unwrap();
                        received = from;
                    }
                }
                assert!(output.held.len() as u64 <= STREAM_WINDOW);
            }
        }
    }
}
