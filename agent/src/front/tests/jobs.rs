//! Jobs: their output, their end, their clients that come and go.

use std::io::Write;
use std::time::{Duration, Instant};

use dtx_proto_types::id::JobId;
use dtx_proto_types::message::{
    Ack, Attach, Ended, JobState, Phase, Refusal, RefusalCode, Reply, Request,
};
use dtx_proto_types::outcome::Ending;

use super::client::{Client, job};
use super::executor::Command;
use super::rig::{Rig, finish, run};
use crate::ipc::{JobKey, SessionNumber, ToExecutor, ToFront};

fn state(phase: Phase) -> Reply {
    Reply::State(JobState { phase, stdin: 0 })
}

fn attach(stdout: u64, stderr: u64) -> Request {
    let job = JobId::from_bytes([3; 16]);
    Request::Attach(Attach {
        job,
        stdout,
        stderr,
    })
}

/// Bytes whose every position can be told.
fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|index| u8::try_from((index / 7 + index) % 256).unwrap())
        .collect()
}

/// A session with a job that runs, on stream 1 and under number 1.
async fn running(rig: &mut Rig, output_bytes: Option<u64>) -> (Client, Command) {
    let (mut client, _) = rig.session(1).await;
    client.send(1, Request::Job(job())).await;
    rig.executor.accept_next(1).await;
    let command = rig.executor.start(1, false, output_bytes);
    loop {
        if client.next().await == (1, state(Phase::Running)) {
            return (client, command);
        }
    }
}

/// Writes without ever blocking the test's one thread.
fn write_elsewhere(command: &mut Command, bytes: Vec<u8>) -> std::thread::JoinHandle<()> {
    let mut stdout = command.stdout.take().unwrap();
    std::thread::spawn(move || stdout.write_all(&bytes).unwrap())
}

/// The command exits when all is written.
async fn end_after(writer: std::thread::JoinHandle<()>, rig: &mut Rig, mut command: Command) {
    finish(writer).await;
    command.exit();
    rig.executor.end(1, 0);
}

#[test]
fn a_job_from_start_to_release() {
    run(async {
        let mut rig = Rig::start().await;
        let (mut client, session) = rig.session(1).await;
        client.send(5, Request::Job(job())).await;
        let asked = rig.executor.next().await;
        let stream = 5;
        let same = job();
        assert_eq!(
            asked,
            ToExecutor::Job {
                session,
                stream,
                job: same
            }
        );
        let key = JobKey(1);
        rig.executor.send(&ToFront::Accepted {
            session,
            stream,
            key,
            stdin_size: None,
        });
        assert_eq!(client.next().await, (5, state(Phase::Queued)));
        let mut command = rig.executor.start(1, false, None);
        assert_eq!(client.next().await, (5, state(Phase::Running)));
        let stdout = command.stdout.as_mut().unwrap();
        stdout.write_all(b"hello").unwrap();
        assert_eq!(rig.executor.next().await, ToExecutor::Taking(key));
        let stderr = command.stderr.as_mut().unwrap();
        stderr.write_all(b"oh").unwrap();
        command.exit();
        rig.executor.end(1, 3);
        let heard = client.hear_out(5, (0, 0)).await;
        assert_eq!(
            (&heard.stdout[..], &heard.stderr[..]),
            (&b"hello"[..], &b"oh"[..])
        );
        let expected = Ended {
            ending: Ending::Exited(3),
            stdout: 5,
            stderr: 2,
            output_bytes: None,
            duration_us: 42,
            notes: Vec::new(),
        };
        assert_eq!(heard.ended, expected);
        client.send(5, Request::Release).await;
        let release = ToExecutor::Release { session, key };
        assert_eq!(rig.executor.next_event().await, release);
        rig.executor.send(&ToFront::Forget(key));
        // The stream may be used again.
        client.send(5, Request::Job(job())).await;
        rig.executor.accept_next(2).await;
        assert_eq!(client.next().await, (5, state(Phase::Queued)));
    });
}

