//! The session's task over a pipe in memory, in simulated time.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dtx_proto_types::frame::FrameDecoder;
use dtx_proto_types::key::Ed25519Key;
use dtx_proto_types::limits::{CHUNK_MAX, STREAM_WINDOW};
use dtx_proto_types::message::{Ack, Attach, Chunk, JobState, Phase, Reply, Request, StdinEnd};
use dtx_proto_types::outcome::Ending;
use dtx_proto_types::signed::SignedJob;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, timeout};
use tokio_util::codec::Decoder;

use super::super::handle::Proven;
use super::super::{Broken, EncodedJob, JobEvent, JobStream, Session, SessionEnd};
use super::agent::{ended, hello};
use crate::fanout::event::Stream;

/// The agent's end of a session.
struct Peer {
    pipe: DuplexStream,
    decoder: FrameDecoder,
    incoming: BytesMut,
}

fn session(pipe_len: usize) -> (Session, Peer) {
    let (ours, pipe) = tokio::io::duplex(pipe_len);
    let proven = Proven {
        hello: hello("n1", "boot"),
        key: Ed25519Key::from_bytes([1; 32]),
        address: SocketAddr::from(([127, 0, 0, 1], 1)),
    };
    let mut decoder = FrameDecoder::unauthenticated();
    decoder.authenticated();
    let session = Session::start_on(ours, proven, decoder, BytesMut::new());
    let mut decoder = FrameDecoder::unauthenticated();
    decoder.authenticated();
    let peer = Peer {
        pipe,
        decoder,
        incoming: BytesMut::new(),
    };
    (session, peer)
}

impl Peer {
    async fn send(&mut self, stream: u32, reply: &Reply) {
        let mut bytes = BytesMut::new();
        reply.to_frame(stream).write_to(&mut bytes);
        self.pipe.write_all(&bytes).await.unwrap();
    }

    async fn send_output(&mut self, stream: u32, offset: u64, bytes: Vec<u8>) {
        let bytes = Bytes::from(bytes);
        self.send(stream, &Reply::Stdout(Chunk { offset, bytes }))
            .await;
    }

    /// The next frame that is no heartbeat; nothing at the end.
    async fn next(&mut self) -> Option<(u32, Request)> {
        loop {
            if let Some(frame) = self.decoder.decode(&mut self.incoming).unwrap() {
                let stream = frame.stream;
                match Request::from_frame(frame).unwrap() {
                    Request::Heartbeat => {}
                    request => return Some((stream, request)),
                }
            } else if self.pipe.read_buf(&mut self.incoming).await.unwrap() == 0 {
                return None;
            }
        }
    }
}

fn job() -> EncodedJob {
    EncodedJob::new(SignedJob {
        payload: vec![1; 100],
        signature: vec![2; 64],
    })
}

async fn started(session: &Session, peer: &mut Peer) -> JobStream {
    let stream = session.start(&job()).await;
    assert!(matches!(peer.next().await, Some((_, Request::Job(_)))));
    stream
}

fn broken(event: JobEvent) -> Broken {
    match event {
        JobEvent::Broken(broken) => broken,
        other => panic!("{other:?} where the session should be broken"),
    }
}

#[tokio::test(start_paused = true)]
async fn output_comes_in_order_and_is_acknowledged_as_it_is_consumed() {
    let (session, mut peer) = session(1 << 20);
    let job = started(&session, &mut peer).await;
    let running = JobState {
        phase: Phase::Running,
        stdin: 0,
    };
    peer.send(1, &Reply::State(running)).await;
    assert_eq!(job.next().await, JobEvent::State(running));
    for (number, offset) in (0..4).zip((0_u64..).step_by(CHUNK_MAX)) {
        peer.send_output(1, offset, vec![number; CHUNK_MAX]).await;
    }
    for number in 0..4 {
        let expected = Bytes::from(vec![number; CHUNK_MAX]);
        assert_eq!(job.next().await, JobEvent::Output(Stream::Stdout, expected));
    }
    // Consumed is what was taken care of before the next was asked for.
    for number in 1..4 {
        let ack = Ack {
            stdout: number * CHUNK_MAX as u64,
            stderr: 0,
        };
        assert_eq!(peer.next().await, Some((1, Request::Ack(ack))));
    }
    peer.send(1, &ended(Ending::Exited(0), STREAM_WINDOW)).await;
    assert!(matches!(job.next().await, JobEvent::Ended(_)));
    job.send(Request::Release).await;
    session.close().await;
    let mut last = None;
    while let Some((_, request)) = peer.next().await {
        last = Some(request);
    }
    assert_eq!(
        last,
        Some(Request::Release),
        "what waits is written before the end"
    );
}

