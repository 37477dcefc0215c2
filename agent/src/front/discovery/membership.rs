//! The packets that keep a snooping switch from forgetting that a member is here.
//!
//! A switch forgets members from which it has heard nothing for some four minutes. Where no router
//! asks, nobody answers, and the group goes deaf. A report that nobody asked for keeps it alive;
//! leaving and joining again would do so only sometimes, and is deaf in between.

use std::net::Ipv6Addr;

use dtx_proto_types::discovery::{GROUP_V4, GROUP_V6};

/// An IPv4 packet with an IGMPv2 report for our group, to that group, with the router alert option
/// that snooping switches look for. The kernel fills in source, length, id and checksum.
pub(super) fn igmp_report() -> [u8; 32] {
    const HEADER: usize = 24;
    let group = GROUP_V4.octets();
    let mut packet = [0; 32];
    packet[0] = 0x46;
    // Precedence "internetwork control", as the kernel's own reports have it.
    packet[1] = 0xc0;
    packet[3] = 32;
    packet[8] = 1;
    packet[9] = 2;
    packet[16..20].copy_from_slice(&group);
    packet[20..HEADER].copy_from_slice(&[0x94, 4, 0, 0]);
    packet[HEADER] = 0x16;
    packet[HEADER + 4..].copy_from_slice(&group);
    let sum = checksum(&[&packet[HEADER..]]);
    packet[HEADER + 2..HEADER + 4].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// The IPv6 packet that says the same: an MLDv1 report behind a router alert. Nothing is left for
/// the kernel to fill in.
pub(super) fn mld_report(source: Ipv6Addr) -> [u8; 72] {
    const EXTENSION: usize = 40;
    const MESSAGE: usize = 48;
    let group = GROUP_V6.octets();
    let mut packet = [0; 72];
    packet[0] = 0x60;
    packet[5] = 32;
    packet[7] = 1;
    packet[8..24].copy_from_slice(&source.octets());
    packet[24..EXTENSION].copy_from_slice(&group);
    packet[EXTENSION..MESSAGE].copy_from_slice(&[58, 0, 5, 2, 0, 0, 1, 0]);
    packet[MESSAGE] = 131;
    packet[MESSAGE + 8..].copy_from_slice(&group);
    let length_and_kind = [0, 0, 0, 24, 0, 0, 0, 58];
    let sum = checksum(&[&packet[8..EXTENSION], &length_and_kind, &packet[MESSAGE..]]);
    packet[MESSAGE + 2..MESSAGE + 4].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// The checksum of the internet protocols over parts of even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let sum: u32 = parts
        .iter()
        .flat_map(|part| part.chunks_exact(2))
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    !u16::try_from(folded).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn golden_igmp() {
        let packet = igmp_report();
        assert_eq!(
            hex(&packet),
            "46c00020000000000102000000000000efff9f2b94040000\
             16005ad4efff9f2b"
        );
        assert_eq!(checksum(&[&packet[24..]]), 0);
    }

    #[test]
    fn golden_mld() {
        let packet = mld_report("fe80::1".parse().unwrap());
        assert_eq!(
            hex(&packet[..48]),
            "6000000000200001fe800000000000000000000000000001\
             ff1200000000000000000000000159433a00050200000100"
        );
        assert_eq!(packet[48], 131);
        let pseudo = [0, 0, 0, 24, 0, 0, 0, 58];
        assert_eq!(checksum(&[&packet[8..40], &pseudo, &packet[48..]]), 0);
    }
}
