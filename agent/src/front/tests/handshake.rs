//! What happens before a session is open, and what may not.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use dtx_proto_types::frame::{Frame, kind};
use dtx_proto_types::id::JournalId;
use dtx_proto_types::message::{FirstReply, FirstRequest, Refusal, RefusalCode};
use dtx_proto_types::version::VersionRange;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::client::{Client, config, config_with, grant, hello, session_key};
use super::rig::{Rig, run};
use crate::ipc::ToExecutor;
use crate::ipc::ToFront;

/// Whether a session still answers after whatever a test did.
async fn still_serves(rig: &mut Rig) {
    let (client, session) = rig.session(99).await;
    drop(client);
    assert_eq!(rig.executor.next().await, ToExecutor::Closed(session));
}

#[test]
fn a_session_opens() {
    run(async {
        let mut rig = Rig::start().await;
        let mut client = rig.connect().await;
        client.say_hello().await;
        let message = rig.executor.next().await;
        let ToExecutor::Open {
            connection,
            grant: given,
            peer_key,
            peer,
        } = message
        else {
            panic!("{message:?}");
        };
        assert_eq!((given, peer_key), (grant(), session_key().public()));
        assert_eq!(peer.ip(), rig.address.ip());
        let opened = crate::ipc::Opened {
            session: crate::ipc::SessionNumber(1),
            busy: 3,
            load_percent: 150,
            clock_ms: 77,
        };
        rig.executor.send(&ToFront::Opened { connection, opened });
        let hello = client.hear_hello().await;
        assert_eq!(hello.node.as_str(), "n1");
        assert_eq!(hello.labels["rack"], "r1");
        assert_eq!(hello.journal_id, JournalId::from_bytes([9; 16]));
        assert_eq!((hello.version, hello.busy, hello.clock_ms), (1, 3, 77));
    });
}

#[test]
fn refusals_are_heard() {
    run(async {
        let mut rig = Rig::start().await;
        let mut client = rig.connect().await;
        client.say_hello().await;
        let message = rig.executor.next().await;
        let ToExecutor::Open { connection, .. } = message else {
            panic!("{message:?}");
        };
        let refusal = Refusal {
            code: RefusalCode::Unclaimed,
            text: "claim it first".into(),
        };
        let heard = FirstReply::Refusal(refusal.clone());
        rig.executor.send(&ToFront::OpenRefused {
            connection,
            refusal,
        });
        assert_eq!(client.hear_first().await, Some(heard));
        assert_eq!(client.hear_first().await, None);

        let mut client = rig.connect().await;
        let versions = VersionRange {
            oldest: 7,
            newest: 8,
        };
        let from_the_future = dtx_proto_types::message::ClientHello {
            versions,
            ..hello()
        };
        let frame = FirstRequest::Hello(from_the_future).to_frame();
        client.send_frame(&frame).await.unwrap();
        let reply = client.hear_first().await;
        assert!(
            matches!(&reply, Some(FirstReply::Refusal(r)) if r.code == RefusalCode::Version),
            "{reply:?}"
        );
        assert_eq!(rig.executor.try_next(), None);
    });
}

#[test]
fn nothing_but_a_hello_has_an_effect_before_the_grant_is_verified() {
    run(async {
        let mut rig = Rig::start().await;
        for kind in (0..=255).filter(|kind| *kind != kind::CLIENT_HELLO) {
            let mut client = rig.connect().await;
            let body = Bytes::from_static(b"\x80");
            let frame = Frame {
                kind,
                stream: 1,
                body,
            };
            client.send_frame(&frame).await.unwrap();
            assert!(matches!(client.frame().await, Ok(None) | Err(_)), "{kind}");
            assert_eq!(rig.executor.try_next(), None, "{kind}");
        }
        still_serves(&mut rig).await;
    });
}

