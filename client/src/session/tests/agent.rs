//! An agent of a few lines: real TLS on loopback, and a job that writes what it is told to. It
//! keeps its record of jobs over all connections, and can cut a connection after any frame.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use dtx_proto_types::frame::{Frame, FrameDecoder};
use dtx_proto_types::id::{JobId, JournalId};
use dtx_proto_types::key::Ed25519Key;
use dtx_proto_types::message::{
    Chunk, Ended, FirstReply, FirstRequest, JobState, Phase, Reply, Request, ServerHello,
};
use dtx_proto_types::outcome::Ending;
use dtx_proto_types::signed::{SecretKey, decode_exact};
use rustls::ServerConfig;
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::codec::Decoder;

use crate::tls::tests::{AnyClient, certified};

pub(crate) fn hello(node: &str, boot_id: &str) -> ServerHello {
    ServerHello {
        version: 1,
        capabilities: vec![],
        node: node.parse().unwrap(),
        cluster: "default".to_owned(),
        boot_id: boot_id.to_owned(),
        journal_id: JournalId::from_bytes([1; 16]),
        reattach_grace_ms: 5_000,
        release: String::new(),
        slots: 4,
        busy: 0,
        load_percent: 0,
        clock_ms: 0,
        labels: BTreeMap::new(),
    }
}

pub(crate) fn ended(ending: Ending, stdout: u64) -> Reply {
    Reply::Ended(Ended {
        ending,
        stdout,
        stderr: 0,
        output_bytes: None,
        duration_us: 1,
        notes: vec![],
    })
}

/// What an agent does and has done.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) hello: FirstReply,
    /// What the job writes, one chunk each.
    pub(crate) chunks: Vec<Vec<u8>>,
    /// Frames to send and to read before the first connection is cut.
    pub(crate) cut_after_sent: usize,
    pub(crate) cut_after_read: usize,
    /// Whether the last frame read before a cut still has its effect.
    pub(crate) takes_last: bool,
    /// Jobs that began.
    pub(crate) starts: Mutex<BTreeMap<JobId, usize>>,
    /// Connections on which anything was said.
    pub(crate) hellos: AtomicUsize,
    pub(crate) cut: AtomicUsize,
}

impl Script {
    pub(crate) fn new(hello: FirstReply, chunks: Vec<Vec<u8>>) -> Self {
        Self {
            hello,
            chunks,
            cut_after_sent: usize::MAX,
            cut_after_read: usize::MAX,
            takes_last: true,
            starts: Mutex::default(),
            hellos: AtomicUsize::new(0),
            cut: AtomicUsize::new(0),
        }
    }
}

/// An agent that listens. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) address: SocketAddr,
    pub(crate) key: Ed25519Key,
    pub(crate) script: Arc<Script>,
    _task: JoinSet<()>,
}

impl Agent {
    pub(crate) async fn start(seed: u8, script: Script) -> Self {
        let key = Arc::new(SecretKey::from_seed(&[seed; 32]));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(script);
        let mut task = JoinSet::new();
        task.spawn(serve(listener, acceptor(&key), Arc::clone(&script)));
        Self {
            address,
            key: key.public(),
            script,
            _task: task,
        }
    }
}

fn acceptor(key: &Arc<SecretKey>) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(Arc::new(AnyClient))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(certified(
            key,
        ))));
    config.send_tls13_tickets = 0;
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, script: Arc<Script>) {
    let mut connections = JoinSet::new();
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        let (acceptor, script) = (acceptor.clone(), Arc::clone(&script));
        connections.spawn(async move {
            if let Ok(stream) = acceptor.accept(tcp).await {
                // A cut is the end that was asked for.
                let _cut = Connection::new(stream, &script).converse().await;
            }
        });
    }
}

/// The connection is to be cut here.
struct Cut;

struct Connection<'a> {
    stream: TlsStream<TcpStream>,
    decoder: FrameDecoder,
    incoming: BytesMut,
    script: &'a Script,
    sent: usize,
    read: usize,
}