#[tokio::test(start_paused = true)]
async fn a_little_output_is_acknowledged_when_nothing_follows() {
    let (session, mut peer) = session(1 << 16);
    let job = started(&session, &mut peer).await;
    peer.send_output(1, 0, b"hello".to_vec()).await;
    assert!(matches!(job.next().await, JobEvent::Output(..)));
    let acknowledged = tokio::select! {
        event = job.next() => panic!("{event:?}"),
        request = peer.next() => request,
    };
    let ack = Ack {
        stdout: 5,
        stderr: 0,
    };
    assert_eq!(acknowledged, Some((1, Request::Ack(ack))));
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_sleeps_holds_nobody_else() {
    let (session, mut peer) = session(1 << 12);
    let sleeper = started(&session, &mut peer).await;
    let other = started(&session, &mut peer).await;
    // As much as the window lets through, in single bytes at the end.
    let large = STREAM_WINDOW - 2000;
    let mut offset = 0;
    while offset < large {
        let length = usize::try_from(large - offset).unwrap().min(CHUNK_MAX);
        peer.send_output(1, offset, vec![b'x'; length]).await;
        offset += length as u64;
    }
    while offset < STREAM_WINDOW {
        peer.send_output(1, offset, vec![b'y']).await;
        offset += 1;
    }
    peer.send(2, &ended(Ending::Exited(0), 0)).await;
    let event = timeout(Duration::from_secs(1), other.next()).await;
    assert!(matches!(event, Ok(JobEvent::Ended(_))));
    let (mut got, mut events) = (Vec::new(), 0);
    while got.len() as u64 != STREAM_WINDOW {
        match sleeper.next().await {
            JobEvent::Output(_, bytes) => got.extend_from_slice(&bytes),
            other => panic!("{other:?}"),
        }
        events += 1;
    }
    assert_eq!(got.iter().filter(|byte| **byte == b'y').count(), 2000);
    assert!(
        events < 50,
        "{events} events: single bytes are put together"
    );
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_breaks_the_rules_loses_its_session() {
    let window = usize::try_from(STREAM_WINDOW).unwrap();
    for (offset, pieces, text) in [
        (5, vec![1], "gap"),
        (0, vec![CHUNK_MAX; window / CHUNK_MAX + 1], "window"),
    ] {
        let (session, mut peer) = session(1 << 20);
        let job = started(&session, &mut peer).await;
        let mut offset = offset;
        for piece in pieces {
            peer.send_output(1, offset, vec![0; piece]).await;
            offset += piece as u64;
        }
        let end = loop {
            match job.next().await {
                JobEvent::Output(..) if text == "window" => {
                    // Taken, and not asked for more: nothing is acknowledged.
                    tokio::task::yield_now().await;
                    if !session.is_open() {
                        break broken(skip_output(&job).await);
                    }
                }
                event => break broken(event),
            }
        };
        let SessionEnd::Protocol(reason) = end.reason else {
            panic!("{:?}", end.reason);
        };
        assert!(reason.contains(text), "{reason}");
        assert!(end.written);
    }
}

async fn skip_output(job: &JobStream) -> JobEvent {
    loop {
        match job.next().await {
            JobEvent::Output(..) => {}
            event => return event,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_twice_is_taken_once() {
    let (session, mut peer) = session(1 << 16);
    let attach = Attach {
        job: dtx_proto_types::id::JobId::from_bytes([1; 16]),
        stdout: 3,
        stderr: 0,
    };
    let job = session.attach(attach).await;
    assert_eq!(peer.next().await, Some((1, Request::Attach(attach))));
    peer.send_output(1, 0, b"hello".to_vec()).await;
    let expected = JobEvent::Output(Stream::Stdout, Bytes::from_static(b"lo"));
    assert_eq!(job.next().await, expected);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_a_session_and_heartbeats_prevent_it() {
    let (session, mut peer) = session(1 << 16);
    let job = started(&session, &mut peer).await;
    let began = Instant::now();
    for _ in 0..5 {
        let beat = timeout(Duration::from_secs(25), job.next()).await;
        assert!(beat.is_err(), "{beat:?}");
        peer.send(0, &Reply::Heartbeat).await;
    }
    let heard = Instant::now();
    let end = broken(job.next().await);
    assert_eq!(end.reason, SessionEnd::Silent);
    assert!(heard.elapsed() >= Duration::from_secs(30));
    assert!(heard.elapsed() < Duration::from_secs(31));
    let mut sent = BytesMut::new();
    while peer.pipe.read_buf(&mut sent).await.unwrap() > 0 {}
    let beats = sent.len() / 10;
    let expected = began.elapsed().as_secs() / 10;
    assert!(
        beats as u64 + 1 >= expected,
        "{beats} heartbeats in {:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_that_never_left_is_told_from_one_that_may_have() {
    // The pipe takes a part of the job only.
    let (session, peer) = session(16);
    let job = session.start(&job()).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    drop(peer);
    assert!(broken(job.next().await).written);
    // The session is dead, and it is known before the job is handed over.
    assert!(!session.is_open());
    let late = session.start(&self::job()).await;
    assert!(!broken(late.next().await).written);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_waits_behind_another_has_not_left() {
    let (session, peer) = session(16);
    let large = EncodedJob::new(SignedJob {
        payload: vec![1; 100_000],
        signature: vec![2; 64],
    });
    let first = session.start(&large).await;
    let second = session.start(&job()).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    drop(peer);
    assert!(broken(first.next().await).written);
    assert!(!broken(second.next().await).written);
}

#[tokio::test(start_paused = true)]
async fn a_job_without_a_consumer_is_cancelled_drained_and_released() {
    let (session, mut peer) = session(1 << 20);
    let job = started(&session, &mut peer).await;
    peer.send_output(1, 0, vec![0; 10]).await;
    assert!(matches!(job.next().await, JobEvent::Output(..)));
    drop(job);
    assert_eq!(peer.next().await, Some((1, Request::Cancel)));
    peer.send_output(1, 10, vec![0; CHUNK_MAX]).await;
    let ack = Ack {
        stdout: 10 + CHUNK_MAX as u64,
        stderr: 0,
    };
    assert_eq!(peer.next().await, Some((1, Request::Ack(ack))));
    peer.send(1, &ended(Ending::Cancelled(String::new()), ack.stdout))
        .await;
    assert_eq!(peer.next().await, Some((1, Request::Release)));
    assert!(session.is_open(), "the session goes on");
}

#[tokio::test(start_paused = true)]
async fn control_overtakes_stdin_and_stdin_keeps_its_order() {
    let (session, mut peer) = session(8);
    let job = started(&session, &mut peer).await;
    let chunk = |offset| {
        let bytes = Bytes::from(vec![7; CHUNK_MAX]);
        Request::Stdin(Chunk { offset, bytes })
    };
    let end = Request::StdinEnd(StdinEnd { size: 1 });
    let sending = async {
        job.send_stdin(chunk(0)).await;
        job.send_stdin(chunk(CHUNK_MAX as u64)).await;
        job.send_stdin(end.clone()).await;
        job.send(Request::Cancel).await;
        std::future::pending::<()>().await;
    };
    let receiving = async {
        let mut kinds = Vec::new();
        while kinds.len() < 4 {
            kinds.push(peer.next().await.unwrap().1);
        }
        kinds
    };
    let got = tokio::select! {
        got = receiving => got,
        () = sending => unreachable!(),
    };
    let cancel = got
        .iter()
        .position(|request| *request == Request::Cancel)
        .unwrap();
    assert!(cancel < 3, "the cancel waited for all of the input");
    let stdin: Vec<_> = got
        .into_iter()
        .filter(|request| *request != Request::Cancel)
        .collect();
    assert_eq!(stdin, [chunk(0), chunk(CHUNK_MAX as u64), end]);
}

#[tokio::test(start_paused = true)]
async fn what_is_delivered_has_been_written() {
    let (session, mut peer) = session(64);
    let stream = session.start(&job()).await;
    // Nothing is read, so the job is still on its way.
    let early = timeout(Duration::from_secs(1), stream.deliver(Request::Keep)).await;
    assert!(early.is_err());
    let reading = async {
        let mut all = Vec::new();
        while all.len() < 3 {
            all.extend(peer.next().await);
        }
        all
    };
    let ((), all) = tokio::join!(stream.deliver(Request::Keep), reading);
    assert_eq!(all[1..], [(1, Request::Keep), (1, Request::Keep)]);
    drop(peer);
    let gone = timeout(Duration::from_secs(1), stream.deliver(Request::Keep)).await;
    assert!(
        gone.is_ok(),
        "a session that has ended keeps nobody waiting"
    );
}
