//! Sessions: several jobs on one, rules broken, the end.

use std::io::Write;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dtx_proto_types::frame::Frame;
use dtx_proto_types::limits;
use dtx_proto_types::message::{Ack, Phase, Refusal, RefusalCode, Reply, Request};
use dtx_proto_types::signed::SignedJob;
use tokio::time::{Instant, timeout};

use super::client::job;
use super::rig::{Rig, finish, run};
use crate::front::process::FrontError;
use crate::ipc::{JobKey, SessionNumber, ToExecutor, ToFront};

/// Why a session may not go on.
fn removed() -> Refusal {
    Refusal {
        code: RefusalCode::UnknownOperator,
        text: "your key is in no operators file here any more".into(),
    }
}

#[test]
fn streams_that_cannot_be_opened_are_refused() {
    run(async {
        let mut rig = Rig::start().await;
        let (mut client, _) = rig.session(1).await;
        for stream in 1..=1024_u32 {
            client.send(stream, Request::Job(job())).await;
        }
        for stream in 1..=1024_u32 {
            rig.executor.accept_next(stream.into()).await;
        }
        for stream in 1..=1024_u32 {
            assert!(matches!(client.next().await, (on, Reply::State(_)) if on == stream));
        }
        for stream in [0, 7, 5000] {
            client.send(stream, Request::Job(job())).await;
            let (on, reply) = client.next().await;
            let refused = matches!(&reply, Reply::Refusal(r) if r.code == RefusalCode::Invalid);
            assert!(on == stream && refused, "{stream}: {reply:?}");
        }
        assert_eq!(rig.executor.try_next(), None);
    });
}

#[test]
fn a_job_that_the_executor_would_not_take_is_refused_and_the_front_lives() {
    run(async {
        let mut rig = Rig::start().await;
        let (mut client, _) = rig.session(1).await;
        let largest = limits::JOB_MAX;
        for (stream, payload, signature, text) in [
            (1, largest + 1, 64, "too large"),
            (2, 1_000_000, 64, "too large"),
            (3, 10, 500_000, "signature"),
            (4, 10, 63, "signature"),
            (5, largest, 0, "signature"),
        ] {
            let job = SignedJob {
                payload: vec![0; payload],
                signature: vec![0; signature],
            };
            client.send(stream, Request::Job(job)).await;
            let (on, reply) = client.next().await;
            let Reply::Refusal(refusal) = reply else {
                panic!("{stream}: {reply:?}");
            };
            assert_eq!((on, refusal.code), (stream, RefusalCode::Invalid));
            assert!(refusal.text.contains(text), "{stream}: {}", refusal.text);
        }
        assert_eq!(rig.executor.try_next(), None);
        // The largest that is allowed goes through, on a stream that was refused before.
        let job = SignedJob {
            payload: vec![0; largest],
            signature: vec![0; 64],
        };
        client.send(1, Request::Job(job)).await;
        rig.executor.accept_next(1).await;
        assert!(matches!(client.next().await, (1, Reply::State(_))));
    });
}

#[test]
fn broken_rules_end_the_session_and_nothing_else() {
    run(async {
        let mut rig = Rig::start().await;
        let (mut bystander, _) = rig.session(1000).await;
        let frame = |kind, body: &'static [u8]| Frame {
            kind,
            stream: 1,
            body: Bytes::from_static(body),
        };
        let ack = Ack {
            stdout: 1,
            stderr: 0,
        };
        for (number, (what, wrong)) in (1..).zip([
            ("a second hello", frame(1, b"\x80")),
            ("an agent's kind", frame(70, b"\x80")),
            ("no job", frame(2, b"\x80")),
            ("not MessagePack", frame(2, b"\xc1")),
            ("a cancel with a body", frame(7, b"x")),
            ("a short chunk", frame(4, b"1234567")),
            ("output never sent", Request::Ack(ack).to_frame(1)),
        ]) {
            let (mut client, _) = rig.session(number).await;
            client.send(1, Request::Job(job())).await;
            rig.executor.accept_next(number).await;
            assert!(matches!(client.next().await, (1, Reply::State(_))));
            client.send_frame(&wrong).await.unwrap();
            assert!(matches!(client.frame().await, Ok(None) | Err(_)), "{what}");
            let closed = ToExecutor::Closed(SessionNumber(number));
            assert_eq!(rig.executor.next().await, closed, "{what}");
        }
        bystander.send(3, Request::Job(job())).await;
        rig.executor.accept_next(500).await;
        assert!(matches!(bystander.next().await, (3, Reply::State(_))));
    });
}