impl<'a> Connection<'a> {
    fn new(stream: TlsStream<TcpStream>, script: &'a Script) -> Self {
        Self {
            stream,
            decoder: FrameDecoder::unauthenticated(),
            incoming: BytesMut::new(),
            script,
            sent: 0,
            read: 0,
        }
    }

    async fn converse(mut self) -> Result<(), Cut> {
        let (frame, _) = self.read_frame().await?;
        FirstRequest::from_frame(&frame).ok().ok_or(Cut)?;
        self.script.hellos.fetch_add(1, Ordering::SeqCst);
        self.write_frame(self.script.hello.to_frame()).await?;
        self.decoder.authenticated();
        loop {
            let (frame, cut) = self.read_frame().await?;
            let stream = frame.stream;
            if cut && !self.script.takes_last {
                return Err(Cut);
            }
            match Request::from_frame(frame).map_err(|_| Cut)? {
                Request::Job(job) => {
                    let spec: dtx_proto_types::job::JobSpec = decode_exact(&job.payload).unwrap();
                    *self
                        .script
                        .starts
                        .lock()
                        .unwrap()
                        .entry(spec.job)
                        .or_default() += 1;
                    if cut {
                        return Err(Cut);
                    }
                    self.tell(stream, Phase::Running).await?;
                    self.write_from(stream, 0).await?;
                }
                Request::Attach(attach) => {
                    let known = self.script.starts.lock().unwrap().contains_key(&attach.job);
                    if known {
                        self.tell(stream, Phase::Running).await?;
                        self.write_from(stream, attach.stdout).await?;
                    } else {
                        self.tell(stream, Phase::Unknown).await?;
                    }
                }
                _ if cut => return Err(Cut),
                _ => {}
            }
        }
    }

    async fn tell(&mut self, stream: u32, phase: Phase) -> Result<(), Cut> {
        let state = JobState { phase, stdin: 0 };
        self.write_frame(Reply::State(state).to_frame(stream)).await
    }

    /// All output from an offset on, and the end.
    async fn write_from(&mut self, stream: u32, from: u64) -> Result<(), Cut> {
        let mut offset = 0;
        for chunk in &self.script.chunks {
            let after = offset + chunk.len() as u64;
            if after > from {
                let skip = usize::try_from(from.saturating_sub(offset)).unwrap();
                let bytes = Bytes::copy_from_slice(&chunk[skip..]);
                let offset = offset + skip as u64;
                let chunk = Reply::Stdout(Chunk { offset, bytes });
                self.write_frame(chunk.to_frame(stream)).await?;
            }
            offset = after;
        }
        self.write_frame(ended(Ending::Exited(0), offset).to_frame(stream))
            .await
    }

    fn cuts(&self, count: usize, after: usize) -> bool {
        count == after && self.script.cut.swap(1, Ordering::SeqCst) == 0
    }

    async fn write_frame(&mut self, frame: Frame) -> Result<(), Cut> {
        if self.cuts(self.sent, self.script.cut_after_sent) {
            return Err(Cut);
        }
        self.sent += 1;
        let mut bytes = BytesMut::new();
        frame.write_to(&mut bytes);
        self.stream.write_all(&bytes).await.map_err(|_| Cut)?;
        self.stream.flush().await.map_err(|_| Cut)
    }

    /// The next frame, and whether it is the last one before a cut.
    async fn read_frame(&mut self) -> Result<(Frame, bool), Cut> {
        if self.script.cut_after_read == 0 && self.cuts(self.read, 0) {
            return Err(Cut);
        }
        loop {
            if let Some(frame) = self.decoder.decode(&mut self.incoming).map_err(|_| Cut)? {
                self.read += 1;
                return Ok((frame, self.cuts(self.read, self.script.cut_after_read)));
            }
            let read = self.stream.read_buf(&mut self.incoming).await;
            if read.map_err(|_| Cut)? == 0 {
                return Err(Cut);
            }
        }
    }
}
