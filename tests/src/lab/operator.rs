//! The operator: a person with an SSH key, on a host of their own.

use std::ops::Deref;
use std::process::{Command, Stdio};

use super::host::Host;
use super::process::{Finished, Program};
use super::report::Report;

/// The operator's key, where `ssh` would look for it.
const KEY: &str = "/root/.ssh/id_ed25519";

/// The operator's host, with a key on it.
#[derive(Debug)]
pub struct Operator {
    host: Host,
    public_line: String,
}

impl Operator {
    pub(super) fn new(host: Host) -> Self {
        let mut operator = Self {
            host,
            public_line: String::new(),
        };
        operator.public_line = operator.new_key(KEY);
        operator
    }

    /// Makes a key on the operator's host and returns its public line.
    ///
    /// # Panics
    ///
    /// If `ssh-keygen` does not make one.
    #[must_use]
    pub fn new_key(&self, path: &str) -> String {
        let file = self.host.path(path);
        std::fs::create_dir_all(file.parent().expect("a key lies in a directory"))
            .expect("a directory is made");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "operator@lab", "-f"])
            .arg(&file)
            .stdin(Stdio::null())
            .status()
            .expect("ssh-keygen runs");
        assert!(made.success(), "ssh-keygen makes a key");
        self.host.read(&format!("{path}.pub")).trim().to_owned()
    }

    /// The line that lets this operator in, as it lies in every host's operators file.
    #[must_use]
    pub fn operators_line(&self) -> String {
        format!("operator@lab {}\n", self.public_line)
    }

    /// The public key as `ssh-keygen` wrote it.
    #[must_use]
    pub fn public_line(&self) -> &str {
        &self.public_line
    }

    /// The operator's host.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// `dtx` with these words, to be started here.
    #[must_use]
    pub fn dtx(&self, words: &[&str]) -> Program {
        let mut line = vec!["/dtx/bin/dtx"];
        line.extend_from_slice(words);
        self.host
            .program(&line)
            .env("XDG_STATE_HOME", "/root/.local/state")
    }

    /// Runs `dtx` with these words.
    #[must_use]
    pub fn run(&self, words: &[&str]) -> Finished {
        self.dtx(words).run()
    }

    /// Runs `dtx run -o json` with these words and reads its document.
    #[must_use]
    #[track_caller]
    pub fn json(&self, words: &[&str]) -> Report {
        Report::read(self.json_program(words).run())
    }

    /// `dtx run -o json` with these words, to be started here.
    #[must_use]
    pub fn json_program(&self, words: &[&str]) -> Program {
        let mut line = vec!["run", "-o", "json"];
        line.extend_from_slice(words);
        self.dtx(&line)
    }
}

impl Deref for Operator {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}
