//! A client that lies: forged grants, forged jobs, and words out of turn, over real TLS.
//!
//! It runs on a lab's operator host, as `dtx-lab forge` and `dtx-lab early`. Every forged job
//! would write its own name into a file on its node, so what started can be read there.

mod early;
mod grants;
mod jobs;
mod link;
mod operator;
mod run;
mod spoil;
mod tls;

pub use early::early;
pub use operator::operators_line;
pub use run::forge;