#[test]
fn what_is_not_a_hello_is_cut_off() {
    run(async {
        let mut rig = Rig::start().await;
        let good = {
            let mut bytes = BytesMut::new();
            FirstRequest::Hello(hello()).to_frame().write_to(&mut bytes);
            bytes.to_vec()
        };
        let too_long = (16 * 1024 + 1_u32).to_be_bytes();
        let huge = u32::MAX.to_be_bytes();
        let mut trailing = good.clone();
        trailing.push(0);
        trailing[3] += 1;
        let mut wrong_body = good.clone();
        wrong_body[12] ^= 0xff;
        for (what, bytes) in [
            ("over the limit", &too_long[..]),
            ("4 GiB", &huge),
            ("no header", &[0, 0, 0, 5, 1, 0, 0, 0, 0]),
            ("trailing bytes", &trailing),
            ("another body", &wrong_body),
        ] {
            let mut client = rig.connect().await;
            client.send_bytes(bytes).await.unwrap();
            assert!(matches!(client.frame().await, Ok(None) | Err(_)), "{what}");
            assert_eq!(rig.executor.try_next(), None, "{what}");
        }
        // Cut at every byte.
        for end in 0..good.len() {
            let mut client = rig.connect().await;
            client.send_bytes(&good[..end]).await.unwrap();
            drop(client);
        }
        still_serves(&mut rig).await;
    });
}

/// A client without a key.
#[derive(Debug)]
struct NoKey;

impl rustls::client::ResolvesClientCert for NoKey {
    fn resolve(
        &self,
        _: &[&[u8]],
        _: &[rustls::SignatureScheme],
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        None
    }

    fn only_raw_public_keys(&self) -> bool {
        true
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[test]
fn other_tls_is_refused() {
    run(async {
        let mut rig = Rig::start().await;
        let mut named = config(rig.node_key);
        named.alpn_protocols = vec![b"h2".to_vec()];
        let keyless = config_with(rig.node_key, Arc::new(NoKey));
        for (what, config) in [("ALPN", named), ("no key", keyless)] {
            // In TLS 1.3 a client may think that it is through before the server has seen its key.
            if let Ok(mut client) = Client::connect_with(rig.address, config).await {
                let frame = FirstRequest::Hello(hello()).to_frame();
                let heard = match client.send_frame(&frame).await {
                    Ok(()) => client.frame().await,
                    Err(error) => Err(error),
                };
                assert!(matches!(heard, Ok(None) | Err(_)), "{what}");
            }
            assert_eq!(rig.executor.try_next(), None, "{what}");
        }
        // A hello of TLS 1.2, and no TLS at all.
        let tls12 = [
            &[0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 3][..],
            &[7; 32],
            &[0, 0, 2, 0xc0, 0x2b, 1, 0],
        ]
        .concat();
        for bytes in [&tls12[..], b"GET / HTTP/1.1\r\n\r\n", &[0xff; 600]] {
            let mut tcp = TcpStream::connect(rig.address).await.unwrap();
            tcp.write_all(bytes).await.unwrap();
            let mut answer = Vec::new();
            let read = timeout(Duration::from_secs(5), tcp.read_to_end(&mut answer)).await;
            drop(read.expect("the connection is closed"));
            assert!(answer.len() < 16, "an alert at most");
        }
        still_serves(&mut rig).await;
    });
}

#[test]
fn those_who_dawdle_lose_their_places_to_those_who_wait() {
    run(async {
        let mut rig = Rig::start().await;
        let mut idle = Vec::new();
        for _ in 0..8 {
            idle.push(rig.connect().await);
        }
        // A session that is open does not count.
        let mut last = idle.pop().unwrap();
        last.say_hello().await;
        rig.executor.open_next(1).await;
        last.hear_hello().await;
        let start = Instant::now();
        still_serves(&mut rig).await;
        // The ninth waits until one of the eight has had its second.
        idle.push(rig.connect().await);
        still_serves(&mut rig).await;
        assert!(start.elapsed() < Duration::from_secs(4));
        assert!(matches!(idle[0].frame().await, Ok(None) | Err(_)));
    });
}

#[test]
fn many_honest_clients_of_one_machine_all_get_in() {
    run(async {
        let mut rig = Rig::start().await;
        let (address, node_key) = (rig.address, rig.node_key);
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..60 {
            clients.spawn_local(async move {
                let mut client = Client::connect(address, node_key).await.unwrap();
                client.say_hello().await;
                client.hear_hello().await;
                client
            });
        }
        for number in 0..60 {
            rig.executor.open_next(number).await;
        }
        assert_eq!(clients.join_all().await.len(), 60);
    });
}

#[test]
fn other_networks_are_not_heard() {
    run(async {
        let elsewhere = vec![(IpAddr::from([192, 0, 2, 0]), 24)];
        let rig = Rig::start_with(elsewhere).await;
        assert!(Client::connect(rig.address, rig.node_key).await.is_err());
    });
}
