//! The way to the executor and back.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;

use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::Notify;

use crate::ipc::{Channel, ChannelError, ToExecutor, ToFront};

/// Messages of the executor, each with its descriptors.
pub(super) type Messages = Vec<(ToFront, Vec<OwnedFd>)>;

/// The front's end of the socket pair.
///
/// A message is handed to the kernel before [`Link::send`] returns, so that the executor learns of
/// it whatever becomes of this process. Only when the executor is behind does it wait here; then
/// those who send ask [`Link::is_backlogged`] first, and the queue stays as short as the number of
/// sessions and jobs.
#[derive(Debug)]
pub(super) struct Link {
    channel: RefCell<Channel<ToExecutor, ToFront>>,
    /// The same socket, to wait for: it must stay put while the channel is in use.
    socket: UnixStream,
    /// Something waits to be sent.
    wants_write: Notify,
    /// Nothing waits any more.
    drained: Notify,
    /// Why it cannot go on, until someone receives.
    failure: RefCell<Option<ChannelError>>,
}

impl Link {
    /// Takes the front's end. Must be called inside the runtime.
    pub(super) fn new(socket: StdUnixStream) -> io::Result<Self> {
        let channel = RefCell::new(Channel::new(socket.try_clone()?)?);
        Ok(Self {
            channel,
            socket: UnixStream::from_std(socket)?,
            wants_write: Notify::new(),
            drained: Notify::new(),
            failure: RefCell::new(None),
        })
    }

    /// Sends a message now, or queues it if the executor is behind.
    pub(super) fn send(&self, message: &ToExecutor) {
        let mut channel = self.channel.borrow_mut();
        if let Err(error) = channel.send(message, Vec::new()) {
            self.failure.replace(Some(error));
        }
        if channel.wants_write() || self.failure.borrow().is_some() {
            self.wants_write.notify_one();
        }
    }

    /// Whether messages wait because the executor does not read.
    pub(super) fn is_backlogged(&self) -> bool {
        self.channel.borrow().wants_write()
    }

    /// Waits until no message waits.
    pub(super) async fn drained(&self) {
        while self.is_backlogged() {
            self.drained.notified().await;
        }
    }

    /// The next messages of the executor. Meanwhile, sends what waits. For one task only.
    pub(super) async fn receive(&self) -> Result<Messages, ChannelError> {
        loop {
            if let Some(error) = self.failure.take() {
                return Err(error);
            }
            tokio::select! {
                ready = self.socket.readable() => {
                    ready?;
                    let messages = self.receive_now()?;
                    if !messages.is_empty() {
                        return Ok(messages);
                    }
                }
                ready = self.socket.writable(), if self.is_backlogged() => {
                    ready?;
                    self.flush_now()?;
                }
                () = self.wants_write.notified() => {}
            }
        }
    }

    fn receive_now(&self) -> Result<Messages, ChannelError> {
        let mut channel = self.channel.borrow_mut();
        let mut received = Ok(Vec::new());
        // The runtime must learn when there is nothing left to read; what it returns says nothing
        // that `received` does not.
        drop(self.socket.try_io(Interest::READABLE, || {
            received = channel.receive();
            unless(channel.is_emptied())
        }));
        received
    }

    fn flush_now(&self) -> Result<(), ChannelError> {
        let mut channel = self.channel.borrow_mut();
        let mut flushed = Ok(());
        drop(self.socket.try_io(Interest::WRITABLE, || {
            flushed = channel.flush();
            unless(channel.wants_write())
        }));
        if !channel.wants_write() {
            self.drained.notify_waiters();
        }
        flushed
    }
}

fn unless(blocked: bool) -> io::Result<()> {
    if blocked {
        Err(io::ErrorKind::WouldBlock.into())
    } else {
        Ok(())
    }
}
