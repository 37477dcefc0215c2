//! What a session sends next, as one run of bytes.

use std::collections::BTreeSet;

use bytes::BytesMut;
use dtx_proto_types::frame::Frame;
use dtx_proto_types::message::Reply;

use super::budget::STAGE;
use super::desk::Desk;
use super::job::Job;

/// Frames that leave together. Empty between two writes.
#[derive(Debug, Default)]
pub(super) struct Stage {
    bytes: BytesMut,
    /// The stream whose output was put here last: the next one's turn comes first.
    last_served: u32,
}

impl Stage {
    /// Adds a frame.
    pub(super) fn put(&mut self, frame: &Frame) {
        frame.write_to(&mut self.bytes);
    }

    /// Whether there is nothing to send.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What to send.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// It was sent; no space is kept.
    pub(super) fn clear(&mut self) {
        self.bytes = BytesMut::new();
    }

    /// Fetches what the streams of a session have to say: control first, then output in turns,
    /// and behind a job's last output its end.
    pub(super) fn fill(&mut self, desk: &Desk) {
        while let Some((stream, reply)) = desk.next_aside() {
            self.put(&reply.to_frame(stream));
        }
        let mut talking = desk.take_touched();
        for stream in &talking {
            self.control_of(desk, *stream);
        }
        while !talking.is_empty() && self.bytes.len() < STAGE {
            self.one_round(desk, &mut talking);
        }
        desk.put_back(talking);
    }

    fn control_of(&mut self, desk: &Desk, stream: u32) {
        if let Some(reply) = desk.take_answer(stream) {
            self.put(&reply.to_frame(stream));
        }
        let Some(job) = desk.job(stream) else {
            return;
        };
        while let Some(reply) = job.edit(Job::next_control) {
            self.put(&reply.to_frame(stream));
        }
    }

    /// One frame of output from each stream that has any, as far as there is space.
    fn one_round(&mut self, desk: &Desk, talking: &mut BTreeSet<u32>) {
        let next = self.last_served.saturating_add(1);
        let order: Vec<u32> = talking
            .range(next..)
            .chain(talking.range(..next))
            .copied()
            .collect();
        for stream in order {
            if self.bytes.len() >= STAGE {
                return;
            }
            self.last_served = stream;
            let output = desk.job(stream).and_then(|job| job.edit(Job::next_output));
            if let Some(reply) = output {
                self.put_reply(stream, &reply);
                continue;
            }
            talking.remove(&stream);
            let last = desk.job(stream).and_then(|job| job.edit(Job::next_last));
            if let Some(reply) = last {
                self.put_reply(stream, &reply);
            }
        }
    }

    fn put_reply(&mut self, stream: u32, reply: &Reply) {
        self.put(&reply.to_frame(stream));
    }
}
