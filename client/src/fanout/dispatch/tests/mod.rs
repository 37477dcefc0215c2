//! The engine over nodes that do what their names say, in simulated time.

mod cuts;
mod fake;
mod laws;
mod script;
mod stage;
mod stories;
