//! The bytes of a journal.
//!
//! A file header of 32 bytes: magic with version (8), journal id (16), checksum (8). Then records:
//! length (u32 BE), checksum of the length (4), checksum of length and body (8), body. The length
//! has a checksum of its own, so that a record cut short is told from one that was damaged. All
//! checksums begin with the journal's id, so that no record of another file passes.

use std::io::{self, Read};

use dtx_proto_types::id::JournalId;
use dtx_proto_types::signed::{decode_exact, encode};

use super::record::Record;

/// What a journal begins with; the last two bytes are the version.
const MAGIC: [u8; 8] = *b"dtxjrn\0\x01";
/// Bytes before the first record.
pub(super) const HEADER_LEN: usize = 32;
/// Bytes of a record before its body.
const RECORD_HEADER_LEN: usize = 16;
/// Largest body: a record names one job and says one thing about it.
pub(super) const BODY_MAX: usize = 16 * 1024;

/// The first bytes of a journal.
pub(super) fn header(id: JournalId) -> [u8; HEADER_LEN] {
    let mut bytes = [0; HEADER_LEN];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..24].copy_from_slice(id.as_bytes());
    let check: [u8; 8] = checksum(id, &[&MAGIC]);
    bytes[24..].copy_from_slice(&check);
    bytes
}

/// The id in a journal's first bytes, if they are whole.
pub(super) fn read_header(bytes: &[u8; HEADER_LEN]) -> Option<JournalId> {
    let id = JournalId::from_bytes(bytes[8..24].try_into().ok()?);
    (header(id) == *bytes).then_some(id)
}

/// A record as it is written. `None`: larger than any record may be.
pub(super) fn write_record(id: JournalId, record: &Record) -> Option<Vec<u8>> {
    let body = encode(record);
    let length = u32::try_from(body.len()).ok()?.to_be_bytes();
    if body.len() > BODY_MAX {
        return None;
    }
    let length_check: [u8; 4] = checksum(id, &[&length]);
    let check: [u8; 8] = checksum(id, &[&length, &body]);
    Some([&length[..], &length_check, &check, &body].concat())
}

/// What comes next in a file.
#[derive(Debug)]
pub(super) enum Next {
    /// A whole record, and its bytes.
    Record(Record, Vec<u8>),
    /// Nothing: the file ends where a record ended.
    End,
    /// The beginning of a record: the write was cut short.
    Torn,
    /// Something that was never written like this.
    Damaged,
}

/// Reads the next record.
pub(super) fn read_record(id: JournalId, file: &mut impl Read) -> io::Result<Next> {
    let mut bytes = Vec::with_capacity(256);
    let header_len = take(file, RECORD_HEADER_LEN, &mut bytes)?;
    if header_len == 0 {
        return Ok(Next::End);
    }
    let Some((length, checks)) = bytes.split_first_chunk::<4>() else {
        return Ok(Next::Torn);
    };
    if header_len < RECORD_HEADER_LEN {
        return Ok(Next::Torn);
    }
    let length_check: [u8; 4] = checksum(id, &[length]);
    let body_len = u32::from_be_bytes(*length) as usize;
    if !checks.starts_with(&length_check) || body_len > BODY_MAX {
        return Ok(Next::Damaged);
    }
    let length = *length;
    if take(file, body_len, &mut bytes)? < body_len {
        return Ok(Next::Torn);
    }
    let (header, body) = bytes.split_at(RECORD_HEADER_LEN);
    let check: [u8; 8] = checksum(id, &[&length, body]);
    if header[8..] != check {
        return Ok(Next::Damaged);
    }
    Ok(match decode_exact(body) {
        Ok(record) => Next::Record(record, bytes),
        Err(_) => Next::Damaged,
    })
}

/// Appends up to `count` bytes; fewer only at the end of the file.
fn take(file: &mut impl Read, count: usize, bytes: &mut Vec<u8>) -> io::Result<usize> {
    file.by_ref().take(count as u64).read_to_end(bytes)
}

fn checksum<const N: usize>(id: JournalId, parts: &[&[u8]]) -> [u8; N] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(id.as_bytes());
    for part in parts {
        hasher.update(part);
    }
    let mut bytes = [0; N];
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}
