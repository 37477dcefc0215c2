//! A front in this process, on a port of its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use dtx_proto_types::id::JournalId;
use dtx_proto_types::key::Ed25519Key;
use dtx_proto_types::signed::SecretKey;
use tokio::task::{JoinHandle, LocalSet};
use tokio::time::timeout;

use super::client::Client;
use super::executor::Executor;
use crate::front::process::{FrontError, serve};
use crate::ipc::{SessionNumber, Setup, ToExecutor, ToFront};

/// No test takes this long, by a clock that some of them turn forward.
const PATIENCE: Duration = Duration::from_secs(120);

/// A front, and its executor.
pub(super) struct Rig {
    pub(super) executor: Executor,
    pub(super) address: SocketAddr,
    pub(super) node_key: Ed25519Key,
    pub(super) front: JoinHandle<Result<(), FrontError>>,
}

/// Runs a test on one thread, as the front does.
pub(super) fn run<F: Future<Output = ()>>(test: F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let tasks = LocalSet::new();
    tasks.block_on(&runtime, async {
        timeout(PATIENCE, test).await.expect("the test hangs");
    });
}

/// Waits for a helper thread without standing in the front's way.
pub(super) async fn finish<T>(thread: std::thread::JoinHandle<T>) -> T {
    while !thread.is_finished() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    thread.join().unwrap()
}

impl Rig {
    /// A front that accepts from this machine.
    pub(super) async fn start() -> Self {
        Self::start_with(vec![(IpAddr::V4(Ipv4Addr::LOCALHOST), 8)]).await
    }

    /// A front that accepts from these networks.
    pub(super) async fn start_with(accept_from: Vec<(IpAddr, u8)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let front = tokio::task::spawn_local(serve(theirs));
        let mut executor = Executor::new(ours);
        let setup = Self::setup(address, accept_from);
        let setup = ToFront::Setup(Box::new(setup));
        executor.send_with(&setup, vec![OwnedFd::from(listener)]);
        assert_eq!(executor.next().await, ToExecutor::Ready);
        Self {
            executor,
            address,
            node_key: SecretKey::from_seed(&[7; 32]).public(),
            front,
        }
    }

    fn setup(address: SocketAddr, accept_from: Vec<(IpAddr, u8)>) -> Setup {
        Setup {
            node: "n1".parse().unwrap(),
            cluster: "default".into(),
            labels: [("rack".to_owned(), "r1".to_owned())].into(),
            listen: vec![address],
            accept_from,
            accept_on_link: false,
            discovery: false,
            interfaces: Vec::new(),
            node_key_seed: [7; 32],
            boot_id: "boot".into(),
            journal_id: JournalId::from_bytes([9; 16]),
            reattach_grace_ms: 60_000,
            slots: 4,
            release: "test".into(),
            log_level: "off".into(),
            log_json: false,
        }
    }

    /// A connection that has said nothing yet but TLS.
    pub(super) async fn connect(&self) -> Client {
        Client::connect(self.address, self.node_key).await.unwrap()
    }

    /// An open session with this number.
    pub(super) async fn session(&mut self, number: u64) -> (Client, SessionNumber) {
        let mut client = self.connect().await;
        client.say_hello().await;
        let session = self.executor.open_next(number).await;
        client.hear_hello().await;
        (client, session)
    }
}
