//! One value of everything that goes over the wire, the same at every run.

use std::collections::BTreeMap;

use bytes::Bytes;
use dtx_proto_types::frame::Frame;
use dtx_proto_types::grant::{Grant, NAMESPACE, SignedGrant};
use dtx_proto_types::id::{JobId, JournalId, RunId};
use dtx_proto_types::job::{Body, Control, JobLimits, JobSpec, Seat, Stdin};
use dtx_proto_types::message::{
    Ack, Attach, Chunk, ClientHello, Ended, FirstReply, FirstRequest, JobState, Phase, Refusal,
    RefusalCode, Reply, Request, ServerHello, StdinAck, StdinEnd,
};
use dtx_proto_types::node::NodeName;
use dtx_proto_types::outcome::Ending;
use dtx_proto_types::signed::{SecretKey, SignedJob};
use dtx_proto_types::sshsig::{OperatorSignature, signed_data};
use dtx_proto_types::version::VersionRange;
use ssh_key::public::{Ed25519PublicKey, KeyData};

/// A message of any of the four kinds, and the stream that it is sent on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    FirstRequest(FirstRequest),
    FirstReply(FirstReply),
    Request(Request, u32),
    Reply(Reply, u32),
}

impl Message {
    pub(crate) fn to_frame(&self) -> Frame {
        match self {
            Self::FirstRequest(message) => message.to_frame(),
            Self::FirstReply(message) => message.to_frame(),
            Self::Request(message, stream) => message.to_frame(*stream),
            Self::Reply(message, stream) => message.to_frame(*stream),
        }
    }

    /// Reads a frame as a message of the same kind as `self`.
    pub(crate) fn read_like(&self, frame: Frame) -> Option<Self> {
        let stream = frame.stream;
        match self {
            Self::FirstRequest(_) => FirstRequest::from_frame(&frame)
                .ok()
                .map(Self::FirstRequest),
            Self::FirstReply(_) => FirstReply::from_frame(&frame).ok().map(Self::FirstReply),
            Self::Request(..) => {
                let message = Request::from_frame(frame).ok()?;
                Some(Self::Request(message, stream))
            }
            Self::Reply(..) => {
                let message = Reply::from_frame(frame).ok()?;
                Some(Self::Reply(message, stream))
            }
        }
    }
}

pub(crate) fn operator_key() -> SecretKey {
    SecretKey::from_seed(&[1; 32])
}

pub(crate) fn session_key() -> SecretKey {
    SecretKey::from_seed(&[2; 32])
}

pub(crate) fn key_data(key: &SecretKey) -> KeyData {
    KeyData::from(Ed25519PublicKey(*key.public().as_bytes()))
}

pub(crate) fn grant() -> Grant {
    Grant {
        version: 1,
        session_key: session_key().public(),
        operator: operator_key().public().fingerprint(),
        cluster: "default".to_owned(),
        issued_ms: 1_780_000_000_000,
        expires_ms: 1_780_000_600_000,
        nonce: [3; 16],
        client_host: "admin1".to_owned(),
        client_user: "alice".to_owned(),
    }
}

pub(crate) fn sign_grant(payload: Vec<u8>, key: &SecretKey, namespace: &str) -> SignedGrant {
    let data = signed_data(namespace, &payload).expect("a namespace");
    let signature =
        OperatorSignature::from_ed25519(key_data(key), namespace, &key.sign(&data)).expect("parts");
    SignedGrant {
        payload,
        signature: signature.encode(),
    }
}

pub(crate) fn signed_grant() -> SignedGrant {
    sign_grant(grant().encode(), &operator_key(), NAMESPACE)
}

pub(crate) fn job_id() -> JobId {
    JobId::from_bytes([4; 16])
}

fn name(text: &str) -> NodeName {
    text.parse().expect("a name")
}

/// A job with nothing in it that may be left out.
pub(crate) fn job(body: Body) -> JobSpec {
    JobSpec {
        job: job_id(),
        run: RunId::from_bytes([5; 16]),
        cluster: "default".to_owned(),
        batch: vec![Seat(name("n1"), 0), Seat(name("n2"), 300)],
        count: 512,
        body,
        run_as: "root".to_owned(),
        env: BTreeMap::new(),
        cwd: None,
        shell: None,
        subst: false,
        attempt: 1,
        stdin: Stdin::None,
        limits: JobLimits::default(),
        issued_ms: 1_780_000_000_000,
        start_by_ms: 1_780_000_060_000,
    }
}

/// A job of each body and each kind of input, by the name of its golden file.
pub(crate) fn jobs() -> Vec<(&'static str, JobSpec)> {
    let shell = job(Body::Shell("echo hello >> /tmp/hello.txt".to_owned()));
    let full = JobSpec {
        env: [("LANG".to_owned(), "C.UTF-8".to_owned())].into(),
        cwd: Some("/tmp".to_owned()),
        shell: Some("/bin/bash".to_owned()),
        subst: true,
        attempt: 2,
        limits: JobLimits {
            timeout_ms: Some(1_000),
            output_bytes: Some(16 << 20),
        },
        ..shell.clone()
    };
    let exec = JobSpec {
        stdin: Stdin::Sized {
            size: 70_000,
            blake3: [6; 32],
        },
        ..job(Body::Argv(vec!["/bin/cat".to_owned(), "-".to_owned()]))
    };
    let script = JobSpec {
        stdin: Stdin::Streamed,
        ..job(Body::Script {
            text: b"#!/bin/sh\necho \"$1\"\n\xff".to_vec(),
            args: vec!["x y".to_owned()],
        })
    };
    let control = job(Body::Control {
        job: JobId::from_bytes([7; 16]),
        action: Control::Cancel,
    });
    vec![
        ("payload-job-shell", shell),
        ("payload-job-shell-all-fields", full),
        ("payload-job-exec-stdin-sized", exec),
        ("payload-job-script-stdin-streamed", script),
        ("payload-job-control", control),
    ]
}

