//! The operator: an SSH key, found as `ssh` would find it, that signs one grant for each
//! invocation.

mod agent;
mod find;
mod generate;
mod key_file;
mod keygen;
mod operator;
#[cfg(test)]
mod tests;

pub use agent::AgentError;
pub use find::{IdentityError, IdentitySource};
pub use generate::{GenerateError, Generated, generate_key_file};
pub use operator::{Identity, SignError};
