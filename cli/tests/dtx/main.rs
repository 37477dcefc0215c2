//! The real `dtx`, in a home of its own, where no node is needed.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers are part of the tests: a panic is a failed test"
)]

mod demo;
mod enroll;
mod home;
mod offline;