#[test]
fn unknown_kinds_are_skipped() {
    run(async {
        let mut rig = Rig::start().await;
        let (mut client, _) = rig.session(1).await;
        client.send(1, Request::Unknown(63)).await;
        client.send(0, Request::Heartbeat).await;
        client.send(9, Request::Release).await;
        client.send(9, Request::Cancel).await;
        client.send(1, Request::Job(job())).await;
        rig.executor.accept_next(1).await;
        assert!(matches!(client.next().await, (1, Reply::State(_))));
    });
}

#[test]
fn a_session_cut_at_any_byte_is_closed_and_its_job_kept() {
    run(async {
        let mut rig = Rig::start().await;
        let mut bytes = BytesMut::new();
        Request::Job(job()).to_frame(1).write_to(&mut bytes);
        let whole = bytes.len();
        Request::Cancel.to_frame(1).write_to(&mut bytes);
        for end in 0..=bytes.len() {
            let number = end as u64;
            let (mut client, session) = rig.session(number).await;
            client.send_bytes(&bytes[..end]).await.unwrap();
            if end >= whole {
                rig.executor.accept_next(number).await;
            }
            drop(client);
            // A cancel may arrive in time or not, whole or not at all.
            let closed = loop {
                match rig.executor.next().await {
                    ToExecutor::Cancel { .. } => assert_eq!(end, bytes.len()),
                    message => break message,
                }
            };
            assert_eq!(closed, ToExecutor::Closed(session), "{end}");
        }
    });
}

#[test]
fn the_last_words_of_a_client_that_leaves_at_once_are_heard() {
    run(async {
        let mut rig = Rig::start().await;
        for number in 1..=20 {
            let (mut client, session) = rig.session(number).await;
            client.send(1, Request::Job(job())).await;
            rig.executor.accept_next(number).await;
            assert!(matches!(client.next().await, (1, Reply::State(_))));
            let mut bytes = BytesMut::new();
            Request::Keep.to_frame(1).write_to(&mut bytes);
            Request::Cancel.to_frame(1).write_to(&mut bytes);
            Request::Release.to_frame(1).write_to(&mut bytes);
            client.send_and_leave(&bytes).await;
            let key = JobKey(number);
            for expected in [
                ToExecutor::Keep { session, key },
                ToExecutor::Cancel { session, key },
                ToExecutor::Release { session, key },
                ToExecutor::Closed(session),
            ] {
                assert_eq!(rig.executor.next().await, expected, "{number}");
            }
        }
    });
}

#[test]
fn a_session_that_reads_nothing_holds_up_nobody() {
    run(async {
        let mut rig = Rig::start().await;
        let (mut stuck, _) = rig.session(1).await;
        // More jobs with output than the sockets between the two can hold.
        let mut writers = Vec::new();
        for stream in 1..=40 {
            stuck.send(stream, Request::Job(job())).await;
            rig.executor.accept_next(stream.into()).await;
            let mut command = rig.executor.start(stream.into(), false, None);
            let mut stdout = command.stdout.take().unwrap();
            writers.push((
                command,
                std::thread::spawn(move || drop(stdout.write_all(&[0; 300_000]))),
            ));
        }
        let (mut client, _) = rig.session(2).await;
        client.send(1, Request::Job(job())).await;
        rig.executor.accept_next(100).await;
        let mut command = rig.executor.start(100, false, None);
        command.exit();
        rig.executor.end(100, 0);
        let heard = timeout(Duration::from_secs(5), client.hear_out(1, (0, 0))).await;
        assert!(heard.is_ok());
        drop(stuck);
        for key in 1..=40 {
            rig.executor.send(&ToFront::Forget(JobKey(key)));
        }
        for (command, writer) in writers {
            drop(command);
            finish(writer).await;
        }
    });
}

#[test]
fn a_stop_sends_what_is_queued_first() {
    run(async {
        let mut rig = Rig::start().await;
        let (mut client, _) = rig.session(1).await;
        client.send(1, Request::Job(job())).await;
        rig.executor.accept_next(1).await;
        let mut command = rig.executor.start(1, false, None);
        while !matches!(client.next().await, (1, Reply::State(s)) if s.phase == Phase::Running) {}
        command.stdout.as_mut().unwrap().write_all(b"bye").unwrap();
        command.exit();
        rig.executor.end(1, 0);
        rig.executor.send(&ToFront::Stop);
        assert_eq!(client.hear_out(1, (0, 0)).await.stdout, b"bye");
        assert!(client.frame().await.unwrap().is_none());
        assert!(rig.front.await.unwrap().is_ok());
    });
}

