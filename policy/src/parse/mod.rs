//! From the text of a policy file to its rules, or to the place where it is wrong.

mod document;
mod items;
mod rule;
mod run;
mod section;

pub(crate) use document::document;
