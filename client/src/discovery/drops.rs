//! How many datagrams the kernel had to drop because nobody read them in time.

use std::collections::BTreeSet;
use std::os::fd::AsFd;

use nix::sys::stat::fstat;

/// The tables of this thread's network namespace.
const TABLES: [&str; 2] = ["/proc/thread-self/net/udp", "/proc/thread-self/net/udp6"];

/// The sum over these sockets since they were opened; nothing is counted where the tables cannot
/// be read.
pub(super) fn count<S: AsFd>(sockets: impl IntoIterator<Item = S>) -> u64 {
    let inodes: BTreeSet<u64> = sockets
        .into_iter()
        .filter_map(|socket| fstat(socket).ok())
        .map(|status| status.st_ino)
        .collect();
    TABLES
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .map(|table| sum(&table, &inodes))
        .sum()
}

/// Inode and drops are the tenth and the last column.
fn sum(table: &str, inodes: &BTreeSet<u64>) -> u64 {
    table
        .lines()
        .filter_map(|line| {
            let mut columns = line.split_ascii_whitespace().skip(9);
            let inode: u64 = columns.next()?.parse().ok()?;
            let drops: u64 = columns.last()?.parse().ok()?;
            inodes.contains(&inode).then_some(drops)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn drops_of_our_sockets_only() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
            \x20 256: 0100007F:3E48 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 12\n\
            \x20 257: 0100007F:3E49 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4712 2 0000000000000000 30\n";
        let inodes = |list: &[u64]| list.iter().copied().collect();
        assert_eq!(sum(table, &inodes(&[4711])), 12);
        assert_eq!(sum(table, &inodes(&[4711, 4712])), 42);
        assert_eq!(sum(table, &inodes(&[])), 0);
    }

    #[test]
    fn a_full_buffer_is_noticed() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(count([&socket]), 0);
        let to = socket.local_addr().unwrap();
        for _ in 0..5_000 {
            sender.send_to(&[0; 1400], to).unwrap();
        }
        assert!(count([&socket]) > 0);
        assert_eq!(count([&sender]), 0);
    }
}
