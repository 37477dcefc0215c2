//! Finding and using operator keys: against scripted agents, and against OpenSSH where it is
//! installed.

mod find;
mod openssh;
mod scripted;
