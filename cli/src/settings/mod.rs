//! What holds for an invocation: `/etc/dtx/config.toml`, then `~/.config/dtx/config.toml`, then
//! `DTX_…` variables, then flags; the later wins.

mod environment;
mod error;
mod file;
mod resolve;

pub use environment::Environment;
pub use error::SettingsError;
pub use file::{KEYS, Layer};
pub use resolve::{SYSTEM_FILE, Settings};
