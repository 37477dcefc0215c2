//! From a TCP connection to a session: TLS, the client's hello, the executor's word on its grant.
//!
//! Of a peer that is not authenticated, nothing but a hello is read, nothing but its grant leaves
//! this process, and no more than a hello's worth of memory is set aside.

use std::net::SocketAddr;
use std::rc::Rc;

use bytes::BytesMut;
use dtx_proto_types::frame::FrameError;
use dtx_proto_types::limits::HANDSHAKE_DEADLINE;
use dtx_proto_types::message::{
    ClientHello, FirstReply, FirstRequest, Refusal, RefusalCode, ServerHello,
};
use dtx_proto_types::version::VersionRange;
use rustls::ServerConnection;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::admission::Trouble;
use super::budget::{FIRST_READ_PIECE, LOGGED_REFUSAL, UNAUTHENTICATED_BYTES};
use super::door::Place;
use super::session::Session;
use super::socket::{Filled, Socket, SocketError};
use super::state::{OpenSession, State};
use super::tls;
use crate::ipc::{Connection, ToExecutor};

/// Why a connection did not become a session.
#[derive(Debug, thiserror::Error)]
enum HandshakeError {
    /// The connection broke, or what came is no TLS and no frame.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The peer went away.
    #[error("the peer closed the connection before it was authenticated")]
    Closed,
    /// The peer was too slow.
    #[error("the peer was not authenticated within {} s", HANDSHAKE_DEADLINE.as_secs())]
    Late,
    /// The peer talks too much.
    #[error("the peer sent more than a hello before it was authenticated")]
    TooMuch,
    /// The peer was told why.
    #[error("refused: {}", cut(.0))]
    Refused(String),
    /// The executor closed its end.
    #[error("the executor did not answer")]
    NoAnswer,
}

impl HandshakeError {
    /// Whether the log should tell of it: scans and health checks come and go, but whoever says
    /// hello and is refused waits for somebody to find out why.
    const fn is_remarkable(&self) -> bool {
        !matches!(self, Self::Closed | Self::Socket(SocketError::Io(_)))
    }

    const fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Socket(SocketError::Io(_)) | Self::Closed | Self::Late => Some(Trouble::Silent),
            Self::Socket(_) | Self::TooMuch | Self::Refused(_) => Some(Trouble::Refused),
            Self::NoAnswer => None,
        }
    }
}

impl From<std::io::Error> for HandshakeError {
    fn from(error: std::io::Error) -> Self {
        Self::Socket(error.into())
    }
}

impl From<FrameError> for HandshakeError {
    fn from(error: FrameError) -> Self {
        Self::Socket(error.into())
    }
}

/// Serves a connection to its end.
pub(super) async fn serve(state: Rc<State>, tcp: TcpStream, peer: SocketAddr, place: Place) {
    let opening = open(&state, tcp, peer, place.connection());
    let opened = timeout(HANDSHAKE_DEADLINE, opening).await;
    match opened.unwrap_or(Err(HandshakeError::Late)) {
        Ok((socket, session)) => {
            place.authenticated();
            Session::new(state, socket, session, peer).run().await;
        }
        Err(error) => {
            if error.is_remarkable() {
                state.complain(peer, &error);
            } else {
                log::debug!("connection from {peer}: {error}");
            }
            match error.trouble() {
                Some(trouble) => place.failed(trouble),
                None => place.authenticated(),
            }
        }
    }
}

async fn open(
    state: &Rc<State>,
    tcp: TcpStream,
    peer: SocketAddr,
    connection: Connection,
) -> Result<(Socket, OpenSession), HandshakeError> {
    let tls = ServerConnection::new(state.tls.clone()).map_err(SocketError::Tls)?;
    let mut reader = FirstReader {
        state,
        socket: Socket::new(tcp, tls),
        left: UNAUTHENTICATED_BYTES,
    };
    reader.shake_hands().await?;
    let hello = reader.read_hello().await?;
    let mut socket = reader.socket;
    let Some(version) = VersionRange::OURS.common(hello.versions) else {
        return Err(refuse(state, socket, no_common_version(hello.versions)).await);
    };
    let Some(peer_key) = tls::peer_key(socket.tls()) else {
        return Err(SocketError::Tls(rustls::Error::NoCertificatesPresented).into());
    };
    let answer = state.expect_answer(connection);
    state.link.send(&ToExecutor::Open {
        connection,
        grant: hello.grant,
        peer_key,
        peer,
    });
    match answer.await {
        Ok(Ok(session)) => {
            let hello = FirstReply::Hello(Box::new(server_hello(state, &session, version)));
            say(&mut socket, &hello)?;
            socket.authenticated();
            Ok((socket, session))
        }
        Ok(Err(refusal)) => Err(refuse(state, socket, refusal).await),
        Err(_) => Err(HandshakeError::NoAnswer),
    }
}