#[test]
fn a_command_without_output_takes_nothing() {
    run(async {
        let mut rig = Rig::start().await;
        let (mut client, mut command) = running(&mut rig, None).await;
        command.exit();
        rig.executor.end(1, 0);
        let heard = client.hear_out(1, (0, 0)).await;
        assert_eq!(heard.ended.ending, Ending::Exited(0));
        assert_eq!(rig.executor.try_next(), None);
    });
}

#[test]
fn ten_megabytes_arrive_byte_for_byte() {
    run(async {
        let mut rig = Rig::start().await;
        let (mut client, mut command) = running(&mut rig, None).await;
        let sent = pattern(10 * 1024 * 1024);
        let writer = write_elsewhere(&mut command, sent.clone());
        let end = end_after(writer, &mut rig, command);
        let (heard, ()) = tokio::join!(client.hear_out(1, (0, 0)), end);
        assert!(heard.stdout == sent, "bytes differ");
        assert_eq!(heard.ended.stdout, sent.len() as u64);
    });
}

#[test]
fn a_client_that_acknowledges_nothing_gets_a_window_and_the_command_waits() {
    run(async {
        let mut rig = Rig::start().await;
        let (mut client, mut command) = running(&mut rig, None).await;
        let sent = pattern(1024 * 1024);
        let writer = write_elsewhere(&mut command, sent.clone());
        let mut got = 0;
        while got < 256 * 1024 {
            let (_, reply) = client.next().await;
            let Reply::Stdout(chunk) = reply else {
                panic!("{reply:?}")
            };
            assert_eq!(chunk.offset, got);
            got += chunk.bytes.len() as u64;
        }
        // Another job of the same session goes its way meanwhile.
        client.send(2, Request::Job(job())).await;
        rig.executor.accept_next(2).await;
        let mut other = rig.executor.start(2, false, None);
        other.exit();
        rig.executor.end(2, 0);
        let heard = client.hear_out(2, (0, 0)).await;
        assert_eq!(heard.ended.ending, Ending::Exited(0));
        assert!(!writer.is_finished());
        assert_eq!(got, 256 * 1024);
        let ack = Ack {
            stdout: got,
            stderr: 0,
        };
        client.send(1, Request::Ack(ack)).await;
        let got = usize::try_from(got).unwrap();
        let end = end_after(writer, &mut rig, command);
        let (heard, ()) = tokio::join!(client.hear_out(1, (got, 0)), end);
        assert!(heard.stdout == sent[got..], "bytes differ");
    });
}

#[test]
fn beyond_its_limit_output_is_counted() {
    run(async {
        let mut rig = Rig::start().await;
        let (mut client, mut command) = running(&mut rig, Some(100_000)).await;
        let sent = pattern(3 * 1024 * 1024);
        let writer = write_elsewhere(&mut command, sent.clone());
        let end = end_after(writer, &mut rig, command);
        let (heard, ()) = tokio::join!(client.hear_out(1, (0, 0)), end);
        assert!(heard.stdout == sent[..100_000], "bytes differ");
        assert_eq!(heard.ended.output_bytes, Some(100_000));
        assert_eq!(heard.ended.stdout, sent.len() as u64);
    });
}

#[test]
fn a_client_comes_back_for_its_output() {
    run(async {
        let mut rig = Rig::start().await;
        let (mut client, mut command) = running(&mut rig, None).await;
        let sent = pattern(600_000);
        let writer = write_elsewhere(&mut command, sent.clone());
        let mut got = Vec::new();
        while got.len() < 200_000 {
            if let (1, Reply::Stdout(chunk)) = client.next().await {
                got.extend_from_slice(&chunk.bytes);
            }
        }
        let ack = Ack {
            stdout: 90_000,
            stderr: 0,
        };
        client.send(1, Request::Ack(ack)).await;
        drop(client);
        let closed = rig.executor.next_event().await;
        assert_eq!(closed, ToExecutor::Closed(SessionNumber(1)));
        let (mut client, _) = rig.session(2).await;
        client.send(9, attach(123_456, 0)).await;
        rig.executor.attach_next(1).await;
        assert_eq!(client.next().await, (9, state(Phase::Running)));
        let end = end_after(writer, &mut rig, command);
        let (heard, ()) = tokio::join!(client.hear_out(9, (123_456, 0)), end);
        assert!(heard.stdout == sent[123_456..], "bytes differ");
        assert_eq!(heard.ended.ending, Ending::Exited(0));
    });
}

