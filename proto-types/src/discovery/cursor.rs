//! Reading and writing a datagram's fields within its bounds.

use super::limits::CLUSTER_MAX;

/// First bytes of every datagram, and the format.
const MAGIC: [u8; 5] = *b"dtxd\x01";

/// Which datagram it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Query = 1,
    Reply = 2,
}

/// Why bytes are not the datagram that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DatagramError {
    /// Outside the sizes of its kind.
    #[error("a datagram of {0} bytes is too short or too long")]
    Size(usize),
    /// Not ours, of another format, or the other kind.
    #[error("not a datagram of this kind and format")]
    Stranger,
    /// A field goes beyond the end.
    #[error("the datagram ends within a field")]
    Truncated,
    /// A field has a value that it cannot have.
    #[error("the datagram's {0} is not valid")]
    Field(&'static str),
    /// The cluster's name does not fit.
    #[error("the cluster name must be 1 to 64 visible ASCII characters")]
    Cluster,
    /// More names in the filter than a datagram holds.
    #[error("the filter does not fit into a query")]
    Filter,
}

/// The unread part of a datagram.
pub(super) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    /// Checks magic, format and kind.
    pub(super) fn open(bytes: &'a [u8], kind: Kind) -> Result<Self, DatagramError> {
        let rest = bytes.strip_prefix(&MAGIC).ok_or(DatagramError::Stranger)?;
        let rest = rest
            .strip_prefix(&[kind as u8])
            .ok_or(DatagramError::Stranger)?;
        Ok(Self(rest))
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], DatagramError> {
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(DatagramError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DatagramError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(DatagramError::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u16(&mut self) -> Result<u16, DatagramError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, DatagramError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn text(&mut self, field: &'static str) -> Result<&'a str, DatagramError> {
        let [length] = self.array()?;
        let bytes = self.take(length.into())?;
        std::str::from_utf8(bytes).map_err(|_| DatagramError::Field(field))
    }

    pub(super) fn cluster(&mut self) -> Result<&'a str, DatagramError> {
        let text = self.text("cluster")?;
        check_cluster(text)?;
        Ok(text)
    }
}

/// A datagram with its magic, format and kind.
pub(super) fn begin(kind: Kind, capacity: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(capacity);
    out.extend_from_slice(&MAGIC);
    out.push(kind as u8);
    out
}

/// Appends a cluster's name.
pub(super) fn push_cluster(out: &mut Vec<u8>, cluster: &str) -> Result<(), DatagramError> {
    check_cluster(cluster)?;
    push_text(out, cluster).ok_or(DatagramError::Cluster)
}

/// Appends a text; nothing if it is longer than a length byte can say.
pub(super) fn push_text(out: &mut Vec<u8>, text: &str) -> Option<()> {
    out.push(u8::try_from(text.len()).ok()?);
    out.extend_from_slice(text.as_bytes());
    Some(())
}

fn check_cluster(text: &str) -> Result<(), DatagramError> {
    let fits = (1..=CLUSTER_MAX).contains(&text.len());
    if fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(DatagramError::Cluster)
    }
}
