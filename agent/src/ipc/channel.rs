//! A stream socket that carries length-prefixed messages, and descriptors beside them.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use dtx_proto_types::limits;
use dtx_proto_types::signed::{decode_exact, encode};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::sys::own;

/// Largest message: a signed job, and what goes with it.
const MESSAGE_MAX: usize = limits::JOB_MAX + 16 * 1024;
/// Most descriptors with one message: a listening socket for each address configured.
const DESCRIPTORS_MAX: usize = 16;
/// Bytes that may wait for a peer that does not read. A peer this far behind is not well.
const QUEUE_MAX: usize = 64 * 1024 * 1024;
/// Bytes read at once.
const READ_LEN: usize = 64 * 1024;
/// Message length (u32) and number of descriptors (u8).
const HEADER_LEN: usize = 5;

/// Why a channel cannot go on. The peer process is at fault or gone.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The other process closed its end.
    #[error("the other process is gone")]
    Closed,
    /// The socket broke.
    #[error("the socket between the processes failed: {0}")]
    Io(#[from] io::Error),
    /// The other process sent what it may not send.
    #[error("the other process sent a message that is not allowed")]
    Malformed,
    /// Asked to send more than the other process would take; nothing was sent.
    #[error("a message of {0} bytes is too large for the other process")]
    TooLarge(usize),
    /// The other process does not read.
    #[error("the other process does not read its messages")]
    Stuck,
}

/// One end of the socket pair: sends `Out`, receives `In`. Never blocks: what cannot be sent now
/// is queued until [`Channel::flush`].
#[derive(Debug)]
pub struct Channel<Out, In> {
    socket: UnixStream,
    outgoing: VecDeque<Outgoing>,
    outgoing_len: usize,
    incoming: Vec<u8>,
    emptied: bool,
    /// Of each message that carries any, in order: the kernel returns from a read at those of one.
    descriptors: VecDeque<Vec<OwnedFd>>,
    takes_descriptors: bool,
    types: PhantomData<fn(Out) -> In>,
}

#[derive(Debug)]
struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
    descriptors: Vec<OwnedFd>,
}

