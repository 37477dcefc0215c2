//! Finding the agent's program.

use std::path::{Path, PathBuf};

use crate::error::{Context as Doing, Failure, Kind};

const NAME: &str = "dtx-agent";

/// The program that was named, or the one beside ours.
///
/// # Errors
///
/// If there is none.
pub(super) fn find(named: Option<&Path>) -> Result<PathBuf, Failure> {
    let program = match named {
        Some(path) => path.to_owned(),
        None => own_directory()?.join(NAME),
    };
    if program.is_file() {
        // The keeper may have another working directory.
        return program.canonicalize().map_err(|error| {
            Failure::new(
                Kind::Usage,
                Doing("the agent's program cannot be used", error),
            )
        });
    }
    let text = format!("the agent's program is not at {}", program.display());
    Err(Failure::new(Kind::Usage, text)
        .hint("from a checkout, build it: `cargo build -p dtx-agent`")
        .hint("or say where it is: `dtx demo --agent FILE`"))
}

fn own_directory() -> Result<PathBuf, Failure> {
    std::env::current_exe()
        .ok()
        .and_then(|own| Some(own.parent()?.to_owned()))
        .ok_or_else(|| Failure::new(Kind::Local, "this program cannot tell where it lies"))
}
