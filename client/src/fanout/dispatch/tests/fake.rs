//! Nodes without a network. A node does what the first word of its label says (`ok`, `exit3`,
//! `torn` …), and what was asked of it is counted.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use dtx_proto_types::frame::{Frame, kind};
use dtx_proto_types::id::{JobId, JournalId, RunId};
use dtx_proto_types::job::{Body, JobLimits, JobSpec, Seat};
use dtx_proto_types::key::Ed25519Key;
use dtx_proto_types::message::{
    Attach, Ended, JobState, Phase, Refusal, RefusalCode, Request, ServerHello, StdinAck,
};
use dtx_proto_types::node::NodeName;
use dtx_proto_types::outcome::Ending;
use dtx_proto_types::signed::SecretKey;
use tokio::io::AsyncRead;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::super::plan::{Plan, Planned, start};
use crate::fanout::dial::{Dial, NodeJob, NodeSession};
use crate::fanout::event::{RunEvent, RunSummary, Stream};
use crate::fanout::sign::JobSigner;
use crate::fanout::stdin::Supply;
use crate::fanout::{Run, RunOptions};
use crate::session::{Broken, ConnectError, EncodedJob, JobEvent, SessionEnd};

/// How long a fake node takes for a job.
pub(super) const WORK: Duration = Duration::from_millis(100);
/// How long it keeps a job whose client is gone.
pub(super) const GRACE: Duration = Duration::from_secs(60);
/// What a job writes.
pub(super) const TEXT: &[u8] = b"hello\n";

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
    pub(super) stdin: Mutex<BTreeMap<u32, Vec<u8>>>,
}

impl Fakes {
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

    fn script(&self, rank: u32) -> Vec<(Duration, JobEvent)> {
        let word = self.word(rank);
        let running = (Duration::ZERO, state(Phase::Running));
        let after = |ending| {
            vec![
                running.clone(),
                output(TEXT),
                (WORK, ended(ending, TEXT.len())),
            ]
        };
        let broken = |written| (Duration::ZERO, broken(written));
        let tries = self
            .starts
            .lock()
            .unwrap()
            .keys()
            .filter(|(of, _)| *of == rank)
            .count();
        match word {
            "killed" => after(Ending::Signaled(9)),
            "setup" => vec![(WORK, ended(setup_failed(), 0))],
            "timeout" => after(Ending::TimedOut),
            "refuse" => vec![(Duration::ZERO, refused(RefusalCode::Busy))],
            "policy" => vec![(Duration::ZERO, refused(RefusalCode::Denied))],
            "second" if tries < 1 => after(Ending::Exited(1)),
            "hang" | "stubborn" | "noisy" => vec![running],
            "queued" => vec![(Duration::ZERO, state(Phase::Queued))],
            "torn" => vec![running, output(&TEXT[..3]), broken(true)],
            "unsent" if !self.has_dialled_twice(rank) => vec![broken(false)],
            "forgotten" if !self.has_dialled_twice(rank) => vec![broken(true)],
            "reboot" | "vanish" => vec![broken(true)],
            "short" => vec![
                running,
                output(&TEXT[..3]),
                (WORK, ended(Ending::Exited(0), TEXT.len())),
            ],
            "cat" => vec![running],
            _ => match word.strip_prefix("exit") {
                Some(code) => after(Ending::Exited(code.parse().unwrap())),
                None => after(Ending::Exited(0)),
            },
        }
    }

    fn has_dialled_twice(&self, rank: u32) -> bool {
        self.dials
            .lock()
            .unwrap()
            .get(&rank)
            .is_some_and(|dials| *dials > 1)
    }
}

fn state(phase: Phase) -> JobEvent {
    JobEvent::State(JobState { phase, stdin: 0 })
}

fn output(bytes: &[u8]) -> (Duration, JobEvent) {
    let bytes = Bytes::copy_from_slice(bytes);
    (Duration::ZERO, JobEvent::Output(Stream::Stdout, bytes))
}

