//! Where the programs under test lie.

use std::path::{Path, PathBuf};

/// The programs that a lab needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// `dtx`.
    pub dtx: PathBuf,
    /// `dtx-agent`.
    pub agent: PathBuf,
    /// The lab's own program.
    pub lab: PathBuf,
    /// A program that uses the client library.
    pub many_jobs: PathBuf,
}

impl Binaries {
    /// Those that Cargo built for this test run; with `DTX_BIN_DIR`, `dtx` and `dtx-agent` from
    /// that directory instead.
    ///
    /// # Panics
    ///
    /// If they are not there.
    #[must_use]
    pub fn find() -> Self {
        let ours = directory();
        let lab = existing(ours.join("dtx-lab"));
        let many_jobs = existing(ours.join("many-jobs"));
        match std::env::var_os("DTX_BIN_DIR").map(PathBuf::from) {
            Some(given) => Self {
                dtx: existing(given.join("dtx")),
                agent: existing(given.join("dtx-agent")),
                lab,
                many_jobs,
            },
            None => Self {
                dtx: existing(ours.join("dtx-under-test")),
                agent: existing(ours.join("dtx-agent-under-test")),
                lab,
                many_jobs,
            },
        }
    }

    /// Only the lab's own program, for a lab without agents.
    #[must_use]
    pub fn lab_only() -> Self {
        let lab = existing(directory().join("dtx-lab"));
        Self {
            dtx: lab.clone(),
            agent: lab.clone(),
            many_jobs: lab.clone(),
            lab,
        }
    }
}

/// The directory where Cargo puts programs: ours, or the one above that of test programs.
fn directory() -> PathBuf {
    let program = std::env::current_exe().expect("Linux knows where a program lies");
    let directory = program.parent().expect("a file lies in a directory");
    if directory.ends_with("deps") {
        directory.parent().unwrap_or(directory).to_path_buf()
    } else {
        directory.to_path_buf()
    }
}

fn existing(path: PathBuf) -> PathBuf {
    assert!(
        Path::exists(&path),
        "{} is missing: `cargo test -p dtx-tests` builds it",
        path.display()
    );
    path
}
