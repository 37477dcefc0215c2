//! One host of the segment.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::{Finished, Program};
use crate::holder::{HostPlan, Keys};
use crate::relay::Relay;

/// The search path on every host; the programs under test come first.
const PATH: &str = "/dtx/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A host: a root directory, a network, a name.
#[derive(Debug, Clone)]
pub struct Host {
    pub(super) plan: HostPlan,
    pub(super) keys: Keys,
    pub(super) holder: u32,
    pub(super) lab_program: PathBuf,
    pub(super) user_namespace: bool,
    /// Its port on the bridge.
    pub(super) port: String,
}

impl Host {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// Its IPv4 address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.plan.ipv4
    }

    /// Its IPv6 address.
    #[must_use]
    pub fn address_v6(&self) -> &str {
        &self.plan.ipv6
    }

    /// Where one of its files lies, seen from the test.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/{}", self.holder, self.keys.root))
            .join(path.trim_start_matches('/'))
    }

    /// A file's text; empty if there is none.
    #[must_use]
    pub fn read(&self, path: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.path(path)).unwrap_or_default()).into_owned()
    }

    /// Writes a file.
    ///
    /// # Panics
    ///
    /// If it cannot be written.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).expect("a directory is made");
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// A program to be started here, with root's environment.
    #[must_use]
    pub fn program(&self, words: &[&str]) -> Program {
        let number = |number: i32| number.to_string();
        let mut command = Command::new(&self.lab_program);
        command
            .arg("enter")
            .arg(self.holder.to_string())
            .args([
                number(self.keys.net),
                number(self.keys.mnt),
                number(self.keys.uts),
            ])
            .arg(if self.user_namespace { "1" } else { "0" })
            .args(["/root", "--"])
            .args(words)
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", "/root")
            .env("USER", "root")
            .env("LOGNAME", "root")
            .env("LANG", "C.UTF-8");
        Program::new(command)
    }

    /// Runs a program here and returns how it ended.
    #[must_use]
    pub fn exec(&self, words: &[&str]) -> Finished {
        self.program(words).run()
    }

    /// Runs a program here that has to end well, and returns what it wrote.
    ///
    /// # Panics
    ///
    /// If it does not.
    #[track_caller]
    pub fn must(&self, words: &[&str]) -> String {
        self.exec(words).expect_code(0).out()
    }

    /// Runs a shell line here that has to end well, and returns what it wrote.
    #[track_caller]
    pub fn sh(&self, line: &str) -> String {
        self.must(&["sh", "-c", line])
    }

    /// Starts a relay here that passes on what comes to `listen`.
    #[must_use]
    pub fn relay(&self, listen: &str, forward: &str) -> Relay {
        Relay::new(
            self.program(&["/dtx/bin/dtx-lab", "relay", listen, forward])
                .spawn_with_pipes(),
        )
    }
}
