//! A connection over which anything can be said.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use dtx_proto_types::frame::{Frame, FrameDecoder};
use dtx_proto_types::grant::SignedGrant;
use dtx_proto_types::message::{ClientHello, FirstReply, FirstRequest, Reply, Request};
use dtx_proto_types::signed::{SecretKey, SignedJob};
use dtx_proto_types::version::VersionRange;
use rustls::{ClientConnection, StreamOwned};
use tokio_util::codec::Decoder;

use super::tls;

/// An agent answers at once; this is for a machine under load.
const DEADLINE: Duration = Duration::from_secs(15);

/// A TLS connection to an agent.
pub(super) struct Link {
    stream: StreamOwned<ClientConnection, TcpStream>,
    decoder: FrameDecoder,
    incoming: BytesMut,
}

/// What came of a grant.
pub(super) enum Opened {
    /// It was believed.
    Session(Box<Link>),
    /// It was refused in words, or by closing the connection.
    Refused(String),
}

/// What came of a job.
#[derive(Debug)]
pub(super) enum Answer {
    /// It ran to its end.
    Ended(String),
    /// It was refused in words, or by closing the session.
    Refused(String),
}

impl Link {
    /// Connects, and shakes hands as the owner of this key.
    pub(super) fn connect(address: SocketAddr, session: &Arc<SecretKey>) -> io::Result<Self> {
        let mut tcp = TcpStream::connect_timeout(&address, DEADLINE)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(DEADLINE))?;
        tcp.set_write_timeout(Some(DEADLINE))?;
        let name = address.ip().into();
        let mut tls =
            ClientConnection::new(tls::config(session), name).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp)?;
        }
        Ok(Self {
            stream: StreamOwned::new(tls, tcp),
            decoder: FrameDecoder::unauthenticated(),
            incoming: BytesMut::new(),
        })
    }

    /// Connects and presents a grant.
    pub(super) fn open(
        address: SocketAddr,
        session: &Arc<SecretKey>,
        grant: &SignedGrant,
    ) -> io::Result<Opened> {
        let mut link = Self::connect(address, session)?;
        link.say(&[hello(grant)])?;
        match link.hear() {
            Ok(Some(frame)) => match FirstReply::from_frame(&frame).map_err(io::Error::other)? {
                FirstReply::Hello(_) => {
                    link.decoder.authenticated();
                    Ok(Opened::Session(Box::new(link)))
                }
                FirstReply::Refusal(refusal) => Ok(Opened::Refused(refusal.text)),
            },
            Ok(None) => Ok(Opened::Refused("closed".to_owned())),
            Err(error) => Err(error),
        }
    }

    /// Writes frames, all at once.
    pub(super) fn say(&mut self, frames: &[Frame]) -> io::Result<()> {
        let mut bytes = BytesMut::new();
        for frame in frames {
            frame.write_to(&mut bytes);
        }
        self.stream.write_all(&bytes)?;
        self.stream.flush()
    }

    /// The next frame; none once the peer has closed.
    pub(super) fn hear(&mut self) -> io::Result<Option<Frame>> {
        loop {
            let frame = self.decoder.decode(&mut self.incoming);
            if let Some(frame) = frame.map_err(io::Error::other)? {
                return Ok(Some(frame));
            }
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece) {
                Ok(0) => return Ok(None),
                Ok(count) => self.incoming.extend_from_slice(&piece[..count]),
                Err(error) if is_end(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends a job and waits for its end.
    pub(super) fn run(&mut self, stream: u32, job: &SignedJob) -> io::Result<Answer> {
        self.say(&[Request::Job(job.clone()).to_frame(stream)])?;
        loop {
            let Some(frame) = self.hear()? else {
                return Ok(Answer::Refused("closed".to_owned()));
            };
            if frame.stream != stream && frame.stream != 0 {
                continue;
            }
            match Reply::from_frame(frame).map_err(io::Error::other)? {
                Reply::Ended(ended) => return Ok(Answer::Ended(format!("{:?}", ended.ending))),
                Reply::Refusal(refusal) => return Ok(Answer::Refused(refusal.text)),
                _ => {}
            }
        }
    }
}

/// A client's first frame.
pub(super) fn hello(grant: &SignedGrant) -> Frame {
    FirstRequest::Hello(ClientHello {
        versions: VersionRange::OURS,
        capabilities: Vec::new(),
        grant: grant.clone(),
        release: "forge".to_owned(),
    })
    .to_frame()
}

/// Whether the peer closed, politely or not.
fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}
