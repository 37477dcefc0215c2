//! What an executor that died left running, found and ended by the next one.

use std::fmt;
use std::time::{Duration, Instant};

use dtx_proto_types::id::JobId;
use nix::unistd::Pid;

use super::kill::kill_until_gone;
use super::marked::{Marked, Suspect};
use super::process::name_all;
use crate::journal::Recovered;

/// How long environments may be looked at when an agent starts.
const LOOK_MAX: Duration = Duration::from_secs(3);
/// How long the kill may take, looking included.
const LEFTOVERS_MAX: Duration = Duration::from_secs(5);

/// A process that was left over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Whose it was.
    pub job: JobId,
    /// Its number.
    pub pid: u32,
    /// Its name, as it chose it.
    pub name: String,
    /// Whether it is gone; otherwise it could not be killed.
    pub gone: bool,
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.escape_debug();
        write!(f, "{name} (pid {}) of job {}", self.pid, self.job)?;
        if self.gone {
            Ok(())
        } else {
            f.write_str(", which cannot be killed")
        }
    }
}

/// Finds and kills what is left of jobs that an executor which died had running: their main
/// processes, everything with their marks in its environment, and everything below those.
///
/// Called once, before the agent takes its first job; takes up to five seconds where something
/// cannot be killed or looked at. A job that had ended by itself is not among them: what it left
/// in the background goes on.
#[must_use]
pub fn end(recovered: &Recovered) -> Vec<Leftover> {
    let suspects: Vec<Suspect> = recovered
        .lost
        .iter()
        .filter(|lost| lost.this_boot)
        .map(|lost| Suspect {
            job: lost.job,
            run: lost.run,
            main: lost.main,
            since: lost.main.map_or(0, |(_, start_time)| start_time),
        })
        .collect();
    if suspects.is_empty() {
        return Vec::new();
    }
    let begin = Instant::now();
    let spared = [Pid::this()];
    let mut tree = Marked::new(&suspects, &spared, begin + LOOK_MAX);
    let left = kill_until_gone(&mut tree, begin + LEFTOVERS_MAX);
    if !tree.hidden.is_empty() {
        log::warn!(
            "may be left of an earlier agent's jobs, the kernel does not say: {}",
            name_all(&tree.hidden)
        );
    }
    tree.found
        .values()
        .map(|(job, process)| Leftover {
            job: *job,
            pid: process.pid.as_raw().unsigned_abs(),
            name: process.name.clone(),
            gone: !left.iter().any(|one| one.is_same(process)),
        })
        .collect()
}
