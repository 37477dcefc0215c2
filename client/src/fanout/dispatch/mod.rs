//! The dispatcher: one task that owns a run's state, starts attempts within the window, orders
//! the events and ends when every node has its outcome.

mod dispatcher;
mod launch;
mod plan;
mod settle;
mod stop;
mod tally;
#[cfg(test)]
mod tests;

pub(crate) use plan::{Plan, Planned, start};
