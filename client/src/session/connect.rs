//! Opening a session: TCP, TLS, hello, each checked before the next.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use dtx_proto_types::frame::FrameDecoder;
use dtx_proto_types::grant::SignedGrant;
use dtx_proto_types::key::{Ed25519Key, Fingerprint};
use dtx_proto_types::message::{ClientHello, FirstReply, FirstRequest, ServerHello};
use dtx_proto_types::node::NodeName;
use dtx_proto_types::version::VersionRange;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::codec::Decoder;

use super::error::{ConnectError, SessionEnd};
use super::handle::{Proven, Session};
use crate::tls;

/// How long one address is tried alone before the next is tried beside it.
const HEAD_START: Duration = Duration::from_millis(250);

/// Whom the operator wants to reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// The node with this name and one of these keys.
    Pinned {
        /// The name that it must give.
        node: NodeName,
        /// The keys of which it must prove one.
        keys: BTreeSet<Fingerprint>,
    },
    /// The node with this name, whatever its key is: it is not known yet.
    Named(NodeName),
    /// Whoever answers at the address: neither key nor name is known yet.
    FirstContact,
}

/// What every session of a process is opened with.
#[derive(Debug, Clone)]
pub struct Opening {
    pub(crate) tls: Arc<ClientConfig>,
    /// The cluster that is meant.
    pub cluster: String,
    /// How long TCP, TLS and hello may take together.
    pub timeout: Duration,
}

impl Session {
    /// Opens a session at one of `addresses`, best first.
    ///
    /// # Errors
    ///
    /// Says why there is none. The grant is sent only to a peer whose key is the expected one,
    /// and no other byte before it.
    pub async fn open(
        opening: &Opening,
        addresses: &[SocketAddr],
        expect: &Expect,
        grant: SignedGrant,
    ) -> Result<Self, ConnectError> {
        let attempt = opening.attempt(addresses, expect, &grant);
        timeout(opening.timeout, attempt)
            .await
            .unwrap_or_else(|_late| {
                Err(ConnectError::Late {
                    addresses: addresses.to_vec(),
                    within: opening.timeout,
                })
            })
    }
}

impl Opening {
    /// For the sessions of one session key.
    #[must_use]
    pub fn new(
        session_key: &Arc<dtx_proto_types::signed::SecretKey>,
        cluster: &str,
        timeout: Duration,
    ) -> Self {
        Self {
            tls: tls::client_config(session_key),
            cluster: cluster.to_owned(),
            timeout,
        }
    }

    /// Goes through the addresses until the node that is meant is at one of them. If it is at
    /// none, what was found in its place says more than silence elsewhere.
    async fn attempt(
        &self,
        addresses: &[SocketAddr],
        expect: &Expect,
        grant: &SignedGrant,
    ) -> Result<Session, ConnectError> {
        let mut rest = addresses.to_vec();
        let mut elsewhere = None;
        loop {
            let (tcp, address) = match connect_any(&rest).await {
                Ok(connected) => connected,
                Err(error) => return Err(elsewhere.unwrap_or(error)),
            };
            match self.greet(tcp, address, expect, grant.clone()).await {
                Err(error) if error.is_elsewhere() && rest.len() > 1 => {
                    rest.retain(|tried| *tried != address);
                    elsewhere.get_or_insert(error);
                }
                ended => return ended,
            }
        }
    }

    async fn greet(
        &self,
        tcp: TcpStream,
        address: SocketAddr,
        expect: &Expect,
        grant: SignedGrant,
    ) -> Result<Session, ConnectError> {
        let tls_failed = |source| ConnectError::Tls { address, source };
        tcp.set_nodelay(true).map_err(tls_failed)?;
        let name = ServerName::IpAddress(address.ip().into());
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let mut stream = connector.connect(name, tcp).await.map_err(tls_failed)?;
        let key = tls::peer_key(stream.get_ref().1)
            .ok_or_else(|| tls_failed(io::Error::other("it has no raw Ed25519 key")))?;
        check_key(expect, key, address)?;
        let broken = |reason| ConnectError::Broken { address, reason };
        let said = say_hello(&mut stream, grant).await;
        said.map_err(|error| broken(error.into()))?;
        let mut decoder = FrameDecoder::unauthenticated();
        let mut incoming = BytesMut::with_capacity(1024);
        let reply = read_reply(&mut stream, &mut decoder, &mut incoming).await;
        let hello = match reply.map_err(broken)? {
            FirstReply::Hello(hello) => *hello,
            FirstReply::Refusal(refusal) => return Err(ConnectError::Refused(refusal)),
        };
        self.check_hello(expect, &hello, address)?;
        decoder.authenticated();
        let proven = Proven {
            hello,
            key,
            address,
        };
        Ok(Session::start_on(stream, proven, decoder, incoming))
    }

