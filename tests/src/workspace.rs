//! The workspace itself, as Cargo and the file system know it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The workspace's root directory.
///
/// # Panics
///
/// Never: this package lies in it.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this package lies in the workspace")
}

/// What Cargo knows of every package that is built for this kind of machine.
///
/// # Panics
///
/// If Cargo does not say, such as when the lock file is out of date.
#[must_use]
pub fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--offline", "--format-version", "1"])
        .args(["--filter-platform", &host()])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata: {errors}");
    serde_json::from_slice(&output.stdout).expect("cargo writes JSON")
}

/// All files with this ending that belong to the project.
#[must_use]
pub fn files(ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(root(), ending, &mut found);
    found.sort();
    found
}

fn collect(directory: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(directory).expect("a directory is read");
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // `target` and what begins with a dot are no part of the project's text.
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            collect(&path, ending, found);
        } else if path.is_file() && name.ends_with(ending) {
            found.push(path);
        }
    }
}

/// The kind of machine that we are on, in the compiler's words.
fn host() -> String {
    let version = Command::new("rustc")
        .arg("-vV")
        .output()
        .expect("rustc runs");
    String::from_utf8_lossy(&version.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .expect("rustc names its host")
        .to_owned()
}
