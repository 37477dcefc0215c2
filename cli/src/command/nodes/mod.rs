//! `dtx nodes`: who is here, who is silent, who is new.

mod change;
mod list;
mod row;
mod show;

pub use show::nodes;