#[test]
fn the_newer_of_two_sessions_listens() {
    run(async {
        let mut rig = Rig::start().await;
        let (mut old, mut command) = running(&mut rig, None).await;
        let (mut new, _) = rig.session(2).await;
        new.send(4, attach(0, 0)).await;
        rig.executor.attach_next(1).await;
        assert_eq!(new.next().await, (4, state(Phase::Running)));
        // What the old one says of it means nothing any more.
        let ack = Ack {
            stdout: 99,
            stderr: 99,
        };
        old.send(1, Request::Ack(ack)).await;
        old.send(1, Request::Cancel).await;
        command.stdout.as_mut().unwrap().write_all(b"x").unwrap();
        command.exit();
        rig.executor.end(1, 0);
        assert_eq!(new.hear_out(4, (0, 0)).await.stdout, b"x");
        drop(old);
        let closed = rig.executor.next_event().await;
        assert_eq!(closed, ToExecutor::Closed(SessionNumber(1)));
    });
}

#[test]
fn output_that_is_gone_means_lost() {
    run(async {
        for (stdout, stderr) in [(9, 5), (10, 4), (11, 5), (10, 6)] {
            let mut rig = Rig::start().await;
            let key = JobKey(1);
            rig.executor.send(&ToFront::Adopt {
                key,
                stdout: 10,
                stderr: 5,
            });
            let command = rig.executor.start(1, false, None);
            let (mut client, _) = rig.session(1).await;
            client.send(1, attach(stdout, stderr)).await;
            rig.executor.attach_next(1).await;
            assert_eq!(client.next().await, (1, state(Phase::Running)));
            let (_, reply) = client.next().await;
            assert!(
                matches!(&reply, Reply::Ended(ended) if matches!(ended.ending, Ending::Lost(_))),
                "{reply:?}"
            );
            drop(command);
        }
    });
}

#[test]
fn an_adopted_job_with_offsets_from_nowhere_costs_the_front_nothing() {
    run(async {
        let mut rig = Rig::start().await;
        for key in 1..=2 {
            rig.executor.send(&ToFront::Adopt {
                key: JobKey(key),
                stdout: u64::MAX,
                stderr: u64::MAX - 1,
            });
            let mut command = rig.executor.start(key, false, None);
            command.stdout.as_mut().unwrap().write_all(b"abc").unwrap();
            let (mut client, _) = rig.session(key).await;
            client.send(1, attach(0, u64::MAX)).await;
            rig.executor.attach_next(key).await;
            assert_eq!(client.next().await, (1, state(Phase::Running)));
            let (_, reply) = client.next().await;
            assert!(
                matches!(&reply, Reply::Ended(ended) if matches!(ended.ending, Ending::Lost(_))),
                "{reply:?}"
            );
            command.exit();
            rig.executor.end(key, 0);
            // It is read to its end all the same.
            client.send(1, Request::Release).await;
            let release = rig.executor.next_event().await;
            assert!(matches!(release, ToExecutor::Release { .. }), "{release:?}");
            drop(client);
            let closed = rig.executor.next_event().await;
            assert!(matches!(closed, ToExecutor::Closed(_)), "{closed:?}");
        }
    });
}

#[test]
fn a_front_goes_on_where_another_left_off() {
    run(async {
        let mut rig = Rig::start().await;
        let key = JobKey(1);
        rig.executor.send(&ToFront::Adopt {
            key,
            stdout: 10,
            stderr: 5,
        });
        let mut command = rig.executor.start(1, false, Some(12));
        command.stdout.as_mut().unwrap().write_all(b"abc").unwrap();
        command.exit();
        rig.executor.end(1, 0);
        let (mut client, _) = rig.session(1).await;
        // As long as nobody listens, nothing is taken.
        assert_eq!(rig.executor.try_next(), None);
        client.send(1, attach(10, 5)).await;
        rig.executor.attach_next(1).await;
        let heard = client.hear_out(1, (10, 5)).await;
        assert_eq!(heard.stdout, b"ab");
        assert_eq!((heard.ended.stdout, heard.ended.stderr), (13, 5));
    });
}

