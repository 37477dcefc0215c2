//! How one node's job gets its standard input: from where it stands, within its window.

use std::sync::Arc;

use bytes::Bytes;
use dtx_proto_types::job::Stdin;
use dtx_proto_types::limits::{CHUNK_MAX, STREAM_WINDOW};
use dtx_proto_types::message::{Chunk, Request, StdinAck, StdinEnd};
use tokio::sync::watch;

use super::shared::{Found, SharedStdin};

/// The standard input of a run, as its attempts share it.
#[derive(Debug, Clone)]
pub(crate) enum Supply {
    /// There is none.
    None,
    /// All of it is known.
    Bytes(Bytes),
    /// It comes as it comes.
    Shared(Arc<SharedStdin>),
}

impl Supply {
    /// What the signed job says of it.
    pub(crate) fn spec(&self) -> Stdin {
        match self {
            Self::None => Stdin::None,
            Self::Bytes(bytes) => Stdin::Sized {
                size: bytes.len() as u64,
                blake3: *blake3::hash(bytes).as_bytes(),
            },
            Self::Shared(_) => Stdin::Streamed,
        }
    }

    /// Whether a node can get it from the beginning.
    pub(in crate::fanout) fn can_restart(&self, rank: u32) -> bool {
        match self {
            Self::None | Self::Bytes(_) => true,
            Self::Shared(shared) => shared.can_restart(rank),
        }
    }

    /// A node needs it no more.
    pub(in crate::fanout) fn leave(&self, rank: u32) {
        if let Self::Shared(shared) = self {
            shared.leave(rank);
        }
    }
}

/// One job's place in its standard input.
#[derive(Debug)]
pub(in crate::fanout) struct Feed {
    supply: Supply,
    changes: Option<watch::Receiver<()>>,
    rank: u32,
    /// Whether the agent takes it now.
    wanted: bool,
    /// Offset of the next byte to send.
    next: u64,
    /// Offset up to which the agent has it.
    acknowledged: u64,
    /// Nothing more is to be sent.
    over: bool,
}

impl Feed {
    pub(in crate::fanout) fn new(supply: Supply, rank: u32) -> Self {
        let changes = match &supply {
            Supply::Shared(shared) => Some(shared.watch()),
            Supply::None | Supply::Bytes(_) => None,
        };
        Self {
            over: matches!(supply, Supply::None),
            supply,
            changes,
            rank,
            wanted: false,
            next: 0,
            acknowledged: 0,
        }
    }

    /// The agent takes it from `offset` on: at the start, or after the session broke.
    pub(in crate::fanout) fn begin(&mut self, offset: u64) {
        self.wanted = true;
        self.over = matches!(self.supply, Supply::None);
        self.next = offset;
        self.acknowledge(offset);
    }

    /// The session broke: nothing can be sent until the agent says where to go on.
    pub(in crate::fanout) const fn pause(&mut self) {
        self.wanted = false;
    }

    /// The agent has this much of it, or wants no more.
    pub(in crate::fanout) fn note(&mut self, ack: StdinAck) {
        self.acknowledge(ack.offset);
        if ack.closed {
            self.over = true;
            self.supply.leave(self.rank);
        }
    }

    fn acknowledge(&mut self, offset: u64) {
        self.acknowledged = self.acknowledged.max(offset);
        if let Supply::Shared(shared) = &self.supply {
            shared.acknowledge(self.rank, self.acknowledged);
        }
    }

    /// The next message to send; waits until there is one. Nothing is lost if the future is
    /// dropped.
    pub(in crate::fanout) async fn next(&mut self) -> Request {
        loop {
            if let Some(request) = self.take() {
                return request;
            }
            match &mut self.changes {
                // Mark what was seen before looking, so that no change slips by in between.
                Some(changes) if self.wanted && !self.over => {
                    if changes.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
                _ => std::future::pending().await,
            }
        }
    }

    fn take(&mut self) -> Option<Request> {
        if !self.wanted || self.over {
            return None;
        }
        let window = (self.acknowledged + STREAM_WINDOW).saturating_sub(self.next);
        let max = usize::try_from(window).unwrap_or(usize::MAX).min(CHUNK_MAX);
        let found = match &self.supply {
            Supply::None => None,
            Supply::Bytes(bytes) => {
                let from = usize::try_from(self.next).unwrap_or(usize::MAX);
                let to = bytes.len().min(from.saturating_add(max));
                Some(match from {
                    from if from >= bytes.len() => Found::End,
                    from => Found::Bytes(bytes.slice(from..to)),
                })
            }
            Supply::Shared(shared) => {
                if let Some(changes) = &mut self.changes {
                    changes.mark_unchanged();
                }
                Some(shared.at(self.next, max))
            }
        };
        match found? {
            Found::Bytes(bytes) if !bytes.is_empty() => {
                let offset = self.next;
                self.next += bytes.len() as u64;
                Some(Request::Stdin(Chunk { offset, bytes }))
            }
            Found::End => {
                self.over = true;
                Some(Request::StdinEnd(StdinEnd { size: self.next }))
            }
            Found::Bytes(_) | Found::Nothing | Found::Gone => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_bytes_within_the_window_and_again_from_an_offset() {
        let bytes = Bytes::from(vec![7; 600 * 1024]);
        let mut feed = Feed::new(Supply::Bytes(bytes), 0);
        assert_eq!(feed.take(), None, "not before the agent asks");
        feed.begin(0);
        let mut sent = 0;
        while let Some(Request::Stdin(chunk)) = feed.take() {
            assert_eq!(chunk.offset, sent);
            sent += chunk.bytes.len() as u64;
        }
        assert_eq!(sent, STREAM_WINDOW);
        feed.pause();
        feed.note(StdinAck {
            offset: sent,
            closed: false,
        });
        assert_eq!(feed.take(), None);
        feed.begin(100);
        assert!(matches!(feed.take(), Some(Request::Stdin(chunk)) if chunk.offset == 100));
        feed.note(StdinAck {
            offset: 600 * 1024,
            closed: false,
        });
        let mut last = None;
        while let Some(request) = feed.take() {
            last = Some(request);
        }
        let end = StdinEnd { size: 600 * 1024 };
        assert_eq!(last, Some(Request::StdinEnd(end)));
        assert_eq!(feed.take(), None);
    }

    #[test]
    fn a_command_that_reads_no_more_gets_no_more() {
        let mut feed = Feed::new(Supply::Bytes(Bytes::from_static(b"abc")), 0);
        feed.begin(0);
        feed.note(StdinAck {
            offset: 0,
            closed: true,
        });
        assert_eq!(feed.take(), None);
    }
}