    fn check_hello(
        &self,
        expect: &Expect,
        hello: &ServerHello,
        address: SocketAddr,
    ) -> Result<(), ConnectError> {
        let ours = VersionRange::OURS;
        if !(ours.oldest..=ours.newest).contains(&hello.version) {
            return Err(ConnectError::Version {
                ours,
                theirs: hello.version,
            });
        }
        if hello.cluster != self.cluster {
            return Err(ConnectError::WrongCluster {
                address,
                expected: self.cluster.clone(),
                actual: hello.cluster.clone(),
            });
        }
        match expect {
            Expect::Pinned { node, .. } | Expect::Named(node) if *node != hello.node => {
                Err(ConnectError::WrongNode {
                    address,
                    expected: node.clone(),
                    actual: hello.node.clone(),
                })
            }
            _ => Ok(()),
        }
    }
}

/// Before a single byte is said to it: is it the node that was pinned?
fn check_key(expect: &Expect, key: Ed25519Key, address: SocketAddr) -> Result<(), ConnectError> {
    match expect {
        Expect::Pinned { node, keys } if !keys.contains(&key.fingerprint()) => {
            Err(ConnectError::OtherKey {
                address,
                node: node.clone(),
                offered: key.fingerprint(),
            })
        }
        _ => Ok(()),
    }
}

async fn say_hello(stream: &mut TlsStream<TcpStream>, grant: SignedGrant) -> io::Result<()> {
    let hello = FirstRequest::Hello(ClientHello {
        versions: VersionRange::OURS,
        capabilities: Vec::new(),
        grant,
        release: env!("CARGO_PKG_VERSION").to_owned(),
    });
    let mut bytes = BytesMut::new();
    hello.to_frame().write_to(&mut bytes);
    stream.write_all(&bytes).await?;
    stream.flush().await
}

async fn read_reply(
    stream: &mut TlsStream<TcpStream>,
    decoder: &mut FrameDecoder,
    incoming: &mut BytesMut,
) -> Result<FirstReply, SessionEnd> {
    loop {
        if let Some(frame) = decoder.decode(incoming)? {
            return FirstReply::from_frame(&frame).map_err(SessionEnd::from);
        }
        if stream.read_buf(incoming).await? == 0 {
            return Err(SessionEnd::PeerClosed);
        }
    }
}

/// Connects to the first address that answers; each has a head start over the next.
async fn connect_any(addresses: &[SocketAddr]) -> Result<(TcpStream, SocketAddr), ConnectError> {
    let (first, rest) = addresses.split_first().ok_or(ConnectError::NoAddress)?;
    if rest.is_empty() {
        let failed = |error| ConnectError::Tcp(vec![(*first, error)]);
        return Ok((TcpStream::connect(first).await.map_err(failed)?, *first));
    }
    let mut waiting: VecDeque<SocketAddr> = addresses.iter().copied().collect();
    let mut tried = JoinSet::new();
    let mut failures = Vec::new();
    loop {
        if let Some(address) = waiting.pop_front() {
            tried.spawn(async move { (address, TcpStream::connect(address).await) });
        }
        tokio::select! {
            ended = tried.join_next() => match ended {
                Some(Ok((address, Ok(stream)))) => return Ok((stream, address)),
                Some(Ok((address, Err(error)))) => failures.push((address, error)),
                Some(Err(panicked)) => failures.push((*first, io::Error::other(panicked))),
                None => return Err(ConnectError::Tcp(failures)),
            },
            () = sleep(HEAD_START), if !waiting.is_empty() => {}
        }
    }
}
