//! Durations and sizes as people write and read them: `500ms`, `10MB`, `0.41 s`, `16 MiB`.
//!
//! One grammar for the command line, `agent.toml` and `policy.toml`. In a file a setting is text
//! or a bare number:
//!
//! ```
//! #[derive(serde::Deserialize)]
//! struct Limits {
//!     #[serde(deserialize_with = "dtx_proto_types::units::deserialize_duration")]
//!     timeout: std::time::Duration,
//!     #[serde(default, deserialize_with = "dtx_proto_types::units::deserialize_size_option")]
//!     output: Option<u64>,
//! }
//! ```

mod duration;
mod number;
mod settings;
mod size;

pub use duration::{HumanDuration, InvalidDuration, parse_duration};
pub use settings::{
    deserialize_duration, deserialize_duration_option, deserialize_size, deserialize_size_option,
};
pub use size::{HumanSize, InvalidSize, parse_size};