/// Reads from a peer that may not say much.
struct FirstReader<'a> {
    state: &'a State,
    socket: Socket,
    /// Bytes that it may still send.
    left: usize,
}

impl FirstReader<'_> {
    async fn shake_hands(&mut self) -> Result<(), HandshakeError> {
        loop {
            self.socket.flush()?;
            if !self.socket.tls().is_handshaking() {
                return Ok(());
            }
            self.socket.ready(true).await?;
            self.fill()?;
        }
    }

    async fn read_hello(&mut self) -> Result<ClientHello, HandshakeError> {
        loop {
            if let Some(frame) = self.socket.next_frame()? {
                let FirstRequest::Hello(hello) = FirstRequest::from_frame(&frame)?;
                return Ok(hello);
            }
            self.socket.ready(true).await?;
            self.socket.flush()?;
            self.fill()?;
        }
    }

    fn fill(&mut self) -> Result<(), HandshakeError> {
        let mut scratch = self.state.scratch.borrow_mut();
        match self.socket.fill(&mut scratch[..FIRST_READ_PIECE])? {
            Filled::Nothing => Ok(()),
            Filled::End => Err(HandshakeError::Closed),
            Filled::Bytes(count) => {
                let left = self.left.checked_sub(count);
                self.left = left.ok_or(HandshakeError::TooMuch)?;
                Ok(())
            }
        }
    }
}

/// Tells the peer why it may not go on, and gives it the time to read it.
async fn refuse(state: &State, mut socket: Socket, refusal: Refusal) -> HandshakeError {
    let text = refusal.text.clone();
    if let Err(error) = say(&mut socket, &FirstReply::Refusal(refusal)) {
        return error.into();
    }
    // A peer that does not wait for the words was refused all the same.
    drop(socket.part(&state.scratch).await);
    HandshakeError::Refused(text)
}

fn say(socket: &mut Socket, reply: &FirstReply) -> std::io::Result<()> {
    let mut bytes = BytesMut::new();
    reply.to_frame().write_to(&mut bytes);
    socket.write(&bytes)
}

/// As much of a refusal as belongs into the log: peers can make it long.
fn cut(text: &str) -> String {
    match text.char_indices().nth(LOGGED_REFUSAL) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn no_common_version(theirs: VersionRange) -> Refusal {
    let ours = VersionRange::OURS;
    Refusal {
        code: RefusalCode::Version,
        text: format!(
            "this agent speaks protocol version {ours}, the client {theirs}: update the older one"
        ),
    }
}

fn server_hello(state: &State, session: &OpenSession, version: u16) -> ServerHello {
    let setup = &state.setup;
    ServerHello {
        version,
        capabilities: Vec::new(),
        node: setup.node.clone(),
        cluster: setup.cluster.clone(),
        boot_id: setup.boot_id.clone(),
        journal_id: setup.journal_id,
        reattach_grace_ms: setup.reattach_grace_ms,
        release: setup.release.clone(),
        slots: setup.slots,
        busy: session.opened.busy,
        load_percent: session.opened.load_percent,
        clock_ms: session.opened.clock_ms,
        labels: setup.labels.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_tells_of_each_refusal_and_not_at_length() {
        let refused = |text: &str| HandshakeError::Refused(text.into());
        for (error, remarkable) in [
            (refused("no key"), true),
            (HandshakeError::TooMuch, true),
            (HandshakeError::Late, true),
            (HandshakeError::Closed, false),
            (std::io::Error::from_raw_os_error(104).into(), false),
        ] {
            assert_eq!(error.is_remarkable(), remarkable, "{error}");
        }
        assert_eq!(refused("no key").to_string(), "refused: no key");
        let long = "é".repeat(LOGGED_REFUSAL);
        assert_eq!(refused(&long).to_string(), format!("refused: {long}"));
        let longer = format!("{long}!");
        assert_eq!(refused(&longer).to_string(), format!("refused: {long}…"));
    }
}
