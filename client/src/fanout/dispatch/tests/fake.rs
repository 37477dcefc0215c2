//! Nodes without a network. A node does what the first word of its label says (`ok`, `exit3`,
//! `torn` …), and what was asked of it is counted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use dtx_proto_types::frame::{Frame, kind};
use dtx_proto_types::id::{JobId, JournalId};
use dtx_proto_types::key::Ed25519Key;
use dtx_proto_types::message::{
    Attach, Phase, Refusal, RefusalCode, Request, ServerHello, StdinAck,
};
use dtx_proto_types::node::NodeName;
use dtx_proto_types::outcome::Ending;
use dtx_proto_types::signed::SecretKey;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::script::{Script, TEXT, WORK, ended, output, refused, script, state};
use crate::fanout::dial::{Dial, NodeJob, NodeSession};
use crate::fanout::event::Stream;
use crate::session::{ConnectError, EncodedJob, JobEvent};

/// How long it keeps a job whose client is gone.
pub(super) const GRACE: Duration = Duration::from_secs(60);

/// The nodes of a run, and what was seen of them.
#[derive(Debug)]
pub(super) struct Fakes {
    labels: Vec<NodeName>,
    key: Arc<SecretKey>,
    dials: Mutex<BTreeMap<u32, usize>>,
    /// Jobs that began, by rank and id: never more than one each.
    pub(super) starts: Mutex<BTreeMap<(u32, JobId), usize>>,
    /// Specs that arrived: rank, attempt.
    pub(super) specs: Mutex<Vec<(u32, u32)>>,
    alive: AtomicUsize,
    busy: AtomicUsize,
    /// Most jobs at once.
    pub(super) busiest: AtomicUsize,
    pub(super) cancels: AtomicUsize,
    /// Nodes that were told to go on without us, as often as they were told.
    pub(super) keeps: Mutex<Vec<u32>>,
    pub(super) stdin: Mutex<BTreeMap<u32, Vec<u8>>>,
}

impl Fakes {
    pub(super) fn new(labels: Vec<NodeName>, key: Arc<SecretKey>) -> Arc<Self> {
        Arc::new(Self {
            labels,
            key,
            dials: Mutex::default(),
            starts: Mutex::default(),
            specs: Mutex::default(),
            alive: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            busiest: AtomicUsize::new(0),
            cancels: AtomicUsize::new(0),
            keeps: Mutex::default(),
            stdin: Mutex::default(),
        })
    }

    pub(super) fn labels(&self) -> &[NodeName] {
        &self.labels
    }

    fn word(&self, rank: u32) -> &str {
        let label = self.labels[rank as usize].as_str();
        label.split_once('-').map_or(label, |(word, _)| word)
    }

    fn session(self: &Arc<Self>, rank: u32, again: bool) -> Arc<FakeSession> {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&rank.to_be_bytes());
        if self.word(rank) == "twin" {
            key = [7; 32];
        }
        let rebooted = again && self.word(rank) == "reboot";
        Arc::new(FakeSession {
            fakes: Arc::clone(self),
            rank,
            key: Ed25519Key::from_bytes(key),
            hello: ServerHello {
                version: 1,
                capabilities: vec![],
                node: self.labels[rank as usize].clone(),
                cluster: "default".to_owned(),
                boot_id: format!("rebooted: {rebooted}"),
                journal_id: JournalId::from_bytes([1; 16]),
                reattach_grace_ms: u64::try_from(GRACE.as_millis()).unwrap(),
                release: String::new(),
                slots: 4,
                busy: 0,
                load_percent: 0,
                clock_ms: 0,
                labels: BTreeMap::new(),
            },
        })
    }

    /// Sessions and jobs that somebody still holds.
    pub(super) fn alive(&self) -> usize {
        self.alive.load(Ordering::SeqCst)
    }

    /// Nodes that were told to go on without us.
    pub(super) fn told_to_keep(&self) -> Vec<u32> {
        let mut told = self.keeps.lock().unwrap().clone();
        told.sort_unstable();
        told.dedup();
        told
    }

    fn script(&self, rank: u32) -> Script {
        let tries = self
            .starts
            .lock()
            .unwrap()
            .keys()
            .filter(|(of, _)| *of == rank)
            .count();
        script(self.word(rank), tries, self.has_dialled_twice(rank))
    }

    fn has_dialled_twice(&self, rank: u32) -> bool {
        self.dials
            .lock()
            .unwrap()
            .get(&rank)
            .is_some_and(|dials| *dials > 1)
    }
}

