//! Bodies of peers that are older, newer or hostile: what is skipped, and what is refused.

use bytes::Bytes;
use dtx_proto_types::frame::{Frame, FrameError, kind};
use dtx_proto_types::grant::Grant;
use dtx_proto_types::job::{Body, JobSpec};
use dtx_proto_types::message::{Refusal, RefusalCode, Reply, Request, StdinAck};
use dtx_proto_types::outcome::Ending;
use dtx_proto_types::signed::{decode_exact, encode};

use crate::samples;

fn frame(kind: u8, body: impl Into<Bytes>) -> Frame {
    Frame {
        kind,
        stream: 1,
        body: body.into(),
    }
}

/// `MessagePack` of a map with `fields` entries, each given as bytes.
fn map(fields: &[(&str, &[u8])]) -> Vec<u8> {
    let count = u8::try_from(fields.len()).expect("few");
    assert!(count < 16);
    let mut bytes = vec![0x80 | count];
    for (name, value) in fields {
        bytes.extend(encode(name));
        bytes.extend_from_slice(value);
    }
    bytes
}

/// Whether `MessagePack` begins with a map of at most 15 entries.
fn is_map(bytes: &[u8]) -> bool {
    bytes
        .first()
        .is_some_and(|head| (0x80..=0x8f).contains(head))
}

/// A map with one entry more.
fn with_field(map: &[u8], name: &str, value: &[u8]) -> Vec<u8> {
    let (head, entries) = map.split_first().expect("a map");
    assert!(is_map(map), "a small map");
    let count = head - 0x80 + 1;
    let head: &[u8] = if count < 16 {
        &[0x80 | count]
    } else {
        &[0xde, 0, count]
    };
    [head, entries, &encode(&name), value].concat()
}

#[test]
fn unknown_fields_are_skipped_where_nothing_is_signed() {
    let nested = map(&[("deep", &[0x92, 0x01, 0xa1, 0x78])]);
    for (name, message) in samples::messages() {
        let frame = message.to_frame();
        let is_map = frame
            .body
            .first()
            .is_some_and(|head| (0x80..0x8f).contains(head));
        if !is_map {
            continue;
        }
        for value in [&[0xc0][..], &[0x07], &nested, &[0xc4, 0x02, 0x00, 0xff]] {
            let newer = Frame {
                body: with_field(&frame.body, "from_a_newer_peer", value).into(),
                ..frame.clone()
            };
            assert_eq!(message.read_like(newer), Some(message.clone()), "{name}");
        }
    }
}

#[test]
fn fields_with_a_default_may_be_absent() {
    let ended = map(&[("ending", &map(&[("exited", &[0x00])]))]);
    let Ok(Reply::Ended(ended)) = Reply::from_frame(frame(kind::ENDED, ended)) else {
        panic!("an ending is enough");
    };
    assert_eq!(ended.ending, Ending::Exited(0));
    assert_eq!(ended.stdout, 0);
    let ack = map(&[("offset", &[0x05])]);
    assert_eq!(
        Reply::from_frame(frame(kind::STDIN_ACK, ack)),
        Ok(Reply::StdinAck(StdinAck {
            offset: 5,
            closed: false
        })),
    );
    let half = map(&[("stdout", &[0x05])]);
    let refused = Request::from_frame(frame(kind::ACK, half));
    assert_eq!(refused, Err(FrameError::Malformed(kind::ACK)));
}

#[test]
fn refusals_of_a_newer_agent_are_still_refusals() {
    for (code, expected) in [
        ("busy", RefusalCode::Busy),
        ("unknown_operator", RefusalCode::UnknownOperator),
        ("out_of_cheese", RefusalCode::Other),
    ] {
        let body = map(&[("code", &encode(&code)), ("text", &encode(&"no"))]);
        let refusal = Refusal {
            code: expected,
            text: "no".to_owned(),
        };
        assert_eq!(
            Reply::from_frame(frame(kind::REFUSAL, body)),
            Ok(Reply::Refusal(refusal)),
            "{code}"
        );
    }
}

#[test]
fn refusal_codes_keep_their_names() {
    use RefusalCode::{
        BrokenPolicy, Busy, Clock, Denied, Disk, Draining, GrantExpired, Invalid, Other, Replay,
        Resources, Unclaimed, UnknownOperator, UnknownUser, Version, WrongTarget,
    };
    for (code, name) in [
        (UnknownOperator, "unknown_operator"),
        (Unclaimed, "unclaimed"),
        (BrokenPolicy, "broken_policy"),
        (Denied, "denied"),
        (GrantExpired, "grant_expired"),
        (WrongTarget, "wrong_target"),
        (Clock, "clock"),
        (Invalid, "invalid"),
        (Version, "version"),
        (Replay, "replay"),
        (Busy, "busy"),
        (Draining, "draining"),
        (Disk, "disk"),
        (UnknownUser, "unknown_user"),
        (Resources, "resources"),
        (Other, "other"),
    ] {
        assert_eq!(encode(&code), encode(&name));
        assert_eq!(decode_exact::<RefusalCode>(&encode(&name)).unwrap(), code);
    }
}

