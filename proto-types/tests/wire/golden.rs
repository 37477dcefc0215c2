//! The bytes of every message, as released. A file in `tests/golden/v1` is never edited once a version
//! with it is out: a test that fails here means that old peers are not understood any more.
//!
//! A new message needs a new file; the test prints its bytes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bytes::BytesMut;
use dtx_proto_types::frame::FrameDecoder;
use dtx_proto_types::grant::Grant;
use dtx_proto_types::job::JobSpec;
use dtx_proto_types::signed::{decode_exact, encode};
use tokio_util::codec::Decoder;

use crate::samples::{self, Message};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1")
}

/// The bytes of a golden file: pairs of hexadecimal digits, and comments from `#` to the line's
/// end.
pub(crate) fn golden(name: &str, today: &[u8]) -> Vec<u8> {
    let path = directory().join(format!("{name}.hex"));
    let today: String = today.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; its bytes are {today}", path.display()));
    let digits: String = text
        .lines()
        .filter_map(|line| line.split('#').next())
        .flat_map(str::split_whitespace)
        .collect();
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).expect("ASCII");
        u8::from_str_radix(pair, 16).unwrap_or_else(|_| panic!("{}: {pair:?}", path.display()))
    };
    digits.as_bytes().chunks(2).map(byte).collect()
}

pub(crate) fn bytes_of(message: &Message) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    message.to_frame().write_to(&mut bytes);
    bytes.to_vec()
}

#[test]
fn every_message_has_its_released_bytes() {
    for (name, message) in samples::messages() {
        let today = bytes_of(&message);
        let released = golden(name, &today);
        assert_eq!(today, released, "{name} is encoded differently");
        let mut buffer = BytesMut::from(released.as_slice());
        let frame = FrameDecoder::unauthenticated()
            .decode(&mut buffer)
            .unwrap()
            .unwrap_or_else(|| panic!("{name} is no whole frame"));
        assert!(buffer.is_empty(), "{name} is more than a frame");
        assert_eq!(message.read_like(frame), Some(message), "{name}");
    }
}

#[test]
fn every_signed_payload_has_its_released_bytes() {
    for (name, spec) in samples::jobs() {
        let released = golden(name, &encode(&spec));
        assert_eq!(encode(&spec), released, "{name} is encoded differently");
        assert_eq!(decode_exact::<JobSpec>(&released).unwrap(), spec, "{name}");
    }
    let grant = samples::grant();
    let released = golden("payload-grant", &grant.encode());
    assert_eq!(grant.encode(), released);
    assert_eq!(decode_exact::<Grant>(&released).unwrap(), grant);
}

#[test]
fn released_signatures_still_hold() {
    let (_, hello) = samples::messages().swap_remove(0);
    let Message::FirstRequest(dtx_proto_types::message::FirstRequest::Hello(hello)) = hello else {
        panic!("the first message is the client's hello");
    };
    assert_eq!(hello.grant.verify().unwrap().grant(), &samples::grant());
    let signer = samples::session_key().public();
    assert!(samples::signed_job().verify(signer).is_ok());
}

/// The names and numbers of all kinds, out of the source, so that none can be forgotten here.
fn kinds() -> Vec<(String, u8)> {
    let source = include_str!("../../src/frame.rs");
    let (_, module) = source.split_once("pub mod kind {").expect("the module");
    let (module, _) = module.split_once("\n}").expect("its end");
    module
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub const "))
        .map(|line| {
            let (name, value) = line.split_once(": u8 = ").expect("a kind");
            let value = value.trim_end_matches(';').parse().expect("a number");
            (name.to_owned(), value)
        })
        .collect()
}

#[test]
fn every_kind_has_a_file() {
    let kinds = kinds();
    assert!(kinds.len() >= 17, "{kinds:?}");
    let numbers: BTreeSet<u8> = kinds.iter().map(|(_, number)| *number).collect();
    assert_eq!(numbers.len(), kinds.len(), "a number is used twice");
    let covered: BTreeSet<u8> = samples::messages()
        .iter()
        .map(|(name, message)| golden(name, &bytes_of(message))[4])
        .collect();
    for (name, number) in kinds {
        assert!(covered.contains(&number), "no golden file for {name}");
    }
}

#[test]
fn every_file_is_used() {
    let mut names: BTreeSet<String> = samples::messages()
        .iter()
        .map(|(name, _)| *name)
        .chain(samples::jobs().iter().map(|(name, _)| *name))
        .chain(["payload-grant"])
        .map(|name| format!("{name}.hex"))
        .collect();
    for entry in std::fs::read_dir(directory()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(names.remove(&name), "{name} is tested by nothing");
    }
    assert!(names.is_empty(), "missing: {names:?}");
}