#[test]
fn a_session_that_may_not_go_on_is_told_why_and_ends_alone() {
    run(async {
        let mut rig = Rig::start().await;
        let (mut bystander, _) = rig.session(1000).await;
        for reads in [true, false] {
            let number = if reads { 1 } else { 2 };
            let (mut client, session) = rig.session(number).await;
            client.send(1, Request::Job(job())).await;
            rig.executor.accept_next(number).await;
            let mut command = rig.executor.start(number, false, None);
            while !matches!(client.next().await, (1, Reply::State(s)) if s.phase == Phase::Running)
            {
            }
            let stdout = command.stdout.as_mut().unwrap();
            stdout.write_all(b"before").unwrap();
            let taking = ToExecutor::Taking(JobKey(number));
            assert_eq!(rig.executor.next().await, taking);
            let refusal = removed();
            rig.executor.send(&ToFront::Close { session, refusal });
            if !reads {
                drop(client);
                assert_eq!(rig.executor.next().await, ToExecutor::Closed(session));
                continue;
            }
            assert_eq!(rig.executor.next().await, ToExecutor::Closed(session));
            // What comes too late neither has an effect nor takes the last words back.
            client.send(2, Request::Job(job())).await;
            client.send(1, Request::Cancel).await;
            let (on, reply) = client.next().await;
            assert!(matches!(&reply, Reply::Stdout(_)) && on == 1, "{reply:?}");
            let told = (0, Reply::Refusal(removed()));
            assert_eq!(client.next().await, told);
            assert!(client.frame().await.unwrap().is_none());
            assert_eq!(rig.executor.try_next(), None);
        }
        // One that is gone already.
        let (session, refusal) = (SessionNumber(1), removed());
        rig.executor.send(&ToFront::Close { session, refusal });
        bystander.send(3, Request::Job(job())).await;
        rig.executor.accept_next(500).await;
        assert!(matches!(bystander.next().await, (3, Reply::State(_))));
    });
}

#[test]
fn a_session_that_may_not_go_on_ends_whether_its_client_reads_or_not() {
    run(async {
        let mut rig = Rig::start().await;
        let (mut stuck, session) = rig.session(1).await;
        let mut writers = Vec::new();
        for stream in 1..=40_u32 {
            stuck.send(stream, Request::Job(job())).await;
            rig.executor.accept_next(stream.into()).await;
            let mut command = rig.executor.start(stream.into(), false, None);
            let mut stdout = command.stdout.take().unwrap();
            writers.push((
                command,
                std::thread::spawn(move || drop(stdout.write_all(&[0; 300_000]))),
            ));
        }
        let refusal = removed();
        let since = Instant::now();
        rig.executor.send(&ToFront::Close { session, refusal });
        assert_eq!(rig.executor.next_event().await, ToExecutor::Closed(session));
        assert!(since.elapsed() < Duration::from_secs(5));
        for key in 1..=40 {
            rig.executor.send(&ToFront::Forget(JobKey(key)));
        }
        for (command, writer) in writers {
            drop(command);
            finish(writer).await;
        }
        drop(stuck);
    });
}

#[test]
fn a_silent_client_is_told_of_life_and_then_given_up() {
    run(async {
        let mut rig = Rig::start().await;
        let (mut client, session) = rig.session(1).await;
        tokio::time::pause();
        let mut beats = Vec::new();
        while let Some(frame) = client.frame().await.unwrap() {
            assert_eq!(Reply::from_frame(frame), Ok(Reply::Heartbeat));
            beats.push(Instant::now());
        }
        // Between hello and pause, time passed that no one counted.
        assert_eq!(beats.len(), 2);
        assert_eq!((beats[1] - beats[0]).as_secs_f64().round(), 10.0);
        assert_eq!(beats[0].elapsed().as_secs_f64().round(), 20.0);
        assert_eq!(rig.executor.next().await, ToExecutor::Closed(session));
    });
}

#[test]
fn a_client_that_beats_is_kept() {
    run(async {
        let mut rig = Rig::start().await;
        let (mut client, _) = rig.session(1).await;
        tokio::time::pause();
        for _ in 0..8 {
            assert!(client.frame().await.unwrap().is_some());
            client.send(0, Request::Heartbeat).await;
        }
        client.send(1, Request::Job(job())).await;
        rig.executor.accept_next(1).await;
    });
}

#[test]
fn without_its_executor_the_front_ends_at_once() {
    run(async {
        let mut rig = Rig::start().await;
        let (client, _) = rig.session(1).await;
        drop(rig.executor);
        let end = timeout(Duration::from_secs(2), rig.front).await;
        let end = end.expect("it ends").unwrap();
        assert!(matches!(end, Err(FrontError::Link(_))), "{end:?}");
        drop(client);
    });
}

#[test]
fn a_draining_front_serves_on_and_admits_nobody() {
    run(async {
        let mut rig = Rig::start().await;
        let (mut client, _) = rig.session(1).await;
        rig.executor.send(&ToFront::Drain);
        client.send(1, Request::Job(job())).await;
        rig.executor.accept_next(1).await;
        assert!(matches!(client.next().await, (1, Reply::State(_))));
        let refused = super::client::Client::connect(rig.address, rig.node_key).await;
        assert!(refused.is_err());
    });
}
