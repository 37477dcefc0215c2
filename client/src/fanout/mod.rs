//! The fan-out engine.

pub mod event;