impl<Out: Serialize, In: DeserializeOwned> Channel<Out, In> {
    /// Takes one end of a socket pair and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// If the socket cannot be made non-blocking.
    pub fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            outgoing: VecDeque::new(),
            outgoing_len: 0,
            incoming: Vec::new(),
            emptied: false,
            descriptors: VecDeque::new(),
            takes_descriptors: true,
            types: PhantomData,
        })
    }

    /// As [`Channel::new`], for the end that no descriptor may reach: one that is sent to it is
    /// never installed, and breaks the rules.
    ///
    /// # Errors
    ///
    /// If the socket cannot be made non-blocking.
    pub fn without_descriptors(socket: UnixStream) -> io::Result<Self> {
        let channel = Self::new(socket)?;
        Ok(Self {
            takes_descriptors: false,
            ..channel
        })
    }

    /// Queues a message and the descriptors that go with it, and sends as much as fits.
    ///
    /// # Errors
    ///
    /// If the peer is gone or does not read.
    pub fn send(&mut self, message: &Out, descriptors: Vec<OwnedFd>) -> Result<(), ChannelError> {
        let body = encode(message);
        if body.len() > MESSAGE_MAX || descriptors.len() > DESCRIPTORS_MAX {
            return Err(ChannelError::TooLarge(body.len()));
        }
        let mut bytes = Vec::with_capacity(HEADER_LEN + body.len());
        bytes.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.push(u8::try_from(descriptors.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(&body);
        if self.outgoing_len + bytes.len() > QUEUE_MAX {
            return Err(ChannelError::Stuck);
        }
        self.outgoing_len += bytes.len();
        self.outgoing.push_back(Outgoing {
            bytes,
            sent: 0,
            descriptors,
        });
        self.flush()
    }

    /// Whether something waits to be sent: then poll for writing, too.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Sends as much as the socket takes.
    ///
    /// # Errors
    ///
    /// If the peer is gone.
    pub fn flush(&mut self) -> Result<(), ChannelError> {
        while let Some(first) = self.outgoing.front_mut() {
            let raw: Vec<RawFd> = first.descriptors.iter().map(AsRawFd::as_raw_fd).collect();
            let rights = [ControlMessage::ScmRights(&raw)];
            let control = if raw.is_empty() {
                &rights[..0]
            } else {
                &rights[..]
            };
            let slice = [IoSlice::new(&first.bytes[first.sent..])];
            let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
            match sendmsg::<()>(self.socket.as_raw_fd(), &slice, control, flags, None) {
                Ok(count) => {
                    first.sent += count;
                    first.descriptors.clear();
                    self.outgoing_len -= count;
                    if first.sent == first.bytes.len() {
                        self.outgoing.pop_front();
                    }
                }
                Err(nix::Error::EAGAIN) => return Ok(()),
                Err(nix::Error::EINTR) => {}
                Err(nix::Error::EPIPE | nix::Error::ECONNRESET) => {
                    return Err(ChannelError::Closed);
                }
                Err(error) => return Err(ChannelError::Io(error.into())),
            }
        }
        Ok(())
    }

    /// Reads what has come: at most one read of the socket, so that a caller can be fair.
    ///
    /// Returns the complete messages; none means that more must come first. A message comes with
    /// fewer descriptors than it was sent with if this process may not have so many.
    ///
    /// # Errors
    ///
    /// [`ChannelError::Closed`] at the end of the stream, with no message lost before it.
    pub fn receive(&mut self) -> Result<Vec<(In, Vec<OwnedFd>)>, ChannelError> {
        if self.fill()? == Some(0) {
            return Err(ChannelError::Closed);
        }
        let mut messages = Vec::new();
        let mut taken = 0;
        while let Some(header) = self.incoming[taken..].first_chunk::<HEADER_LEN>() {
            let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
            let count = usize::from(header[4]);
            if length > MESSAGE_MAX || count > DESCRIPTORS_MAX {
                return Err(ChannelError::Malformed);
            }
            let start = taken + HEADER_LEN;
            let Some(body) = self.incoming.get(start..start + length) else {
                break;
            };
            let message = decode_exact(body).map_err(|_| ChannelError::Malformed)?;
            let descriptors = match count {
                0 => Vec::new(),
                _ => self
                    .descriptors
                    .pop_front()
                    .ok_or(ChannelError::Malformed)?,
            };
            if descriptors.len() > count {
                return Err(ChannelError::Malformed);
            }
            messages.push((message, descriptors));
            taken = start + length;
        }
        self.incoming.drain(..taken);
        if self.incoming.is_empty() {
            // A large job came by once; its space need not stay.
            self.incoming.shrink_to(READ_LEN);
        }
        Ok(messages)
    }

    /// Whether the last [`Channel::receive`] found nothing left in the socket: then wait for it to
    /// become readable, if the waiting is told of changes only.
    #[must_use]
    pub const fn is_emptied(&self) -> bool {
        self.emptied
    }

    /// One read. `None`: nothing there. `Some(0)`: the end.
    fn fill(&mut self) -> Result<Option<usize>, ChannelError> {
        let before = self.incoming.len();
        self.incoming.resize(before + READ_LEN, 0);
        let mut space = nix::cmsg_space!([RawFd; DESCRIPTORS_MAX]);
        let mut slice = [IoSliceMut::new(&mut self.incoming[before..])];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
        let room = self.takes_descriptors.then_some(space.as_mut_slice());
        let result = recvmsg::<()>(self.socket.as_raw_fd(), &mut slice, room, flags);
        let outcome = match result {
            Ok(received) if received.flags.contains(MsgFlags::MSG_CTRUNC) => {
                if !self.takes_descriptors {
                    return Err(ChannelError::Malformed);
                }
                let count = received.bytes;
                // This process has as many as it may. Those that came through are of no use alone.
                drop(installed(&space).map(own).collect::<Vec<_>>());
                self.descriptors.push_back(Vec::new());
                Ok(Some(count))
            }
            Ok(received) => {
                for control in received.cmsgs().map_err(|_| ChannelError::Malformed)? {
                    if let ControlMessageOwned::ScmRights(raw) = control {
                        self.descriptors
                            .push_back(raw.into_iter().map(own).collect());
                    }
                }
                Ok(Some(received.bytes))
            }
            Err(nix::Error::EAGAIN | nix::Error::EINTR) => Ok(None),
            Err(nix::Error::ECONNRESET) => Ok(Some(0)),
            Err(error) => Err(ChannelError::Io(error.into())),
        };
        let count = outcome.as_ref().ok().copied().flatten().unwrap_or(0);
        self.incoming.truncate(before + count);
        self.emptied = matches!(outcome, Ok(None));
        outcome
    }
}

impl<Out, In> AsFd for Channel<Out, In> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl<Out, In> AsRawFd for Channel<Out, In> {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// The descriptors that the kernel put into this process before it had to stop: the library does
/// not look into what was cut short. The kernel writes a length, a level, a type (two integers),
/// and then the numbers.
fn installed(control: &[u8]) -> impl Iterator<Item = RawFd> {
    const HEADER: usize = size_of::<usize>() + 2 * size_of::<i32>();
    let length = control
        .first_chunk()
        .map_or(0, |length| usize::from_ne_bytes(*length));
    let numbers = control.get(HEADER..length).unwrap_or_default();
    let (numbers, _) = numbers.as_chunks();
    numbers.iter().map(|number| RawFd::from_ne_bytes(*number))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn pair() -> (Channel<String, u32>, Channel<u32, String>) {
        let (a, b) = UnixStream::pair().unwrap();
        (Channel::new(a).unwrap(), Channel::new(b).unwrap())
    }

    #[test]
    fn descriptors_stay_with_their_message() {
        let (mut a, mut b) = pair();
        for index in 0..5 {
            let (read, mut write) = io::pipe().unwrap();
            write.write_all(&[index]).unwrap();
            let descriptors = if index % 2 == 0 {
                vec![OwnedFd::from(read)]
            } else {
                vec![]
            };
            a.send(&format!("message {index}"), descriptors).unwrap();
        }
        let mut received = Vec::new();
        while received.len() < 5 {
            received.extend(b.receive().unwrap());
        }
        for (index, (text, descriptors)) in received.into_iter().enumerate() {
            assert_eq!(text, format!("message {index}"));
            assert_eq!(descriptors.len(), usize::from(index % 2 == 0));
            for descriptor in descriptors {
                let mut byte = [9];
                std::fs::File::from(descriptor)
                    .read_exact(&mut byte)
                    .unwrap();
                assert_eq!(usize::from(byte[0]), index);
            }
        }
    }

    #[test]
    fn a_large_message_arrives_in_pieces_and_the_end_is_seen() {
        let (mut a, mut b) = pair();
        let large = "x".repeat(limits::JOB_MAX);
        a.send(&large, vec![]).unwrap();
        assert!(a.wants_write(), "the socket cannot hold it all");
        let mut received = Vec::new();
        while received.is_empty() {
            a.flush().unwrap();
            received.extend(b.receive().unwrap());
        }
        assert_eq!(received[0].0, large);
        drop(a);
        assert!(matches!(b.receive(), Err(ChannelError::Closed)));
    }

    #[test]
    fn a_descriptor_for_the_end_that_takes_none_breaks_the_rules() {
        let (a, b) = UnixStream::pair().unwrap();
        let mut a: Channel<String, u32> = Channel::new(a).unwrap();
        let mut b: Channel<u32, String> = Channel::without_descriptors(b).unwrap();
        a.send(&"plain".into(), vec![]).unwrap();
        assert_eq!(b.receive().unwrap().len(), 1);
        let (read, _write) = io::pipe().unwrap();
        a.send(&"with one".into(), vec![read.into()]).unwrap();
        assert!(matches!(b.receive(), Err(ChannelError::Malformed)));
    }

    #[test]
    fn a_message_whose_descriptors_were_lost_takes_none_of_the_next() {
        let (mut a, mut b) = pair();
        let body = encode(&"without");
        let length = u32::try_from(body.len()).unwrap();
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.push(2);
        bytes.extend(body);
        (&a.socket).write_all(&bytes).unwrap();
        // As the kernel says it at the limit of descriptors.
        b.descriptors.push_back(Vec::new());
        let (read, _write) = io::pipe().unwrap();
        a.send(&"with one".into(), vec![read.into()]).unwrap();
        let mut received = Vec::new();
        while received.len() < 2 {
            received.extend(b.receive().unwrap());
        }
        let counts: Vec<(&str, usize)> = received
            .iter()
            .map(|(text, descriptors)| (text.as_str(), descriptors.len()))
            .collect();
        assert_eq!(counts, [("without", 0), ("with one", 1)]);
    }

    #[test]
    fn descriptors_that_came_through_are_found() {
        let control = |length: usize| {
            let mut bytes = length.to_ne_bytes().to_vec();
            for number in [1, 1, 17, 18, 0] {
                bytes.extend(i32::to_ne_bytes(number));
            }
            bytes
        };
        let header = size_of::<usize>() + 8;
        for (length, expected) in [
            (0, &[][..]),
            (header, &[]),
            (header + 4, &[17]),
            (header + 8, &[17, 18]),
            (usize::MAX, &[]),
        ] {
            let found: Vec<RawFd> = installed(&control(length)).collect();
            assert_eq!(found, expected, "{length}");
        }
    }

    #[test]
    fn a_message_that_the_peer_would_not_take_is_not_sent() {
        let (mut a, mut b) = pair();
        let large = "x".repeat(MESSAGE_MAX + 1);
        assert!(matches!(
            a.send(&large, vec![]),
            Err(ChannelError::TooLarge(_))
        ));
        a.send(&"small".into(), vec![]).unwrap();
        assert_eq!(b.receive().unwrap()[0].0, "small");
    }

    #[test]
    fn a_message_over_the_limit_is_refused_before_it_is_read() {
        let (a, b) = UnixStream::pair().unwrap();
        let mut b: Channel<u32, String> = Channel::new(b).unwrap();
        (&a).write_all(&[0xff, 0xff, 0xff, 0xff, 0]).unwrap();
        assert!(matches!(b.receive(), Err(ChannelError::Malformed)));
    }
}
