//! The policy from outside: texts and requests in, decisions out.
#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers fail like the test itself"
)]

mod circumstances;
mod commands;
mod parsing;
mod properties;
mod several;
mod support;
