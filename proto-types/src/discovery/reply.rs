//! The answer.

use super::cursor::{self, Cursor, DatagramError, Kind};
use super::limits::REPLY_MAX;
use crate::id::{InstanceId, QueryId};
use crate::key::Fingerprint;
use crate::node::NodeName;
use crate::version::VersionRange;

/// An agent says where it can be reached. The address is the one that the datagram comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The round that it answers.
    pub id: QueryId,
    /// The life of this agent.
    pub instance: InstanceId,
    /// The protocol versions that it speaks.
    pub versions: VersionRange,
    /// Its port for sessions.
    pub port: u16,
    /// Its node key; TLS will show whether it has it.
    pub fingerprint: Fingerprint,
    /// Its cluster.
    pub cluster: String,
    /// Its node's name.
    pub node: NodeName,
}

impl Reply {
    /// The datagram.
    ///
    /// # Errors
    ///
    /// A cluster name that no datagram can carry.
    pub fn encode(&self) -> Result<Vec<u8>, DatagramError> {
        let mut out = cursor::begin(Kind::Reply, REPLY_MAX);
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(self.instance.as_bytes());
        out.extend_from_slice(&self.versions.oldest.to_be_bytes());
        out.extend_from_slice(&self.versions.newest.to_be_bytes());
        out.extend_from_slice(&self.port.to_be_bytes());
        out.extend_from_slice(self.fingerprint.as_bytes());
        cursor::push_cluster(&mut out, &self.cluster)?;
        cursor::push_text(&mut out, self.node.as_str()).ok_or(DatagramError::Field("node name"))?;
        Ok(out)
    }

    /// Reads a datagram that anyone may have sent.
    ///
    /// # Errors
    ///
    /// Says what is wrong with it first.
    pub fn decode(bytes: &[u8]) -> Result<Self, DatagramError> {
        if bytes.len() > REPLY_MAX {
            return Err(DatagramError::Size(bytes.len()));
        }
        let mut cursor = Cursor::open(bytes, Kind::Reply)?;
        let id = QueryId::from_bytes(cursor.array()?);
        let instance = InstanceId::from_bytes(cursor.array()?);
        let (oldest, newest) = (cursor.u16()?, cursor.u16()?);
        let port = cursor.u16()?;
        let fingerprint = Fingerprint::from_bytes(cursor.array()?);
        let cluster = cursor.cluster()?;
        let node = cursor.text("node name")?;
        if oldest > newest {
            return Err(DatagramError::Field("protocol range"));
        }
        if port == 0 {
            return Err(DatagramError::Field("port"));
        }
        Ok(Self {
            id,
            instance,
            versions: VersionRange { oldest, newest },
            port,
            fingerprint,
            cluster: cluster.to_owned(),
            node: node
                .parse()
                .map_err(|_| DatagramError::Field("node name"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::discovery::Query;

    fn reply(cluster: &str, node: &str) -> Reply {
        Reply {
            id: QueryId::from_bytes([7; 16]),
            instance: InstanceId::from_bytes([8; 16]),
            versions: VersionRange {
                oldest: 1,
                newest: 2,
            },
            port: 15943,
            fingerprint: Fingerprint::from_bytes([9; 32]),
            cluster: cluster.to_owned(),
            node: node.parse().unwrap(),
        }
    }

    #[test]
    fn golden_bytes() {
        let bytes = reply("default", "n1").encode().unwrap();
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        let expected = format!(
            "647478640102{}{}000100023e47{}0764656661756c74026e31",
            "07".repeat(16),
            "08".repeat(16),
            "09".repeat(32)
        );
        assert_eq!(hex, expected);
    }

    #[test]
    fn bytes_and_back_and_no_truncation() {
        let longest = reply(&"c".repeat(64), &"n".repeat(253));
        for reply in [reply("c", "n"), longest] {
            let mut bytes = reply.encode().unwrap();
            assert!(bytes.len() <= REPLY_MAX);
            for length in 0..bytes.len() {
                assert!(Reply::decode(&bytes[..length]).is_err(), "{length}");
            }
            bytes.push(1);
            assert_eq!(Reply::decode(&bytes), Ok(reply), "a newer field");
        }
    }

    #[test]
    fn impossible_values_are_refused() {
        let good = reply("c", "n1").encode().unwrap();
        for (at, byte, wrong) in [
            (39, 9, "protocol range"),
            (good.len() - 2, b'/', "node name"),
            (good.len() - 1, 0x1b, "node name"),
            (good.len() - 1, 0xff, "node name"),
        ] {
            let mut bytes = good.clone();
            bytes[at] = byte;
            assert_eq!(Reply::decode(&bytes), Err(DatagramError::Field(wrong)));
        }
        let mut bytes = good.clone();
        bytes[42..44].fill(0);
        assert_eq!(Reply::decode(&bytes), Err(DatagramError::Field("port")));
        bytes.resize(REPLY_MAX + 1, 0);
        assert!(matches!(
            Reply::decode(&bytes),
            Err(DatagramError::Size(513))
        ));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(
            bytes in proptest::collection::vec(any::<u8>(), 0..1400),
            kind in 1u8..3,
        ) {
            let mut ours = b"dtxd\x01".to_vec();
            ours.push(kind);
            ours.extend_from_slice(&bytes);
            for bytes in [&bytes, &ours] {
                if let Ok(query) = Query::decode(bytes) {
                    prop_assert!(query.encode().unwrap().len() <= bytes.len());
                }
                if let Ok(reply) = Reply::decode(bytes) {
                    prop_assert!(bytes.starts_with(&reply.encode().unwrap()));
                }
            }
        }
    }
}