fn ended(ending: Ending, wrote: usize) -> JobEvent {
    JobEvent::Ended(Ended {
        ending,
        stdout: wrote as u64,
        stderr: 0,
        output_bytes: None,
        duration_us: 1,
        notes: vec![],
    })
}

fn setup_failed() -> Ending {
    Ending::SetupFailed {
        code: Some(127),
        reason: "not found".to_owned(),
    }
}

fn refused(code: RefusalCode) -> JobEvent {
    JobEvent::Refused(Refusal {
        code,
        text: "no".to_owned(),
    })
}

fn broken(written: bool) -> JobEvent {
    let reason = SessionEnd::PeerClosed;
    JobEvent::Broken(Broken { written, reason })
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
    fn job(&self, script: Vec<(Duration, JobEvent)>) -> FakeJob {
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

/// A run on fake nodes, about to begin.
pub(super) struct Stage {
    pub(super) fakes: Arc<Fakes>,
    pub(super) signer: Arc<JobSigner>,
    pub(super) options: RunOptions,
    pub(super) supply: Supply,
    pub(super) source: Option<Box<dyn AsyncRead + Send + Unpin>>,
    pub(super) timeout: Option<Duration>,
    /// Whether the nodes' names are known before a session.
    pub(super) named: bool,
}

impl Stage {
    /// Nodes with these labels. `ok*3` stands for three.
    pub(super) fn new(text: &str) -> Self {
        let mut labels: Vec<NodeName> = Vec::new();
        for word in text.split_whitespace() {
            let (word, count) = word.split_once('*').unwrap_or((word, "1"));
            for _ in 0..count.parse().unwrap() {
                labels.push(format!("{word}-{}", labels.len()).parse().unwrap());
            }
        }
        let key = Arc::new(SecretKey::from_seed(&[9; 32]));
        let spec = JobSpec {
            job: JobId::from_bytes([1; 16]),
            run: RunId::from_bytes([2; 16]),
            cluster: "default".to_owned(),
            batch: Vec::<Seat>::new(),
            count: u32::try_from(labels.len()).unwrap(),
            body: Body::Shell("true".to_owned()),
            run_as: "root".to_owned(),
            env: BTreeMap::new(),
            cwd: None,
            shell: None,
            subst: false,
            attempt: 1,
            stdin: dtx_proto_types::job::Stdin::None,
            limits: JobLimits::default(),
            issued_ms: 0,
            start_by_ms: 0,
        };
        Self {
            signer: Arc::new(JobSigner::new(Arc::clone(&key), spec)),
            fakes: Arc::new(Fakes {
                labels,
                key,
                dials: Mutex::default(),
                starts: Mutex::default(),
                specs: Mutex::default(),
                alive: AtomicUsize::new(0),
                busy: AtomicUsize::new(0),
                busiest: AtomicUsize::new(0),
                cancels: AtomicUsize::new(0),
                stdin: Mutex::default(),
            }),
            options: RunOptions::default(),
            supply: Supply::None,
            source: None,
            timeout: None,
            named: true,
        }
    }

    pub(super) fn start(self) -> Run {
        let nodes = self.fakes.labels.iter().map(|label| Planned {
            label: label.clone(),
            name: self.named.then(|| label.clone()),
        });
        let plan = Plan {
            run: RunId::from_bytes([2; 16]),
            command: "true".to_owned(),
            nodes: nodes.collect(),
            supply: self.supply,
            source: self.source,
            timeout: self.timeout,
            output_bytes: None,
        };
        start(
            plan,
            Arc::new(FakeDial(self.fakes)),
            self.signer,
            self.options,
        )
    }

    /// Runs to the end and tells all events.
    pub(super) async fn play(self) -> (RunSummary, Vec<RunEvent>) {
        play(self.start()).await
    }
}

/// Listens to a run to its end.
pub(super) async fn play(mut run: Run) -> (RunSummary, Vec<RunEvent>) {
    let mut events = Vec::new();
    while let Some(event) = run.next_event().await {
        events.push(event);
    }
    (run.finish().await, events)
}

/// Waits for ever.
pub(super) async fn never() {
    pending::<()>().await;
}
