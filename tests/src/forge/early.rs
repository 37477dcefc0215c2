//! Words out of turn: everything that may only be said once a grant has been verified.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use bytes::Bytes;
use dtx_proto_types::frame::{Frame, kind};
use dtx_proto_types::id::JobId;
use dtx_proto_types::message::{
    Ack, Attach, Chunk, JobState, Phase, Refusal, RefusalCode, Reply, Request, StdinAck, StdinEnd,
};

use super::jobs::Honest;
use super::link::{Link, hello};
use super::operator::{job, sign};
use crate::dice::Dice;

/// Says a message of every kind there can be, known or not, before the hello, and an honest hello
/// with an honest job right behind it. Prints for each what the agent answered.
///
/// # Errors
///
/// If a connection breaks before anything was said.
pub fn early(n1: &str) -> io::Result<ExitCode> {
    let n1: SocketAddr = n1.parse().map_err(io::Error::other)?;
    let mut dice = Dice::new(6);
    for kind in (0..=u8::MAX).filter(|kind| *kind != kind::CLIENT_HELLO) {
        for frame in frames(kind, &mut dice) {
            let honest = Honest::new(&mut dice);
            let mark = format!("early-{kind}");
            let behind = sign(&honest.session, &job(&mark, &["n1"], &mut dice));
            let behind = Request::Job(behind).to_frame(1);
            let mut link = Link::connect(n1, &honest.session)?;
            link.say(&[frame, hello(&honest.grant), behind])?;
            let answer = match link.hear()? {
                None => "closed".to_owned(),
                Some(frame) => format!("ANSWERED with kind {}", frame.kind),
            };
            println!("kind {kind}\t{answer}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Frames of this kind: an empty one, and one with a body that its kind allows, if it has one.
fn frames(kind: u8, dice: &mut Dice) -> Vec<Frame> {
    let mut frames = vec![Frame {
        kind,
        stream: 1,
        body: Bytes::new(),
    }];
    let mut full = requests(dice);
    full.extend(replies());
    frames.extend(
        full.into_iter()
            .filter(|frame| frame.kind == kind && !frame.body.is_empty()),
    );
    frames
}

fn chunk() -> Chunk {
    Chunk {
        offset: 0,
        bytes: Bytes::from_static(b"early"),
    }
}

fn requests(dice: &mut Dice) -> Vec<Frame> {
    let session = super::operator::session_key(dice);
    let early = sign(&session, &job("early-job", &["n1"], dice));
    [
        Request::Job(early),
        Request::Attach(Attach {
            job: JobId::from_bytes([7; 16]),
            stdout: 0,
            stderr: 0,
        }),
        Request::Stdin(chunk()),
        Request::StdinEnd(StdinEnd { size: 5 }),
        Request::Ack(Ack::default()),
        Request::Cancel,
        Request::Keep,
        Request::Release,
        Request::Heartbeat,
    ]
    .iter()
    .map(|request| request.to_frame(1))
    .collect()
}

fn replies() -> Vec<Frame> {
    [
        Reply::State(JobState {
            phase: Phase::Running,
            stdin: 0,
        }),
        Reply::Stdout(chunk()),
        Reply::Stderr(chunk()),
        Reply::StdinAck(StdinAck {
            offset: 0,
            closed: false,
        }),
        Reply::Refusal(Refusal {
            code: RefusalCode::Other,
            text: "early".to_owned(),
        }),
        Reply::Heartbeat,
    ]
    .iter()
    .map(|reply| reply.to_frame(1))
    .collect()
}
