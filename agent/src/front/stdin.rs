//! A job's standard input on its way from the client: into a memfd whose digest was signed, or
//! through a pipe.

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;

use dtx_proto_types::limits::STREAM_WINDOW;
use dtx_proto_types::message::Chunk;

/// Where the client's bytes go.
#[derive(Debug)]
pub(super) enum Stdin {
    /// Nowhere, or nowhere any more.
    Closed {
        /// Bytes that were taken while it was open.
        taken: u64,
    },
    /// Into memory, before the start.
    Sized(SizedStdin),
    /// Through a pipe, while the command runs.
    Streamed(StreamedStdin),
}

/// A memfd that is being filled.
#[derive(Debug)]
pub(super) struct SizedStdin {
    memfd: File,
    size: u64,
    filled: u64,
}

/// Bytes that wait for the pipe to take them.
#[derive(Debug, Default)]
pub(super) struct StreamedStdin {
    queue: VecDeque<u8>,
    written: u64,
    end: Option<u64>,
}

/// The client broke the rules for standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum StdinError {
    /// Bytes are missing in between.
    #[error("standard input jumped from byte {expected} to byte {got}")]
    Gap {
        /// The next byte's offset.
        expected: u64,
        /// The offset that came.
        got: u64,
    },
    /// More than may be under way, or than there is.
    #[error("more standard input was sent than asked for")]
    TooMuch,
    /// Bytes after the end.
    #[error("standard input went on after its end")]
    AfterEnd,
}

impl Stdin {
    /// For a job that has not said that it wants any.
    pub(super) const fn none() -> Self {
        Self::Closed { taken: 0 }
    }

    /// Into this memfd, `size` bytes.
    pub(super) const fn sized(memfd: File, size: u64) -> Self {
        Self::Sized(SizedStdin {
            memfd,
            size,
            filled: 0,
        })
    }

    /// Through a pipe that the caller writes to.
    pub(super) fn streamed() -> Self {
        Self::Streamed(StreamedStdin::default())
    }

    /// Bytes that have reached the place where they belong.
    pub(super) const fn taken(&self) -> u64 {
        match self {
            Self::Closed { taken } => *taken,
            Self::Sized(sized) => sized.filled,
            Self::Streamed(streamed) => streamed.written,
        }
    }

    /// Whether no more bytes are wanted.
    pub(super) const fn is_closed(&self) -> bool {
        matches!(self, Self::Closed { .. })
    }

    /// No more bytes are wanted.
    pub(super) fn close(&mut self) {
        *self = Self::Closed {
            taken: self.taken(),
        };
    }

    /// Takes bytes from the client, which was told `credit` as taken.
    pub(super) fn take(&mut self, chunk: &Chunk, credit: u64) -> Result<(), StdinError> {
        let end = chunk.offset.saturating_add(chunk.bytes.len() as u64);
        if end > credit.saturating_add(STREAM_WINDOW) && !self.is_closed() {
            return Err(StdinError::TooMuch);
        }
        match self {
            // They were on their way when it closed.
            Self::Closed { .. } => Ok(()),
            Self::Sized(sized) => sized.take(chunk),
            Self::Streamed(streamed) => streamed.take(chunk),
        }
    }
}

impl SizedStdin {
    fn take(&mut self, chunk: &Chunk) -> Result<(), StdinError> {
        let bytes = not_yet_taken(chunk, self.filled)?;
        if self.filled + bytes.len() as u64 > self.size {
            return Err(StdinError::TooMuch);
        }
        if let Err(error) = self.memfd.write_all_at(bytes, self.filled) {
            // The executor will find that the digest is wrong, and refuse the job.
            log::error!("standard input cannot be kept in memory: {error}");
        }
        self.filled += bytes.len() as u64;
        Ok(())
    }
}

impl StreamedStdin {
    fn take(&mut self, chunk: &Chunk) -> Result<(), StdinError> {
        let bytes = not_yet_taken(chunk, self.written + self.queue.len() as u64)?;
        if self.end.is_some() && !bytes.is_empty() {
            return Err(StdinError::AfterEnd);
        }
        self.queue.extend(bytes);
        Ok(())
    }

    /// No bytes follow beyond `size`.
    pub(super) fn finish(&mut self, size: u64) -> Result<(), StdinError> {
        let got = self.written + self.queue.len() as u64;
        match self.end {
            _ if size != got => Err(StdinError::Gap {
                expected: got,
                got: size,
            }),
            Some(_) => Ok(()),
            None => {
                self.end = Some(size);
                Ok(())
            }
        }
    }

    /// What the pipe should take next.
    pub(super) fn next(&self) -> &[u8] {
        self.queue.as_slices().0
    }

    /// The pipe took `count` bytes.
    pub(super) fn wrote(&mut self, count: usize) {
        self.queue.drain(..count);
        self.written += count as u64;
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
    }

    /// Whether the pipe has everything, and may be closed.
    pub(super) fn is_complete(&self) -> bool {
        self.end == Some(self.written)
    }
}

/// The part of a chunk that is new, where bytes before `expected` have been taken already: a
/// client that came back may not know how far it had got.
fn not_yet_taken(chunk: &Chunk, expected: u64) -> Result<&[u8], StdinError> {
    let Some(known) = expected.checked_sub(chunk.offset) else {
        let got = chunk.offset;
        return Err(StdinError::Gap { expected, got });
    };
    let known = usize::try_from(known).unwrap_or(usize::MAX);
    Ok(chunk.bytes.get(known..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use bytes::Bytes;

    use super::*;

    fn chunk(offset: u64, text: &'static str) -> Chunk {
        let bytes = Bytes::from_static(text.as_bytes());
        Chunk { offset, bytes }
    }

    #[test]
    fn sized_stdin_lands_at_its_offsets() {
        let mut file = tempfile::tempfile().unwrap();
        let mut stdin = Stdin::sized(file.try_clone().unwrap(), 11);
        for (offset, text, expected) in [
            (0, "hello", Ok(())),
            (
                6,
                "w",
                Err(StdinError::Gap {
                    expected: 5,
                    got: 6,
                }),
            ),
            (2, "llo wor", Ok(())),
            (0, "hell", Ok(())),
            (9, "ld!", Err(StdinError::TooMuch)),
            (9, "ld", Ok(())),
        ] {
            assert_eq!(stdin.take(&chunk(offset, text), 0), expected, "{offset}");
        }
        assert_eq!(stdin.taken(), 11);
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello world");
    }

    #[test]
    fn streamed_stdin_waits_in_order() {
        let mut stdin = Stdin::streamed();
        stdin.take(&chunk(0, "hello"), 0).unwrap();
        stdin.take(&chunk(3, "lo world"), 0).unwrap();
        let far = STREAM_WINDOW;
        assert_eq!(stdin.take(&chunk(far, "x"), 0), Err(StdinError::TooMuch));
        let Stdin::Streamed(streamed) = &mut stdin else {
            panic!("still open");
        };
        assert_eq!(streamed.next(), b"hello world");
        streamed.wrote(6);
        assert_eq!(streamed.next(), b"world");
        assert!(streamed.finish(12).is_err());
        streamed.finish(11).unwrap();
        assert!(!streamed.is_complete());
        streamed.wrote(5);
        assert!(streamed.is_complete());
        assert_eq!(stdin.take(&chunk(11, "x"), 0), Err(StdinError::AfterEnd));
        stdin.close();
        assert_eq!((stdin.taken(), stdin.is_closed()), (11, true));
        assert_eq!(stdin.take(&chunk(99, "x"), 0), Ok(()));
    }
}
