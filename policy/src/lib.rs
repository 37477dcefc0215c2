//! What an operator may do on a node: the rules of a policy file and their decision. No I/O, no
//! clock.
//!
//! [`Policy::parse`] understands all of a file or none of it. [`Policy::decide`] answers a
//! [`Request`]: the order of the rules means nothing, what no rule allows is denied, and a rule
//! can only widen what the others allow. What depends on the node's files comes back as
//! [`Decision::NeedsPaths`], to be asked again with the answers.

mod argv;
mod check;
mod decision;
mod environment;
mod error;
mod limits;
mod parse;
mod pattern;
mod policy;
mod principal;
mod request;
mod rule;
mod subst;
mod user;

pub use argv::{PathAnswers, PathQuestion};
pub use decision::{Allowed, Decision, Denial, Explanation, Lack, RuleReport, Shell};
pub use environment::is_loader_variable;
pub use error::PolicyError;
pub use limits::Limits;
pub use policy::Policy;
pub use principal::{InvalidPrincipal, Operator, Principal, PrincipalName, is_key_type};
pub use request::{Action, Facts, Node, Request};
pub use subst::{Place, SubstitutionTooLong, substitute};
pub use user::{InvalidUser, UserName};
