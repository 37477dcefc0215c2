//! Laws of the wire for any message and any bytes.

use bytes::BytesMut;
use dtx_proto_types::frame::{Frame, FrameDecoder};
use dtx_proto_types::grant::Grant;
use dtx_proto_types::id::JobId;
use dtx_proto_types::job::JobSpec;
use dtx_proto_types::message::{
    Ack, Attach, Chunk, Ended, FirstReply, FirstRequest, Refusal, RefusalCode, Reply, Request,
    StdinAck,
};
use dtx_proto_types::outcome::Ending;
use dtx_proto_types::signed::{SignedJob, decode_exact};
use proptest::prelude::*;
use tokio_util::codec::Decoder;

use crate::samples;

fn decoder(authenticated: bool) -> FrameDecoder {
    let mut decoder = FrameDecoder::unauthenticated();
    if authenticated {
        decoder.authenticated();
    }
    decoder
}

fn any_chunk() -> impl Strategy<Value = Chunk> {
    (0..u64::MAX / 2, prop::collection::vec(any::<u8>(), 0..200)).prop_map(|(offset, bytes)| {
        Chunk {
            offset,
            bytes: bytes.into(),
        }
    })
}

fn any_request() -> impl Strategy<Value = Request> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..300);
    prop_oneof![
        (bytes(), bytes())
            .prop_map(|(payload, signature)| Request::Job(SignedJob { payload, signature })),
        any::<([u8; 16], u64, u64)>().prop_map(|(job, stdout, stderr)| Request::Attach(Attach {
            job: JobId::from_bytes(job),
            stdout,
            stderr,
        })),
        any_chunk().prop_map(Request::Stdin),
        any::<(u64, u64)>().prop_map(|(stdout, stderr)| Request::Ack(Ack { stdout, stderr })),
        Just(Request::Cancel),
        Just(Request::Heartbeat),
    ]
}

fn any_reply() -> impl Strategy<Value = Reply> {
    prop_oneof![
        any_chunk().prop_map(Reply::Stdout),
        any_chunk().prop_map(Reply::Stderr),
        any::<(u64, bool)>()
            .prop_map(|(offset, closed)| Reply::StdinAck(StdinAck { offset, closed })),
        (
            any::<i32>(),
            any::<[u64; 3]>(),
            prop::collection::vec(any::<String>(), 0..3)
        )
            .prop_map(|(code, [stdout, stderr, duration_us], notes)| {
                Reply::Ended(Ended {
                    ending: Ending::Exited(code),
                    stdout,
                    stderr,
                    output_bytes: None,
                    duration_us,
                    notes,
                })
            }),
        any::<String>().prop_map(|text| Reply::Refusal(Refusal {
            code: RefusalCode::Busy,
            text
        })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn requests_and_back(request in any_request(), stream in any::<u32>(), cut in 0_usize..40) {
        let mut bytes = BytesMut::new();
        request.to_frame(stream).write_to(&mut bytes);
        // However the bytes arrive.
        let mut late = bytes.split_off(cut.min(bytes.len()));
        let mut decoder = decoder(true);
        let mut decoded = decoder.decode(&mut bytes).unwrap();
        if decoded.is_none() {
            bytes.extend_from_slice(&late.split());
            decoded = decoder.decode(&mut bytes).unwrap();
        }
        let frame = decoded.expect("all bytes are there");
        prop_assert_eq!(frame.stream, stream);
        prop_assert_eq!(Request::from_frame(frame), Ok(request));
    }

    #[test]
    fn replies_and_back(reply in any_reply(), stream in any::<u32>()) {
        let mut bytes = BytesMut::new();
        reply.to_frame(stream).write_to(&mut bytes);
        let frame = decoder(true).decode(&mut bytes).unwrap().expect("all bytes are there");
        prop_assert!(bytes.is_empty());
        prop_assert_eq!(frame.stream, stream);
        prop_assert_eq!(Reply::from_frame(frame), Ok(reply));
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for authenticated in [false, true] {
            let mut buffer = BytesMut::from(bytes.as_slice());
            let mut decoder = decoder(authenticated);
            while let Ok(Some(frame)) = decoder.decode(&mut buffer) {
                drop(FirstRequest::from_frame(&frame));
                drop(FirstReply::from_frame(&frame));
                drop(Request::from_frame(frame.clone()));
                drop(Reply::from_frame(frame));
            }
        }
        drop(decode_exact::<JobSpec>(&bytes));
        drop(decode_exact::<Grant>(&bytes));
    }

    #[test]
    fn any_body_of_any_kind_is_read_without_harm(
        number in any::<u8>(),
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let frame = Frame {
            kind: number,
            stream: 1,
            body: body.into(),
        };
        drop(FirstRequest::from_frame(&frame));
        drop(FirstReply::from_frame(&frame));
        drop(Request::from_frame(frame.clone()));
        drop(Reply::from_frame(frame));
    }

    #[test]
    fn damaged_messages_are_read_without_harm(
        which in 0_usize..1000,
        at in 0_usize..10_000,
        byte in any::<u8>(),
    ) {
        let messages = samples::messages();
        let (_, message) = &messages[which % messages.len()];
        let mut frame = message.to_frame();
        let mut body = frame.body.to_vec();
        if let Some(last) = body.len().checked_sub(1) {
            body[at % (last + 1)] = byte;
        }
        frame.body = body.into();
        drop(message.read_like(frame));
    }
}