#[test]
fn signed_bodies_take_no_unknown_repeated_or_further_field() {
    let mut payloads: Vec<(&str, Vec<u8>, bool)> = samples::jobs()
        .into_iter()
        .map(|(name, spec)| (name, encode(&spec), true))
        .collect();
    payloads.push(("grant", samples::grant().encode(), false));
    for (name, payload, is_job) in payloads {
        let reads = |bytes: &[u8]| match is_job {
            true => decode_exact::<JobSpec>(bytes).is_ok(),
            false => decode_exact::<Grant>(bytes).is_ok(),
        };
        assert!(reads(&payload), "{name}");
        assert!(
            !reads(&with_field(&payload, "sudo", &[0xc3])),
            "{name}: unknown"
        );
        let again = with_field(&payload, "cluster", &encode(&"default"));
        assert!(!reads(&again), "{name}: repeated");
        assert!(
            !reads(&[&payload[..], &[0xc0]].concat()),
            "{name}: trailing"
        );
        for length in 0..payload.len() {
            assert!(!reads(&payload[..length]), "{name}: {length} bytes");
        }
    }
}

#[test]
fn fields_unknown_inside_a_signed_field_are_refused_too() {
    let spec = samples::job(Body::Shell("BODY".to_owned()));
    let payload = encode(&spec);
    let place = map(&[("shell", &encode(&"BODY"))]);
    let at = payload
        .windows(place.len())
        .position(|bytes| bytes == place)
        .unwrap();
    let body = |body: &[u8]| {
        let bytes = [&payload[..at], body, &payload[at + place.len()..]].concat();
        decode_exact::<JobSpec>(&bytes).is_ok()
    };
    let text: &[u8] = &[0xc4, 0x01, b'x'];
    let script = map(&[("text", text)]);
    assert!(body(&map(&[("script", &script)])));
    assert!(!body(&map(&[(
        "script",
        &with_field(&script, "sudo", &[0xc3])
    )])));
    assert!(!body(&map(&[(
        "script",
        &with_field(&script, "text", text)
    )])));
    let control = map(&[
        ("job", &encode(&samples::job_id())),
        ("action", &encode(&"cancel")),
    ]);
    assert!(body(&map(&[("control", &control)])));
    assert!(!body(&map(&[(
        "control",
        &with_field(&control, "sudo", &[0xc3])
    )])));
    assert!(!body(&map(&[("erase", &[0xc3])])), "an unknown body");
    assert!(!body(&map(&[])), "no body");
    let two = map(&[("shell", &encode(&"a")), ("shell", &encode(&"b"))]);
    assert!(!body(&two), "two bodies");

    let further =
        |name, value: &[u8]| decode_exact::<JobSpec>(&with_field(&payload, name, value)).is_ok();
    let sized = map(&[
        ("size", &[0x01]),
        ("blake3", &[&[0xc4, 0x20][..], &[6; 32]].concat()),
    ]);
    assert!(further("stdin", &map(&[("sized", &sized)])));
    assert!(!further(
        "stdin",
        &map(&[("sized", &with_field(&sized, "sudo", &[0xc3]))])
    ));
    assert!(further("limits", &map(&[("timeout_ms", &[0x01])])));
    assert!(!further("limits", &map(&[("sudo", &[0x01])])));
    let seat = [0x92, 0xa2, b'n', b'1', 0x00];
    let at = payload
        .windows(seat.len())
        .position(|bytes| bytes == seat)
        .unwrap();
    let wider = [
        &payload[..at],
        &[0x93, 0xa2, b'n', b'1', 0x00, 0xc3],
        &payload[at + 5..],
    ]
    .concat();
    assert!(decode_exact::<JobSpec>(&wider).is_err(), "a seat of three");
}

#[test]
fn nesting_does_not_use_up_the_stack() {
    let list = [vec![0x91; 100_000], vec![0xc0]].concat();
    let maps = [[0x81, 0xa1, b'x'].repeat(100_000), vec![0xc0]].concat();
    for deep in [list, maps] {
        for (name, message) in samples::messages() {
            let frame = message.to_frame();
            if !is_map(&frame.body) {
                continue;
            }
            for body in [deep.clone(), with_field(&frame.body, "x", &deep)] {
                let body = Bytes::from(body);
                let hostile = Frame {
                    body,
                    ..frame.clone()
                };
                assert_eq!(message.read_like(hostile), None, "{name}");
            }
        }
        assert!(decode_exact::<JobSpec>(&deep).is_err());
        assert!(decode_exact::<Grant>(&deep).is_err());
    }
}

#[test]
fn lengths_inside_a_body_are_only_claims() {
    // Bytes, text, lists and maps of 4 GB that are not there.
    for head in [0xc6, 0xdb, 0xdd, 0xdf] {
        let claim = [head, 0xff, 0xff, 0xff, 0xff, 0x00];
        for field in ["payload", "signature", "x"] {
            let body = map(&[(field, &claim)]);
            let refused = Request::from_frame(frame(kind::JOB, body));
            assert_eq!(refused, Err(FrameError::Malformed(kind::JOB)));
        }
        assert!(decode_exact::<JobSpec>(&map(&[("batch", &claim)])).is_err());
        assert!(decode_exact::<JobSpec>(&map(&[("env", &claim)])).is_err());
    }
}
