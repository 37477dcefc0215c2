//! A neighbour that answers discovery in everybody's name.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::ExitCode;

use dtx_proto_types::discovery::{GROUP_V4, PORT, QUERY_MAX, Query, Reply};
use dtx_proto_types::id::{InstanceId, QueryId};
use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::version::VersionRange;

use crate::dice::Dice;

/// Made-up answers to each query.
const ANSWERS: u32 = 10_000;
/// Every so many of them has the name of a real node, and a key of its own.
const IMPOSTORS: u32 = 10;

/// Answers every query with made-up names, and with `real` names under made-up keys, from each of
/// `addresses` in turn. Writes a line into `/tmp/answered` for each query, and one into
/// `/tmp/caught` for each connection that anybody makes to it.
///
/// # Errors
///
/// If the network does not take it.
pub fn spoof(real: &str, addresses: &[&str]) -> io::Result<ExitCode> {
    let addresses: Vec<Ipv4Addr> = addresses
        .iter()
        .map(|address| address.parse().map_err(io::Error::other))
        .collect::<io::Result<_>>()?;
    let first = addresses.first().copied().unwrap_or(Ipv4Addr::LOCALHOST);
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT))?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            note("/tmp/caught", &format!("{:?}", stream.peer_addr())).ok();
        }
    });
    let senders: Vec<UdpSocket> = addresses
        .iter()
        .map(|address| UdpSocket::bind((*address, 0)))
        .collect::<io::Result<_>>()?;
    let ears = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT))?;
    ears.join_multicast_v4(&GROUP_V4, &first)?;
    println!("listening");
    let mut spoofer = Spoofer {
        real: real.split(',').map(ToOwned::to_owned).collect(),
        senders,
        dice: Dice::new(10),
    };
    let mut last = None;
    let mut buffer = [0; QUERY_MAX + 1];
    loop {
        let (length, asker) = ears.recv_from(&mut buffer)?;
        let Ok(query) = Query::decode(&buffer[..length]) else {
            continue;
        };
        // Each query comes more than once.
        if last.replace(query.id) != Some(query.id) {
            let sent = spoofer.answer(&query, asker);
            note("/tmp/answered", &sent.to_string())?;
        }
    }
}

struct Spoofer {
    real: Vec<String>,
    senders: Vec<UdpSocket>,
    dice: Dice,
}

impl Spoofer {
    fn answer(&mut self, query: &Query, asker: SocketAddr) -> usize {
        let mut sent = 0;
        for number in 0..ANSWERS {
            let Ok(reply) = self.reply(query.id, &query.cluster, number).encode() else {
                continue;
            };
            let sender = &self.senders[self.dice.index(self.senders.len())];
            sent += usize::from(sender.send_to(&reply, asker).is_ok());
        }
        sent
    }

    fn reply(&mut self, id: QueryId, cluster: &str, number: u32) -> Reply {
        let node = if number.is_multiple_of(IMPOSTORS) {
            self.real[self.dice.index(self.real.len())].clone()
        } else {
            format!("ghost{number:05}")
        };
        let mut drawn = self.dice.bytes(48);
        let fingerprint = drawn.split_off(16);
        Reply {
            id,
            instance: InstanceId::from_bytes(drawn.try_into().expect("16 bytes")),
            versions: VersionRange::OURS,
            port: PORT,
            fingerprint: Fingerprint::from_bytes(fingerprint.try_into().expect("32 bytes")),
            cluster: cluster.to_owned(),
            node: node.parse().expect("a name"),
        }
    }
}

fn note(path: &str, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    writeln!(file, "{line}")
}
