//! A client of few words.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dtx_proto_types::frame::{Frame, FrameDecoder};
use dtx_proto_types::grant::SignedGrant;
use dtx_proto_types::key::Ed25519Key;
use dtx_proto_types::message::{
    Ack, ClientHello, Ended, FirstReply, FirstRequest, Reply, Request, ServerHello,
};
use dtx_proto_types::signed::{SecretKey, SignedJob};
use dtx_proto_types::version::VersionRange;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, ResolvesClientCert};
use rustls::crypto::{ring, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{
    CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::codec::Decoder;

const PATIENCE: Duration = Duration::from_secs(15);

pub(super) struct Client {
    tls: TlsStream<TcpStream>,
    incoming: BytesMut,
    decoder: FrameDecoder,
}

/// Everything a job sent, and how it ended.
pub(super) struct Heard {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    pub(super) ended: Ended,
}

/// The session key of every client here.
pub(super) fn session_key() -> SecretKey {
    SecretKey::from_seed(&[1; 32])
}

/// What a client proves about itself by default: its session key, nothing else.
pub(super) fn config(node_key: Ed25519Key) -> ClientConfig {
    let prefix = [
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    let pkcs8 = [&prefix[..], &[1; 32]].concat();
    let key = ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8)).unwrap();
    let spki = CertificateDer::from(session_key().public().to_spki().to_vec());
    let certified = Arc::new(CertifiedKey::new(vec![spki], key));
    config_with(
        node_key,
        Arc::new(AlwaysResolvesClientRawPublicKeys::new(certified)),
    )
}

/// A client with something else to prove.
pub(super) fn config_with(
    node_key: Ed25519Key,
    resolver: Arc<dyn ResolvesClientCert>,
) -> ClientConfig {
    let provider = Arc::new(ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Expect(node_key)))
        .with_client_cert_resolver(resolver)
}

pub(super) fn grant() -> SignedGrant {
    SignedGrant {
        payload: b"a grant".to_vec(),
        signature: b"a signature".to_vec(),
    }
}

pub(super) fn hello() -> ClientHello {
    ClientHello {
        versions: VersionRange::OURS,
        capabilities: Vec::new(),
        grant: grant(),
        release: "test".into(),
    }
}

pub(super) fn job() -> SignedJob {
    SignedJob {
        payload: b"a job".to_vec(),
        signature: vec![7; 64],
    }
}

impl Client {
    pub(super) async fn connect(address: SocketAddr, node_key: Ed25519Key) -> io::Result<Self> {
        Self::connect_with(address, config(node_key)).await
    }

    pub(super) async fn connect_with(
        address: SocketAddr,
        config: ClientConfig,
    ) -> io::Result<Self> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::IpAddress(address.ip().into());
        let connector = TlsConnector::from(Arc::new(config));
        Ok(Self {
            tls: connector.connect(name, tcp).await?,
            incoming: BytesMut::new(),
            decoder: FrameDecoder::unauthenticated(),
        })
    }

    pub(super) async fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tls.write_all(bytes).await?;
        self.tls.flush().await
    }

    /// Sends bytes and the end of the session in one go.
    pub(super) async fn send_and_leave(mut self, bytes: &[u8]) {
        let (tcp, tls) = self.tls.get_mut();
        io::Write::write_all(&mut tls.writer(), bytes).unwrap();
        tls.send_close_notify();
        let mut sealed = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut sealed).unwrap();
        }
        tcp.write_all(&sealed).await.unwrap();
    }

    pub(super) async fn send_frame(&mut self, frame: &Frame) -> io::Result<()> {
        let mut bytes = BytesMut::new();
        frame.write_to(&mut bytes);
        self.send_bytes(&bytes).await
    }

    pub(super) async fn send(&mut self, stream: u32, request: Request) {
        self.send_frame(&request.to_frame(stream)).await.unwrap();
    }

    pub(super) async fn say_hello(&mut self) {
        let frame = FirstRequest::Hello(hello()).to_frame();
        self.send_frame(&frame).await.unwrap();
    }

    pub(super) async fn hear_first(&mut self) -> Option<FirstReply> {
        let frame = self.frame().await.unwrap()?;
        Some(FirstReply::from_frame(&frame).unwrap())
    }

    pub(super) async fn hear_hello(&mut self) -> ServerHello {
        match self.hear_first().await {
            Some(FirstReply::Hello(hello)) => {
                self.decoder.authenticated();
                *hello
            }
            other => panic!("{other:?} instead of a hello"),
        }
    }

    /// The next frame; `None` at the end of the session.
    pub(super) async fn frame(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.decoder.decode(&mut self.incoming).unwrap() {
                return Ok(Some(frame));
            }
            let read = self.tls.read_buf(&mut self.incoming);
            if timeout(PATIENCE, read)
                .await
                .expect("the front says nothing")?
                == 0
            {
                return Ok(None);
            }
        }
    }

    /// The next reply but heartbeats.
    pub(super) async fn next(&mut self) -> (u32, Reply) {
        loop {
            let frame = self.frame().await.unwrap().expect("the session ended");
            let stream = frame.stream;
            match Reply::from_frame(frame).unwrap() {
                Reply::Heartbeat => {}
                reply => return (stream, reply),
            }
        }
    }

    /// Hears a job's output from these offsets to its end, acknowledging everything at once.
    pub(super) async fn hear_out(&mut self, stream: u32, from: (usize, usize)) -> Heard {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        loop {
            let (on, reply) = self.next().await;
            assert_eq!(on, stream);
            match reply {
                Reply::Stdout(chunk) => {
                    assert_eq!(chunk.offset, (from.0 + stdout.len()) as u64);
                    stdout.extend_from_slice(&chunk.bytes);
                }
                Reply::Stderr(chunk) => {
                    assert_eq!(chunk.offset, (from.1 + stderr.len()) as u64);
                    stderr.extend_from_slice(&chunk.bytes);
                }
                Reply::Ended(ended) => {
                    return Heard {
                        stdout,
                        stderr,
                        ended,
                    };
                }
                Reply::State(_) | Reply::StdinAck(_) => continue,
                other => panic!("{other:?}"),
            }
            let ack = Ack {
                stdout: (from.0 + stdout.len()) as u64,
                stderr: (from.1 + stderr.len()) as u64,
            };
            self.send(stream, Request::Ack(ack)).await;
        }
    }
}

pub(super) fn chunk(offset: u64, bytes: impl Into<Bytes>) -> dtx_proto_types::message::Chunk {
    let bytes = bytes.into();
    dtx_proto_types::message::Chunk { offset, bytes }
}

/// Accepts one node key.
#[derive(Debug)]
struct Expect(Ed25519Key);

impl ServerCertVerifier for Expect {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        _others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        assert_eq!(Ed25519Key::from_spki(key), Some(self.0));
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _key: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        panic!("not TLS 1.2")
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        let key = SubjectPublicKeyInfoDer::from(key.as_ref());
        verify_tls13_signature_with_raw_key(message, &key, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