/// Dials fake nodes.
#[derive(Debug)]
pub(super) struct FakeDial(pub(super) Arc<Fakes>);

impl Dial for FakeDial {
    type Session = FakeSession;

    async fn dial(&self, rank: u32) -> Result<Arc<FakeSession>, ConnectError> {
        let again = {
            let mut dials = self.0.dials.lock().unwrap();
            let count = dials.entry(rank).or_default();
            *count += 1;
            *count > 1
        };
        match self.0.word(rank) {
            "dead" => Err(ConnectError::Tcp(vec![])),
            "mute" => {
                sleep(Duration::from_secs(5)).await;
                Err(ConnectError::Tcp(vec![]))
            }
            "stranger" => Err(ConnectError::Unusable("new, not accepted".to_owned())),
            "flaky" if !again => Err(ConnectError::Tcp(vec![])),
            "vanish" if again => Err(ConnectError::Tcp(vec![])),
            "deny" => Err(ConnectError::Refused(Refusal {
                code: RefusalCode::UnknownOperator,
                text: "who is that".to_owned(),
            })),
            "panic" => panic!("a bug in an attempt"),
            _ => Ok(self.0.session(rank, again)),
        }
    }

    async fn redial(&self, rank: u32) -> Result<Arc<FakeSession>, ConnectError> {
        sleep(Duration::from_millis(10)).await;
        self.dial(rank).await
    }

    fn release(&self, _rank: u32, _others_wait: bool) {}
}

#[derive(Debug)]
pub(super) struct FakeSession {
    fakes: Arc<Fakes>,
    rank: u32,
    key: Ed25519Key,
    hello: ServerHello,
}

impl FakeSession {
    fn job(&self, script: Script) -> FakeJob {
        self.fakes.alive.fetch_add(1, Ordering::SeqCst);
        let busy = self.fakes.busy.fetch_add(1, Ordering::SeqCst) + 1;
        self.fakes.busiest.fetch_max(busy, Ordering::SeqCst);
        let mut at = Instant::now();
        let script = script.into_iter().map(|(wait, event)| {
            at += wait;
            (at, event)
        });
        FakeJob {
            fakes: Arc::clone(&self.fakes),
            rank: self.rank,
            script: Mutex::new(script.collect()),
            changed: Notify::new(),
        }
    }
}

impl NodeSession for FakeSession {
    type Job = FakeJob;

    fn hello(&self) -> &ServerHello {
        &self.hello
    }

    fn key(&self) -> Ed25519Key {
        self.key
    }

    async fn start(&self, job: &EncodedJob) -> FakeJob {
        let (kind, stream) = (kind::JOB, 1);
        let body = job.0.clone();
        let Ok(Request::Job(signed)) = Request::from_frame(Frame { kind, stream, body }) else {
            panic!("not a job");
        };
        let spec = signed.verify(self.fakes.key.public()).unwrap().into_spec();
        assert_eq!(
            spec.rank_of(&self.hello.node),
            Some(self.rank),
            "every seat has its rank"
        );
        assert_eq!(spec.count as usize, self.fakes.labels.len());
        self.fakes
            .specs
            .lock()
            .unwrap()
            .push((self.rank, spec.attempt));
        let script = self.fakes.script(self.rank);
        let arrives = !matches!(script.first(), Some((_, JobEvent::Broken(_))));
        let refused = matches!(script.first(), Some((_, JobEvent::Refused(_))));
        if arrives && !refused {
            let mut starts = self.fakes.starts.lock().unwrap();
            *starts.entry((self.rank, spec.job)).or_default() += 1;
        }
        self.job(script)
    }

