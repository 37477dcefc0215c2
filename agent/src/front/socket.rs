//! A TCP connection with TLS on it, never waiting unless asked to.
//!
//! The TLS library is driven directly: all sessions read through one shared buffer, and what a
//! session sends at once leaves in one write, so an idle session costs next to nothing.

use std::cell::RefCell;
use std::io;

use bytes::BytesMut;
use dtx_proto_types::frame::{Frame, FrameDecoder, FrameError};
use rustls::ServerConnection;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::codec::Decoder;

use super::budget::LINGER;

/// Why a connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum SocketError {
    /// The network, or the peer going away without a word.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// What came is not TLS as it should be.
    #[error("the TLS of the peer was not accepted: {0}")]
    Tls(#[from] rustls::Error),
    /// What came is not a frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// What came of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filled {
    /// Nothing was there.
    Nothing,
    /// So many bytes of TLS.
    Bytes(usize),
    /// The peer will say no more.
    End,
}

/// A connection whose TLS this process drives.
#[derive(Debug)]
pub(super) struct Socket {
    tcp: TcpStream,
    tls: ServerConnection,
    incoming: BytesMut,
    decoder: FrameDecoder,
}

impl Socket {
    /// A connection on which nothing has been said yet.
    pub(super) fn new(tcp: TcpStream, mut tls: ServerConnection) -> Self {
        // What is handed over at once is bounded by the caller.
        tls.set_buffer_limit(None);
        Self {
            tcp,
            tls,
            incoming: BytesMut::new(),
            decoder: FrameDecoder::unauthenticated(),
        }
    }

    /// The state of the TLS connection.
    pub(super) const fn tls(&self) -> &ServerConnection {
        &self.tls
    }

    /// The peer is known: larger frames may come.
    pub(super) const fn authenticated(&mut self) {
        self.decoder.authenticated();
    }

    /// Waits until the socket can be read, if `read`, or takes what waits to be sent, if any does.
    pub(super) async fn ready(&self, read: bool) -> io::Result<()> {
        let interest = match (read, self.tls.wants_write()) {
            (true, true) => Interest::READABLE | Interest::WRITABLE,
            (true, false) => Interest::READABLE,
            (false, true) => Interest::WRITABLE,
            (false, false) => return std::future::pending().await,
        };
        self.tcp.ready(interest).await.map(drop)
    }

    /// Reads once, through `scratch`.
    pub(super) fn fill(&mut self, scratch: &mut [u8]) -> Result<Filled, SocketError> {
        let count = match self.tcp.try_read(scratch) {
            Ok(0) => return Ok(Filled::End),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Filled::Nothing),
            Err(error) => return Err(error.into()),
        };
        let mut rest = &scratch[..count];
        while !rest.is_empty() {
            self.tls.read_tls(&mut rest)?;
            let state = match self.tls.process_new_packets() {
                Ok(state) => state,
                Err(error) => {
                    // The peer should learn why, if it still listens.
                    drop(self.flush());
                    return Err(error.into());
                }
            };
            let plain = state.plaintext_bytes_to_read();
            if plain > 0 {
                let start = self.incoming.len();
                self.incoming.resize(start + plain, 0);
                io::Read::read_exact(&mut self.tls.reader(), &mut self.incoming[start..])?;
            }
            if state.peer_has_closed() {
                return Ok(Filled::End);
            }
        }
        Ok(Filled::Bytes(count))
    }

    /// The next frame of what was read.
    pub(super) fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let frame = self.decoder.decode(&mut self.incoming)?;
        if frame.is_none() && self.incoming.is_empty() {
            // No space is kept while nothing comes.
            self.incoming = BytesMut::new();
        }
        Ok(frame)
    }

    /// Encrypts bytes; [`Socket::flush`] sends them.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        io::Write::write_all(&mut self.tls.writer(), bytes)
    }

    /// Says that nothing follows; [`Socket::flush`] sends it.
    pub(super) fn close(&mut self) {
        self.tls.send_close_notify();
    }

    /// Says that nothing follows and sends what waits, then reads on, into nowhere, until the peer
    /// has gone: to close with bytes unread would reset the connection and take the last words
    /// back. For at most [`LINGER`].
    pub(super) async fn part(&mut self, scratch: &RefCell<Box<[u8]>>) -> Result<(), SocketError> {
        self.close();
        let parting = async {
            loop {
                self.flush()?;
                if self.fill(&mut scratch.borrow_mut())? == Filled::End {
                    return Ok(());
                }
                self.incoming.clear();
                self.ready(true).await?;
            }
        };
        timeout(LINGER, parting).await.unwrap_or(Ok(()))
    }

    /// Whether something waits to be sent.
    pub(super) fn has_unsent(&self) -> bool {
        self.tls.wants_write()
    }

    /// Sends as much as the network takes. Says whether it took anything.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        let mut sent = false;
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Outlet(&self.tcp)) {
                Ok(_) => sent = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }
}

/// Writes what the network takes now.
struct Outlet<'a>(&'a TcpStream);

impl io::Write for Outlet<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
