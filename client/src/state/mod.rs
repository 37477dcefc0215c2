//! What `dtx` remembers between invocations lies in one directory, and several may run at once.

mod dir;
mod lock;
mod replace;

pub use dir::{StateDir, StateError};
pub(crate) use lock::Lock;
pub(crate) use replace::{read, replace};
