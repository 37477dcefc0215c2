//! Where discovery happens, and how much of it.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// The group that agents join, in IPv4.
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(239, 255, 159, 43);
/// The group that agents join, in IPv6: link-local and transient.
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff12, 0, 0, 0, 0, 0, 1, 0x5943);
/// The port at which agents listen for queries.
pub const PORT: u16 = 15943;
/// The port from which a client asks where it is free, so that a firewall can let answers in.
pub const ASK_PORT: u16 = 15944;

/// Largest query: below the smallest IPv6 MTU, so it never depends on fragments.
pub const QUERY_MAX: usize = 1200;
/// Smallest query: no smaller than the largest reply, so that asking in another's name gains
/// nothing.
pub const QUERY_MIN: usize = 512;
/// Largest reply.
pub const REPLY_MAX: usize = 512;
/// Longest name of a cluster, in bytes.
pub const CLUSTER_MAX: usize = 64;
/// Most agents whose filter fits into one query at about 1 % of false suppression.
pub const SHARD_NAMES_MAX: usize = 900;
/// Longest time over which answers may be spread; a query that asks for more is no query.
pub const SPREAD_MAX: Duration = Duration::from_secs(10);
/// Most interfaces that take part. A machine with more names those it means.
pub const INTERFACES_MAX: usize = 64;

const _: () = assert!(QUERY_MIN >= REPLY_MAX && QUERY_MIN <= QUERY_MAX);
