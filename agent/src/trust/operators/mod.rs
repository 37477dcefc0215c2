//! The operators file: whose keys may ask this node for anything at all.

mod line;
mod list;
mod validity;

pub use line::{LineError, OperatorLine};
pub use list::{Known, LineProblem, Operators, OperatorsError};
pub use validity::Validity;
