//! What crosses between the two processes of an agent: one closed message type in each direction,
//! and descriptors only from the executor to the front.

mod channel;
mod message;

pub use channel::{Channel, ChannelError};
pub use message::{Connection, JobKey, Opened, SessionNumber, Setup, ToExecutor, ToFront};
