//! Discovery: the two datagrams by which `dtx` finds agents, and the rules that both sides share.
//!
//! A client sends a [`Query`] to a multicast group; each agent of its cluster answers with a
//! [`Reply`], unicast, at a moment of its own within the query's spread. Both are hints: whom one
//! talks to is proved later, by TLS.
//!
//! # Format 1
//!
//! Integers are big-endian. A text is one length byte and so many bytes. Both begin with `dtxd`,
//! the format (1), and the kind (1 query, 2 reply).
//!
//! ```text
//! query                               reply
//!  0  "dtxd" 1 1                       0  "dtxd" 1 2
//!  6  query id           16 bytes      6  query id             16 bytes
//! 22  population         u32          22  instance id          16 bytes
//! 26  shard index        u16          38  oldest protocol      u16
//! 28  shard count        u16          40  newest protocol      u16
//! 30  spread in ms       u16          42  TCP port             u16
//! 32  cluster            text         44  key fingerprint      32 bytes (SHA-256)
//!  …  length of filter   u16          76  cluster              text
//!  …  filter                           …  node name            text
//!  …  zeros up to 512 bytes
//! ```
//!
//! A query has 512 to 1,200 bytes and a reply at most 512, so no agent ever sends more than it was
//! asked with. What follows the last field belongs to a newer format of the same number and is
//! skipped.
//!
//! # Shards, filter, slots
//!
//! A client may send a query more than once, because one that is lost costs everybody's answers; an
//! agent answers the first copy from an address and port.
//!
//! An agent answers if its [`Shard`] is asked, it is not in the [`Filter`] of those already heard,
//! and then after a delay within the spread: its slot. Filter and slot come from a hash of query
//! id and instance id ([`Mark`]), so that each round draws both anew: an agent that the filter hid
//! by accident, or whose answer collided, stands elsewhere in the next round.

mod cursor;
mod filter;
mod gather;
mod limits;
mod mark;
mod network;
mod query;
mod reply;

pub use cursor::DatagramError;
pub use filter::Filter;
pub use gather::InterfaceEntry;
pub use limits::{
    ASK_PORT, CLUSTER_MAX, GROUP_V4, GROUP_V6, INTERFACES_MAX, PORT, QUERY_MAX, QUERY_MIN,
    REPLY_MAX, SHARD_NAMES_MAX, SPREAD_MAX,
};
pub use mark::{Mark, Shard};
pub use network::{Family, Interface, Prefix};
pub use query::Query;
pub use reply::Reply;
