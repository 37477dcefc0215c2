//! Standard input: where it comes from, and how every node of a run gets all of it.

mod feed;
mod shared;
mod source;

pub(super) use feed::Feed;
pub(crate) use feed::Supply;
pub(crate) use shared::SharedStdin;
pub use source::StdinSource;