    async fn attach(&self, attach: Attach) -> FakeJob {
        let script = match self.fakes.word(self.rank) {
            "forgotten" | "reboot" => vec![(Duration::ZERO, state(Phase::Unknown))],
            _ => {
                let from = usize::try_from(attach.stdout).unwrap();
                let running = (Duration::ZERO, state(Phase::Running));
                let end = (WORK, ended(Ending::Exited(0), TEXT.len()));
                vec![running, output(&TEXT[from..]), end]
            }
        };
        self.job(script)
    }
}

/// A job on a fake node: events, each at its time.
#[derive(Debug)]
pub(super) struct FakeJob {
    fakes: Arc<Fakes>,
    rank: u32,
    script: Mutex<VecDeque<(Instant, JobEvent)>>,
    changed: Notify,
}

impl FakeJob {
    fn then(&self, event: JobEvent) {
        self.script
            .lock()
            .unwrap()
            .push_back((Instant::now(), event));
        self.changed.notify_one();
    }
}

impl NodeJob for FakeJob {
    async fn next(&self) -> JobEvent {
        loop {
            let due = self.script.lock().unwrap().front().map(|(at, _)| *at);
            match due {
                Some(due) if due <= Instant::now() => {
                    return self.script.lock().unwrap().pop_front().unwrap().1;
                }
                Some(due) => tokio::select! {
                    () = sleep_until(due) => {}
                    () = self.changed.notified() => {}
                },
                None if self.fakes.word(self.rank) == "noisy" => {
                    return JobEvent::Output(Stream::Stdout, Bytes::from_static(TEXT));
                }
                None => self.changed.notified().await,
            }
        }
    }

    async fn send(&self, request: Request) {
        if request != Request::Cancel {
            return;
        }
        self.fakes.cancels.fetch_add(1, Ordering::SeqCst);
        let cancelled = Ending::Cancelled("by its client".to_owned());
        match self.fakes.word(self.rank) {
            "stubborn" => {}
            "queued" => self.then(refused(RefusalCode::Other)),
            word => {
                self.script.lock().unwrap().clear();
                let wrote = if word == "hang" || word == "cat" {
                    0
                } else {
                    TEXT.len()
                };
                self.then(ended(cancelled, wrote));
            }
        }
    }

    async fn deliver(&self, request: Request) {
        assert_eq!(request, Request::Keep);
        if self.fakes.word(self.rank) == "clogged" {
            std::future::pending::<()>().await;
        }
        self.fakes.keeps.lock().unwrap().push(self.rank);
    }

    async fn send_stdin(&self, request: Request) {
        let mut stdin = self.fakes.stdin.lock().unwrap();
        let read = stdin.entry(self.rank).or_default();
        match request {
            Request::Stdin(chunk) => {
                assert_eq!(chunk.offset, read.len() as u64, "no gap and no repetition");
                read.extend_from_slice(&chunk.bytes);
                let offset = read.len() as u64;
                self.then(JobEvent::StdinAck(StdinAck {
                    offset,
                    closed: false,
                }));
            }
            Request::StdinEnd(end) => {
                assert_eq!(end.size, read.len() as u64);
                self.then(ended(Ending::Exited(0), 0));
            }
            other => panic!("{other:?} is no stdin"),
        }
    }
}

impl Drop for FakeJob {
    fn drop(&mut self) {
        self.fakes.busy.fetch_sub(1, Ordering::SeqCst);
        self.fakes.alive.fetch_sub(1, Ordering::SeqCst);
    }
}