#[test]
fn the_executor_learns_when_all_output_is_safe() {
    run(async {
        let mut rig = Rig::start().await;
        let (mut client, mut command) = running(&mut rig, None).await;
        let key = JobKey(1);
        for round in 1..=2 {
            command.stdout.as_mut().unwrap().write_all(b"abc").unwrap();
            assert_eq!(rig.executor.next().await, ToExecutor::Taking(key));
            let (_, reply) = client.next().await;
            assert!(matches!(reply, Reply::Stdout(_)), "{reply:?}");
            let stdout = 3 * round;
            client
                .send(1, Request::Ack(Ack { stdout, stderr: 0 }))
                .await;
            let clean = ToExecutor::Clean {
                key,
                stdout,
                stderr: 0,
            };
            assert_eq!(rig.executor.next().await, clean);
        }
    });
}

#[test]
fn a_pipe_held_open_does_not_hold_the_job() {
    run(async {
        let mut rig = Rig::start().await;
        let (mut client, mut command) = running(&mut rig, None).await;
        let mut held = command.stdout.as_ref().unwrap().try_clone().unwrap();
        held.write_all(b"last words").unwrap();
        command.exit();
        let ended = Instant::now();
        rig.executor.end(1, 0);
        let heard = client.hear_out(1, (0, 0)).await;
        let took = ended.elapsed();
        assert!(took >= Duration::from_millis(200), "{took:?}");
        assert!(took < Duration::from_millis(600), "{took:?}");
        assert_eq!(heard.stdout, b"last words");
        assert_eq!(heard.ended.notes.len(), 1, "{:?}", heard.ended.notes);
        // The executor's own copies would keep the pipe alive.
        drop(command);
        assert!(held.write_all(b"more").is_err(), "nobody reads any more");
    });
}

#[test]
fn a_pipe_that_something_floods_does_not_hold_the_job() {
    run(async {
        let mut rig = Rig::start().await;
        let (mut client, mut command) = running(&mut rig, None).await;
        let mut held = command.stdout.take().unwrap();
        let flood = std::thread::spawn(move || while held.write_all(&[b'y'; 4096]).is_ok() {});
        rig.executor.end(1, 0);
        drop(command);
        let heard = client.hear_out(1, (0, 0)).await;
        assert_eq!(heard.ended.notes.len(), 1, "{:?}", heard.ended.notes);
        finish(flood).await;
    });
}

