//! The hook for waves, gates and failure budgets.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use dtx_proto_types::node::NodeName;

use super::event::{Counts, NodeResult, StopReason};

/// Decides which waiting node may begin, beyond the window. The dispatcher asks it before each
/// node and tells it each outcome.
pub trait Admission: Send + fmt::Debug {
    /// May `node`, the next one in order, begin now?
    fn admit(&mut self, node: &NodeName, counts: &Counts) -> Admit;

    /// A node's part is over.
    fn finished(&mut self, result: &NodeResult, counts: &Counts) -> Verdict;

    /// Ends when it is worth asking again after [`Admit::Wait`]: a pause is over, a gate command
    /// has answered. An outcome makes the dispatcher ask again in any case, so this matters only
    /// while nothing runs; then an admission that waits for ever makes the run wait for its
    /// deadline.
    fn ready(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::pending())
    }
}

/// Whether the next node may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admit {
    /// It may.
    Now,
    /// Not yet: ask again after the next outcome or when `ready` says so.
    Wait,
    /// No further node begins; what runs is cancelled.
    Stop(StopReason),
}

/// What an outcome means for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    GoOn,
    /// The run ends: what runs is cancelled, what waits is skipped.
    Stop(StopReason),
}
