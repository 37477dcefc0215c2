//! Who may have what done here: operators, sessions, signed jobs, policy.
//!
//! There is one way from bytes to something that can be started, and each step is a type that
//! only the one before it can become: `SignedGrant` → [`Session`], and under a session
//! `SignedJob` → `VerifiedJob` → [`AuthorizedJob`]. [`Trust`] takes each step, looking at the
//! operators and policy files and at the clock anew.

mod calendar;
mod clock;
mod config;
mod freshness;
mod gate;
mod job;
mod operators;
mod owner;
mod paths;
mod refuse;
mod report;
mod request;
mod session;
mod sources;
#[cfg(test)]
mod tests;

pub use calendar::utc;
pub use clock::{BUILT_MS, Clock, Now, SystemClock};
pub use config::TrustConfig;
pub use freshness::{GrantSight, SightLog};
pub use gate::{NotYet, Trust};
pub use job::{AuthorizedJob, OWN_JOB};
pub use operators::{
    Known, LineError, LineProblem, OperatorLine, Operators, OperatorsError, Validity,
};
pub use owner::{OwnerError, Owners, Stamp, TrustedFile};
pub use paths::look_at;
pub use request::JobOwner;
pub use session::Session;
pub use sources::{Sources, Standing};
