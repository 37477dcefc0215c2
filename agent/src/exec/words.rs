//! What executor and supervisor say to each other: one packet each, in both directions.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use dtx_proto_types::message::Refusal;
use dtx_proto_types::outcome::Ending;
use dtx_proto_types::signed::{decode_exact, encode};
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recvmsg, sendmsg, socketpair};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::running::Stop;

/// Largest report. Reasons name at most one path and one user, notes a few processes.
pub(super) const REPORT_MAX: usize = 16 * 1024;
/// Largest order. Its reason is cut to fit.
pub(super) const ORDER_MAX: usize = 2 * 1024;

/// From the executor to a supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// End the tree.
    Stop(Stop),
}

/// From a supervisor to the executor. `NotStarted` and `Ended` are last words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Report {
    /// The program runs.
    Started { pid: i32, start_time: u64 },
    /// It provably never ran.
    NotStarted(Refusal),
    /// It ran, or failed on the last steps before that.
    Ended {
        ending: Ending,
        duration_us: u64,
        notes: Vec<String>,
    },
}

/// One end of the socket between the two.
#[derive(Debug)]
pub(super) struct Line(OwnedFd);

impl Line {
    /// Both ends. Packets keep their borders, and the end of one process is seen by the other.
    pub(super) fn pair() -> Result<(Self, Self), Errno> {
        let (a, b) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )?;
        Ok((Self(a), Self(b)))
    }

    /// Says something. A packet always fits: neither side ever says more than a handful.
    pub(super) fn send<T: Serialize>(&self, word: &T) -> Result<(), Errno> {
        let bytes = encode(word);
        debug_assert!(bytes.len() <= REPORT_MAX);
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        loop {
            match sendmsg::<()>(
                self.0.as_raw_fd(),
                &[IoSlice::new(&bytes)],
                &[],
                flags,
                None,
            ) {
                Err(Errno::EINTR) => {}
                other => return other.map(drop),
            }
        }
    }

    /// What the other one said, without waiting. `bytes` has room for the largest of its words.
    pub(super) fn receive<T: DeserializeOwned>(&self, bytes: &mut [u8]) -> io::Result<Heard<T>> {
        let mut slice = [IoSliceMut::new(bytes)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let length = match recvmsg::<()>(self.0.as_raw_fd(), &mut slice, None, flags) {
            Ok(received) => received.bytes,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(Heard::Nothing),
            Err(Errno::ECONNRESET) => return Ok(Heard::End),
            Err(error) => return Err(error.into()),
        };
        if length == 0 {
            return Ok(Heard::End);
        }
        decode_exact(&bytes[..length])
            .map(Heard::Word)
            .map_err(io::Error::other)
    }
}

/// What there was to receive.
#[derive(Debug)]
pub(super) enum Heard<T> {
    /// A word.
    Word(T),
    /// Not yet anything.
    Nothing,
    /// The other process is gone.
    End,
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