pub(crate) fn signed_job() -> SignedJob {
    let spec = job(Body::Shell("echo hello >> /tmp/hello.txt".to_owned()));
    session_key().sign_job(&spec).expect("small")
}

/// Every message, by the name of its golden file.
pub(crate) fn messages() -> Vec<(&'static str, Message)> {
    let mut all = vec![
        ("client-hello", Message::FirstRequest(client_hello())),
        ("server-hello", Message::FirstReply(server_hello())),
        (
            "refusal-of-session",
            Message::FirstReply(FirstReply::Refusal(refusal())),
        ),
    ];
    let requests = requests().into_iter();
    all.extend(requests.map(|(name, message)| (name, Message::Request(message, 1))));
    let replies = replies().into_iter();
    all.extend(replies.map(|(name, message)| (name, Message::Reply(message, 0x0102_0304))));
    all
}

fn client_hello() -> FirstRequest {
    FirstRequest::Hello(ClientHello {
        versions: VersionRange {
            oldest: 1,
            newest: 1,
        },
        capabilities: vec!["example".to_owned()],
        grant: signed_grant(),
        release: "dtx 0.1.0".to_owned(),
    })
}

fn server_hello() -> FirstReply {
    FirstReply::Hello(Box::new(ServerHello {
        version: 1,
        capabilities: Vec::new(),
        node: name("n1"),
        cluster: "default".to_owned(),
        boot_id: "d0b5cbb2-2f0c-4a4e-9f53-6f9c3d3d4f10".to_owned(),
        journal_id: JournalId::from_bytes([8; 16]),
        reattach_grace_ms: 60_000,
        release: "dtx-agent 0.1.0".to_owned(),
        slots: 128,
        busy: 3,
        load_percent: 250,
        clock_ms: 1_780_000_000_123,
        labels: [("rack".to_owned(), "r1".to_owned())].into(),
    }))
}

fn refusal() -> Refusal {
    Refusal {
        code: RefusalCode::Unclaimed,
        text: "no operator has claimed this agent".to_owned(),
    }
}

fn chunk(offset: u64, bytes: &'static [u8]) -> Chunk {
    Chunk {
        offset,
        bytes: Bytes::from_static(bytes),
    }
}

fn requests() -> Vec<(&'static str, Request)> {
    let attach = Attach {
        job: job_id(),
        stdout: 1 << 40,
        stderr: 0,
    };
    let ack = Ack {
        stdout: 262_144,
        stderr: 17,
    };
    vec![
        ("job", Request::Job(signed_job())),
        ("attach", Request::Attach(attach)),
        ("stdin", Request::Stdin(chunk(65_536, b"1\n2\n3\n"))),
        ("stdin-end", Request::StdinEnd(StdinEnd { size: 65_542 })),
        ("ack", Request::Ack(ack)),
        ("cancel", Request::Cancel),
        ("keep", Request::Keep),
        ("release", Request::Release),
        ("heartbeat-of-client", Request::Heartbeat),
    ]
}

fn replies() -> Vec<(&'static str, Reply)> {
    let state = |phase, stdin| Reply::State(JobState { phase, stdin });
    let ended = |ending| {
        Reply::Ended(Ended {
            ending,
            stdout: 6,
            stderr: 0,
            output_bytes: None,
            duration_us: 12_345,
            notes: Vec::new(),
        })
    };
    let noted = Reply::Ended(Ended {
        ending: Ending::Cancelled("by the client".to_owned()),
        stdout: 0,
        stderr: 0,
        output_bytes: None,
        duration_us: 0,
        notes: vec!["1 process was left over".to_owned()],
    });
    let failed = |code| Ending::SetupFailed {
        code,
        reason: "no such directory: /x".to_owned(),
    };
    let stdin_ack = StdinAck {
        offset: 65_542,
        closed: true,
    };
    let lost = Ending::Lost("output went down with a process".to_owned());
    vec![
        ("state-unknown", state(Phase::Unknown, 0)),
        ("state-needs-stdin", state(Phase::NeedsStdin, 0)),
        ("state-queued", state(Phase::Queued, 0)),
        ("state-running", state(Phase::Running, 65_542)),
        ("stdout", Reply::Stdout(chunk(0, b"hello\n"))),
        ("stderr", Reply::Stderr(chunk(u64::MAX - 3, b"\x00\xff\n"))),
        ("stdin-ack", Reply::StdinAck(stdin_ack)),
        ("ended-exited", ended(Ending::Exited(0))),
        ("ended-signaled", ended(Ending::Signaled(9))),
        ("ended-timed-out", ended(Ending::TimedOut)),
        ("ended-cancelled", noted),
        ("ended-setup-failed", ended(failed(None))),
        ("ended-not-found", ended(failed(Some(127)))),
        ("ended-lost", ended(lost)),
        ("refusal-of-job", Reply::Refusal(refusal())),
        ("heartbeat-of-agent", Reply::Heartbeat),
    ]
}
