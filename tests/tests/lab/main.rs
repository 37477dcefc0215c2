//! The laboratory itself: before it can find fault with anything, it must be above reproach.

mod faults;
mod hosts;
mod relay;