#[test]
fn a_job_whose_descriptors_are_lost_is_ended_and_the_front_lives() {
    run(async {
        let mut rig = Rig::start().await;
        let (mut client, session) = rig.session(1).await;
        // Its pipes.
        let key = JobKey(1);
        client.send(1, Request::Job(job())).await;
        rig.executor.accept_next(1).await;
        assert_eq!(client.next().await, (1, state(Phase::Queued)));
        rig.executor.start_without_pipes(1);
        assert_eq!(client.next().await, (1, state(Phase::Running)));
        let cancel = ToExecutor::Cancel { session, key };
        assert_eq!(rig.executor.next().await, cancel);
        rig.executor.end(1, 0);
        let (_, reply) = client.next().await;
        assert!(
            matches!(&reply, Reply::Ended(ended) if matches!(ended.ending, Ending::Lost(_))),
            "{reply:?}"
        );
        // Its standard input.
        let (key, stream) = (JobKey(2), 2);
        client.send(stream, Request::Job(job())).await;
        assert!(matches!(rig.executor.next().await, ToExecutor::Job { .. }));
        rig.executor.accept_without_memfd(session, stream, key);
        let cancel = ToExecutor::Cancel { session, key };
        assert_eq!(rig.executor.next().await, cancel);
        let refusal = Refusal {
            code: RefusalCode::Cancelled,
            text: "cancelled".into(),
        };
        rig.executor.send(&ToFront::NotStarted { key, refusal });
        let refusal = loop {
            match client.next().await {
                (2, Reply::State(_)) => {}
                (2, Reply::Refusal(refusal)) => break refusal,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(refusal.code, RefusalCode::Resources);
        // One whose client comes only now.
        rig.executor.send(&ToFront::Adopt {
            key: JobKey(3),
            stdout: 0,
            stderr: 0,
        });
        rig.executor.start_without_pipes(3);
        client.send(3, attach(0, 0)).await;
        rig.executor.attach_next(3).await;
        let cancel = ToExecutor::Cancel {
            session,
            key: JobKey(3),
        };
        assert_eq!(rig.executor.next().await, cancel);
    });
}

#[test]
fn refusals_reach_the_client() {
    run(async {
        let mut rig = Rig::start().await;
        let (mut client, session) = rig.session(1).await;
        let refusal = |text: &str| Refusal {
            code: RefusalCode::Busy,
            text: text.into(),
        };
        client.send(1, Request::Job(job())).await;
        rig.executor.next().await;
        rig.executor.send(&ToFront::JobRefused {
            session,
            stream: 1,
            refusal: refusal("at once"),
        });
        assert_eq!(client.next().await, (1, Reply::Refusal(refusal("at once"))));
        client.send(1, Request::Release).await;
        client.send(1, Request::Job(job())).await;
        rig.executor.accept_next(1).await;
        assert_eq!(client.next().await, (1, state(Phase::Queued)));
        rig.executor.send(&ToFront::NotStarted {
            key: JobKey(1),
            refusal: refusal("later"),
        });
        assert_eq!(client.next().await, (1, Reply::Refusal(refusal("later"))));
        client.send(2, attach(0, 0)).await;
        rig.executor.next().await;
        rig.executor
            .send(&ToFront::AttachUnknown { session, stream: 2 });
        assert_eq!(client.next().await, (2, state(Phase::Unknown)));
    });
}

#[test]
fn a_release_before_the_answer_waits_for_it_and_the_stream_with_it() {
    run(async {
        let mut rig = Rig::start().await;
        let (mut client, session) = rig.session(1).await;
        let (stream, stdin_size) = (1, None);
        client.send(stream, Request::Job(job())).await;
        client.send(stream, Request::Cancel).await;
        client.send(stream, Request::Release).await;
        // The next job may not take the place, or the answer to the first would be its own.
        client.send(stream, Request::Job(job())).await;
        assert!(matches!(client.next().await, (1, Reply::Refusal(_))));
        assert!(matches!(
            rig.executor.next().await,
            ToExecutor::Job { stream: 1, .. }
        ));
        assert_eq!(rig.executor.try_next(), None);
        let key = JobKey(1);
        rig.executor.send(&ToFront::Accepted {
            session,
            stream,
            key,
            stdin_size,
        });
        let cancel = ToExecutor::Cancel { session, key };
        assert_eq!(rig.executor.next().await, cancel);
        let release = ToExecutor::Release { session, key };
        assert_eq!(rig.executor.next().await, release);
        client.send(stream, Request::Job(job())).await;
        rig.executor.accept_next(2).await;
        assert_eq!(client.next().await, (1, state(Phase::Queued)));
        client.send(stream, Request::Cancel).await;
        let key = JobKey(2);
        let cancel = ToExecutor::Cancel { session, key };
        assert_eq!(rig.executor.next().await, cancel);
    });
}

#[test]
fn what_a_client_wants_before_its_job_has_a_number_is_not_forgotten() {
    run(async {
        let mut rig = Rig::start().await;
        let (mut client, session) = rig.session(1).await;
        client.send(1, Request::Job(job())).await;
        client.send(1, Request::Cancel).await;
        client.send(1, Request::Keep).await;
        // All three have been read when the answer to another hello comes back.
        client.send(0, Request::Job(job())).await;
        assert!(matches!(client.next().await, (0, Reply::Refusal(_))));
        rig.executor.accept_next(1).await;
        let key = JobKey(1);
        assert_eq!(rig.executor.next().await, ToExecutor::Keep { session, key });
        let cancel = ToExecutor::Cancel { session, key };
        assert_eq!(rig.executor.next().await, cancel);
        client.send(1, Request::Cancel).await;
        assert_eq!(rig.executor.next().await, cancel);
    });
}
