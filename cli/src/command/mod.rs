//! What each verb does, one file or folder a verb.
//!
//! A command resolves what was typed, asks the client library, and hands what it learns to
//! reporters or a table. It returns an exit status, or a [`Failure`](crate::error::Failure).

mod ask;
mod context;
mod demo;
mod doctor;
mod enroll;
mod findings;
mod keys;
mod nodes;
mod ping;
mod policy;
mod run;
mod targets;

pub use context::Context;
pub use demo::{demo, demo_keeper};
pub use doctor::doctor;
pub use enroll::enroll;
pub use keys::keys;
pub use nodes::nodes;
pub use ping::ping;
pub use policy::policy;
pub use run::run;

use context::open_failure;
use run::login_name;
