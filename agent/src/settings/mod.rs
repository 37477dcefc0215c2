//! What an agent was told: defaults, then `agent.toml`, then the command line; later wins.

mod check;
mod file;
mod limits;
mod networks;
mod origins;
mod resolved;
#[cfg(test)]
mod tests;

pub use check::check;
pub use limits::ProcessLimit;
pub use networks::{Network, Networks};
pub use resolved::{Settings, SettingsError};
