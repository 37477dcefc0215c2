//! A stream that many nodes read at once. What the slowest has not taken is kept, and nothing
//! further is read while that is much: the slowest sets the pace.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use dtx_proto_types::limits::{CHUNK_MAX, STREAM_WINDOW};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::watch;

/// Bytes kept for the slowest node: its window, and as much again for the others to run ahead.
const KEPT_MAX: u64 = 2 * STREAM_WINDOW;

/// The bytes of a stream between the slowest reader and the source.
#[derive(Debug)]
pub(crate) struct SharedStdin {
    state: Mutex<State>,
    /// Bytes or the end have come: for the nodes.
    arrivals: watch::Sender<()>,
    /// Bytes were forgotten: for the pump.
    room: watch::Sender<()>,
}

#[derive(Debug)]
struct State {
    chunks: VecDeque<Bytes>,
    /// Offset of the first byte kept.
    base: u64,
    /// Offset after the last byte read.
    end: u64,
    over: bool,
    /// What each node has acknowledged.
    readers: BTreeMap<u32, u64>,
}

/// What a node finds at its offset.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// These bytes.
    Bytes(Bytes),
    /// The end of the stream.
    End,
    /// Nothing yet.
    Nothing,
    /// What was there is gone: the node had left the stream.
    Gone,
}

impl SharedStdin {
    /// For these nodes, which all read from the beginning.
    pub(crate) fn new(ranks: impl Iterator<Item = u32>) -> Self {
        Self {
            state: Mutex::new(State {
                chunks: VecDeque::new(),
                base: 0,
                end: 0,
                over: false,
                readers: ranks.map(|rank| (rank, 0)).collect(),
            }),
            arrivals: watch::channel(()).0,
            room: watch::channel(()).0,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes when there is more to send.
    pub(super) fn watch(&self) -> watch::Receiver<()> {
        self.arrivals.subscribe()
    }

    /// Reads the source to its end, as fast as the slowest node.
    pub(in crate::fanout) async fn pump<R>(&self, mut source: R) -> io::Result<()>
    where
        R: AsyncRead + Unpin,
    {
        let mut changes = self.room.subscribe();
        loop {
            if !self.lock().has_room() {
                // The sender lives as long as `self`, so the wait cannot fail.
                let _changed = changes.changed().await;
                continue;
            }
            let mut chunk = BytesMut::with_capacity(CHUNK_MAX);
            let read = source.read_buf(&mut chunk).await;
            {
                let mut state = self.lock();
                match &read {
                    Ok(0) | Err(_) => state.over = true,
                    Ok(_) => state.push(chunk.freeze()),
                }
            }
            self.arrivals.send_replace(());
            if read? == 0 {
                return Ok(());
            }
        }
    }

    /// What there is at `offset`, at most `max` bytes.
    pub(super) fn at(&self, offset: u64, max: usize) -> Found {
        self.lock().at(offset, max)
    }

    /// A node has all bytes before `offset`.
    pub(super) fn acknowledge(&self, rank: u32, offset: u64) {
        let mut state = self.lock();
        if let Some(reader) = state.readers.get_mut(&rank) {
            *reader = offset.max(*reader);
            state.forget();
        }
        drop(state);
        self.room.send_replace(());
    }

    /// A node reads no more.
    pub(in crate::fanout) fn leave(&self, rank: u32) {
        let mut state = self.lock();
        state.readers.remove(&rank);
        state.forget();
        drop(state);
        self.room.send_replace(());
    }

    /// Whether a node can begin anew: it still counts, and nothing has been forgotten.
    pub(in crate::fanout) fn can_restart(&self, rank: u32) -> bool {
        let state = self.lock();
        state.base == 0 && state.readers.get(&rank).is_some_and(|acked| *acked == 0)
    }
}

impl State {
    /// Whether more may be read. With no reader left there is nobody to read for.
    fn has_room(&self) -> bool {
        !self.readers.is_empty() && self.end - self.base < KEPT_MAX
    }

    fn push(&mut self, chunk: Bytes) {
        self.end += chunk.len() as u64;
        self.chunks.push_back(chunk);
    }

    /// Drops the chunks that every node has.
    fn forget(&mut self) {
        let slowest = self.readers.values().min().copied().unwrap_or(self.end);
        while let Some(first) = self.chunks.front() {
            let after = self.base + first.len() as u64;
            if after > slowest {
                return;
            }
            self.base = after;
            self.chunks.pop_front();
        }
    }

    fn at(&self, offset: u64, max: usize) -> Found {
        let Some(mut skip) = offset.checked_sub(self.base) else {
            return Found::Gone;
        };
        for chunk in &self.chunks {
            let length = chunk.len() as u64;
            if skip < length {
                let from = usize::try_from(skip).unwrap_or(usize::MAX);
                let to = chunk.len().min(from.saturating_add(max));
                return Found::Bytes(chunk.slice(from..to));
            }
            skip -= length;
        }
        if self.over {
            Found::End
        } else {
            Found::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::task::JoinSet;

    use super::*;

    #[test]
    fn what_is_kept_and_what_is_gone() {
        let shared = SharedStdin::new([0, 1].into_iter());
        shared.lock().push(Bytes::from_static(b"abc"));
        shared.lock().push(Bytes::from_static(b"def"));
        let bytes = |text: &'static str| Found::Bytes(Bytes::from_static(text.as_bytes()));
        assert_eq!(shared.at(0, 2), bytes("ab"));
        assert_eq!(shared.at(4, 9), bytes("ef"));
        assert_eq!(shared.at(6, 9), Found::Nothing);
        shared.acknowledge(0, 5);
        assert!(shared.can_restart(1) && !shared.can_restart(0));
        shared.acknowledge(1, 3);
        assert_eq!(shared.at(2, 9), Found::Gone);
        assert!(!shared.can_restart(1));
        shared.leave(1);
        shared.lock().over = true;
        assert_eq!(shared.at(5, 9), bytes("f"));
        assert_eq!(shared.at(6, 9), Found::End);
    }

    #[tokio::test(start_paused = true)]
    async fn the_slowest_sets_the_pace() {
        let shared = Arc::new(SharedStdin::new([0, 1].into_iter()));
        let mut tasks = JoinSet::new();
        let pump = Arc::clone(&shared);
        tasks.spawn(async move { pump.pump(tokio::io::repeat(b'y')).await });
        shared.acknowledge(0, u64::MAX);
        let mut changes = shared.watch();
        while shared.lock().has_room() {
            changes.changed().await.unwrap();
        }
        let full = shared.lock().end;
        assert!((KEPT_MAX..KEPT_MAX + CHUNK_MAX as u64).contains(&full));
        // Nothing more is read until the slow one moves.
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        assert_eq!(shared.lock().end, full);
        shared.acknowledge(1, full);
        while shared.lock().end == full {
            changes.changed().await.unwrap();
        }
    }
}
