//! Frames from peers that are older, newer, broken or hostile.

use bytes::{BufMut, Bytes, BytesMut};
use dtx_proto_types::frame::{Frame, FrameDecoder, FrameError, HEADER_LEN, LENGTH_LEN, kind};
use dtx_proto_types::limits;
use dtx_proto_types::message::{FirstReply, FirstRequest, Reply, Request};
use tokio_util::codec::Decoder;

use crate::golden::bytes_of;
use crate::samples::{self, Message};

fn decoder(authenticated: bool) -> FrameDecoder {
    let mut decoder = FrameDecoder::unauthenticated();
    if authenticated {
        decoder.authenticated();
    }
    decoder
}

fn frame(kind: u8, body: impl Into<Bytes>) -> Frame {
    Frame {
        kind,
        stream: 1,
        body: body.into(),
    }
}

#[test]
fn a_truncated_frame_is_never_a_message() {
    for (name, message) in samples::messages() {
        let bytes = bytes_of(&message);
        for length in 0..bytes.len() {
            let mut buffer = BytesMut::from(&bytes[..length]);
            let decoded = decoder(true).decode(&mut buffer);
            assert_eq!(decoded, Ok(None), "{name}, {length} bytes");
        }
    }
}

#[test]
fn a_truncated_body_is_never_a_message() {
    for (name, message) in samples::messages() {
        let whole = message.to_frame();
        let chunks = [kind::STDIN, kind::STDOUT, kind::STDERR];
        // Of raw bytes any number is right, once their offset is there.
        let shortest = if chunks.contains(&whole.kind) {
            8
        } else {
            whole.body.len()
        };
        for length in 0..shortest {
            let cut = Frame {
                body: whole.body.slice(..length),
                ..whole.clone()
            };
            assert_eq!(message.read_like(cut), None, "{name}, {length} bytes");
        }
    }
}

#[test]
fn a_body_with_more_behind_it_is_no_message() {
    for (name, message) in samples::messages() {
        let whole = message.to_frame();
        if [kind::STDIN, kind::STDOUT, kind::STDERR].contains(&whole.kind) {
            continue;
        }
        for more in [&[0][..], &[0xc0], &[0x80]] {
            let longer = Frame {
                body: [&whole.body, more].concat().into(),
                ..whole.clone()
            };
            assert_eq!(message.read_like(longer), None, "{name}");
        }
    }
}

#[test]
fn lengths_over_the_limit_are_refused_before_memory_is_set_aside() {
    for (authenticated, max) in [
        (false, limits::FRAME_MAX_UNAUTHENTICATED),
        (true, limits::FRAME_MAX),
    ] {
        for announced in [max + 1, max * 2, 0x7fff_ffff, 0xffff_ffff] {
            let mut buffer = BytesMut::new();
            buffer.put_u32(u32::try_from(announced).expect("32 bits"));
            let capacity = buffer.capacity();
            let refused = decoder(authenticated).decode(&mut buffer);
            assert_eq!(refused, Err(FrameError::TooLong { announced, max }));
            assert_eq!(buffer.capacity(), capacity);
        }
        let mut buffer = BytesMut::new();
        buffer.put_u32(u32::try_from(max).expect("32 bits"));
        assert_eq!(decoder(authenticated).decode(&mut buffer), Ok(None));
        assert!(buffer.capacity() <= 2 * (max + LENGTH_LEN));
        buffer.put_bytes(0, max);
        let largest = decoder(authenticated).decode(&mut buffer);
        assert_eq!(largest.unwrap().unwrap().body.len(), max - HEADER_LEN);
    }
}

#[test]
fn lengths_below_a_header_are_refused() {
    for length in 0..HEADER_LEN {
        let mut buffer = BytesMut::new();
        buffer.put_u32(u32::try_from(length).expect("small"));
        buffer.put_bytes(0, HEADER_LEN);
        assert_eq!(
            decoder(true).decode(&mut buffer),
            Err(FrameError::TooShort(length))
        );
    }
}

#[test]
fn several_frames_in_one_buffer_come_out_one_by_one() {
    let messages = samples::messages();
    let mut buffer = BytesMut::new();
    for (_, message) in &messages {
        message.to_frame().write_to(&mut buffer);
    }
    let mut decoder = decoder(false);
    for (name, message) in messages {
        let frame = decoder.decode(&mut buffer).unwrap().unwrap();
        assert_eq!(message.read_like(frame), Some(message), "{name}");
    }
    assert_eq!(decoder.decode(&mut buffer), Ok(None));
}

#[test]
fn each_side_takes_only_its_own_kinds() {
    for (name, message) in samples::messages() {
        let frame = message.to_frame();
        let heartbeat = frame.kind == kind::HEARTBEAT;
        let taken = [
            FirstRequest::from_frame(&frame).is_ok(),
            FirstReply::from_frame(&frame).is_ok(),
            Request::from_frame(frame.clone()).is_ok(),
            Reply::from_frame(frame.clone()).is_ok(),
        ];
        let refusal = frame.kind == kind::REFUSAL;
        let expected = match message {
            Message::FirstRequest(_) => [true, false, false, false],
            Message::FirstReply(_) => [false, true, false, refusal],
            Message::Request(..) => [false, false, true, heartbeat],
            Message::Reply(..) => [false, refusal, heartbeat, true],
        };
        assert_eq!(taken, expected, "{name}");
    }
}

#[test]
fn before_authentication_everything_but_a_hello_is_refused() {
    for number in (0..=u8::MAX).filter(|number| *number != kind::CLIENT_HELLO) {
        let refused = FirstRequest::from_frame(&frame(number, Bytes::new()));
        assert_eq!(refused, Err(FrameError::Unexpected(number)));
    }
}

#[test]
fn unknown_kinds_are_skipped_on_their_own_side_only() {
    let known: Vec<u8> = samples::messages()
        .iter()
        .map(|(_, message)| message.to_frame().kind)
        .collect();
    for number in (0..=u8::MAX).filter(|number| !known.contains(number)) {
        let body = Bytes::from_static(b"\xc1 anything");
        let request = Request::from_frame(frame(number, body.clone()));
        let reply = Reply::from_frame(frame(number, body));
        let unexpected = FrameError::Unexpected(number);
        if number < 64 {
            assert_eq!(request, Ok(Request::Unknown(number)));
            assert_eq!(reply, Err(unexpected));
        } else if number < 128 {
            assert_eq!(reply, Ok(Reply::Unknown(number)));
            assert_eq!(request, Err(unexpected));
        } else {
            assert_eq!(request, Err(unexpected.clone()));
            assert_eq!(reply, Err(unexpected));
        }
    }
}

#[test]
fn chunks_are_bounded_in_length_and_place() {
    let body = |offset: u64, length: usize| {
        let mut body = BytesMut::new();
        body.put_u64(offset);
        body.put_bytes(0, length);
        body.freeze()
    };
    for (offset, length, allowed) in [
        (0, 0, true),
        (0, limits::CHUNK_MAX, true),
        (0, limits::CHUNK_MAX + 1, false),
        (u64::MAX, 0, true),
        (u64::MAX - 7, 7, true),
        (u64::MAX - 6, 7, false),
        (u64::MAX, 1, false),
    ] {
        for number in [kind::STDOUT, kind::STDERR] {
            let reply = Reply::from_frame(frame(number, body(offset, length)));
            assert_eq!(reply.is_ok(), allowed, "{offset} {length}");
        }
        let request = Request::from_frame(frame(kind::STDIN, body(offset, length)));
        assert_eq!(request.is_ok(), allowed, "{offset} {length}");
    }
}
