//! Standard input: sized and streamed.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::OwnedFd;

use dtx_proto_types::message::{JobState, Phase, Reply, Request, StdinAck, StdinEnd};

use super::client::{chunk, job};
use super::rig::{Rig, finish, run};
use crate::ipc::{JobKey, SessionNumber, ToExecutor, ToFront};

#[test]
fn sized_stdin_fills_the_memfd() {
    run(async {
        let mut rig = Rig::start().await;
        let (mut client, session) = rig.session(1).await;
        client.send(1, Request::Job(job())).await;
        rig.executor.next().await;
        let mut memfd = tempfile::tempfile().unwrap();
        let key = JobKey(1);
        let size = 300_000;
        rig.executor.send_with(
            &ToFront::Accepted {
                session,
                stream: 1,
                key,
                stdin_size: Some(size),
            },
            vec![OwnedFd::from(memfd.try_clone().unwrap())],
        );
        let phase = Phase::NeedsStdin;
        let needs = Reply::State(JobState { phase, stdin: 0 });
        assert_eq!(client.next().await, (1, needs));
        let (mut sent, mut acknowledged) = (0_u64, 0);
        while sent < size {
            while sent - acknowledged >= 256 * 1024 {
                let (_, reply) = client.next().await;
                let Reply::StdinAck(ack) = reply else {
                    panic!("{reply:?}");
                };
                acknowledged = ack.offset;
            }
            let count = 50_000.min(size - sent);
            let byte = u8::try_from(sent / 50_000).unwrap();
            let bytes = vec![byte; usize::try_from(count).unwrap()];
            client.send(1, Request::Stdin(chunk(sent, bytes))).await;
            sent += count;
        }
        client.send(1, Request::StdinEnd(StdinEnd { size })).await;
        assert_eq!(rig.executor.next().await, ToExecutor::StdinReady(key));
        let mut written = Vec::new();
        memfd.rewind().unwrap();
        memfd.read_to_end(&mut written).unwrap();
        assert_eq!(written.len() as u64, size);
        for (index, byte) in written.into_iter().enumerate() {
            assert_eq!(usize::from(byte), index / 50_000);
        }
        loop {
            match client.next().await {
                (1, Reply::StdinAck(_)) => {}
                (1, Reply::State(state)) => {
                    assert_eq!(state.phase, Phase::Queued);
                    return;
                }
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn streamed_stdin_reaches_the_command_and_ends() {
    run(async {
        let mut rig = Rig::start().await;
        let (mut client, _) = rig.session(1).await;
        client.send(1, Request::Job(job())).await;
        rig.executor.accept_next(1).await;
        let mut command = rig.executor.start(1, true, None);
        let mut stdin = command.stdin.take().unwrap();
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            stdin.read_to_end(&mut all).unwrap();
            all
        });
        let text: Vec<u8> = (0..1_000_000_u32)
            .map(|i| (i % 253).to_le_bytes()[0])
            .collect();
        let (mut sent, mut credit) = (0_u64, None);
        while sent < text.len() as u64 {
            let Some(acknowledged) = credit else {
                if let (1, Reply::State(state)) = client.next().await
                    && state.phase == Phase::Running
                {
                    credit = Some(state.stdin);
                }
                continue;
            };
            let count = 60_000.min(text.len() as u64 - sent);
            if sent + count > acknowledged + 256 * 1024 {
                let (_, reply) = client.next().await;
                let Reply::StdinAck(StdinAck { offset, closed }) = reply else {
                    panic!("{reply:?}");
                };
                assert!(!closed && offset <= sent);
                credit = Some(offset);
                continue;
            }
            let start = usize::try_from(sent).unwrap();
            let end = start + usize::try_from(count).unwrap();
            let bytes = text[start..end].to_vec();
            client.send(1, Request::Stdin(chunk(sent, bytes))).await;
            sent += count;
        }
        client
            .send(1, Request::StdinEnd(StdinEnd { size: sent }))
            .await;
        loop {
            if let (1, Reply::StdinAck(ack)) = client.next().await
                && ack.offset == sent
            {
                break;
            }
        }
        assert!(finish(reader).await == text, "bytes differ");
    });
}

#[test]
fn a_command_that_reads_no_more_stops_its_client() {
    run(async {
        let mut rig = Rig::start().await;
        let (mut client, _) = rig.session(1).await;
        client.send(1, Request::Job(job())).await;
        rig.executor.accept_next(1).await;
        let mut command = rig.executor.start(1, true, None);
        command.stdin = None;
        while !matches!(client.next().await, (1, Reply::State(s)) if s.phase == Phase::Running) {}
        client
            .send(1, Request::Stdin(chunk(0, &b"hello"[..])))
            .await;
        let (_, reply) = client.next().await;
        let offset = 0;
        let closed = true;
        assert_eq!(reply, Reply::StdinAck(StdinAck { offset, closed }));
    });
}

#[test]
fn wrong_stdin_ends_the_session() {
    run(async {
        for (number, wrong) in (1..).zip([
            Request::Stdin(chunk(1, &b"x"[..])),
            Request::Stdin(chunk(0, vec![0; 11])),
            Request::Stdin(chunk(u64::MAX, &b"x"[..])),
        ]) {
            let mut rig = Rig::start().await;
            let (mut client, session) = rig.session(number).await;
            client.send(1, Request::Job(job())).await;
            rig.executor.next().await;
            let memfd: File = tempfile::tempfile().unwrap();
            rig.executor.send_with(
                &ToFront::Accepted {
                    session,
                    stream: 1,
                    key: JobKey(1),
                    stdin_size: Some(10),
                },
                vec![OwnedFd::from(memfd)],
            );
            client.next().await;
            client.send(1, wrong).await;
            assert!(client.frame().await.unwrap().is_none());
            let closed = ToExecutor::Closed(SessionNumber(number));
            assert_eq!(rig.executor.next().await, closed);
        }
    });
}
