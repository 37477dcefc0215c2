//! What waits to be written to a session.

use std::collections::VecDeque;

use bytes::{Buf, BytesMut};
use dtx_proto_types::frame::Frame;
use dtx_proto_types::limits::CHUNK_MAX;

/// No further frames are put into the buffer while this much waits in it: what comes later and is
/// more urgent can still overtake.
const BUFFER_FULL: usize = 16 * 1024;
/// Control frames that may wait before no further command is taken.
const CONTROL_MAX: usize = 16;
/// A buffer that has grown beyond this is given back when it is empty.
const BUFFER_KEEP: usize = 8 * 1024;

/// Frames that wait, control before data, and bytes that are being written.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    control: VecDeque<Frame>,
    data: VecDeque<Frame>,
    buffer: BytesMut,
    /// Bytes ever put into the buffer.
    begun: u64,
    /// Bytes ever taken out of it.
    written: u64,
}

impl Outbox {
    pub(super) fn control(&mut self, frame: Frame) {
        self.control.push_back(frame);
    }

    pub(super) fn data(&mut self, frame: Frame) {
        self.data.push_back(frame);
    }

    /// Whether another command may be taken.
    pub(super) fn has_room(&self) -> bool {
        self.control.len() < CONTROL_MAX
    }

    /// Whether another run of stdin may be taken.
    pub(super) fn has_room_for_data(&self) -> bool {
        self.data.is_empty()
    }

    /// Moves frames into the buffer while it has room. `begins` learns at which byte of the
    /// session each frame begins.
    pub(super) fn fill(&mut self, mut begins: impl FnMut(&Frame, u64)) {
        while self.buffer.len() < BUFFER_FULL {
            let Some(frame) = self.control.pop_front().or_else(|| self.data.pop_front()) else {
                return;
            };
            begins(&frame, self.begun);
            let before = self.buffer.len();
            frame.write_to(&mut self.buffer);
            self.begun += (self.buffer.len() - before) as u64;
        }
    }

    /// The bytes to be written next.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// Notes that `count` bytes were written.
    pub(super) fn wrote(&mut self, count: usize) {
        self.written += count as u64;
        self.buffer.advance(count);
        if self.buffer.is_empty() && self.buffer.capacity() > BUFFER_KEEP {
            self.buffer = BytesMut::new();
        }
    }

    /// Whether any byte from position `begin` on was written.
    pub(super) const fn has_written(&self, begin: u64) -> bool {
        self.written > begin
    }
}

const _: () = assert!(BUFFER_FULL <= CHUNK_MAX);
