//! What a supervisor leaves when somebody kills it: ended by a process that stands in for it.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use dtx_proto_types::outcome::Ending;
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::SigSet;
use nix::unistd::Pid;

use super::children::Child;
use super::kill::kill_until_gone;
use super::marked::{Marked, Suspect};
use super::process::name_all;
use super::words::{Line, Report};
use crate::sys;

/// How long environments may be looked at.
const LOOK_MAX: Duration = Duration::from_secs(2);
/// How long the kill may take, looking included.
const ORPHANS_MAX: Duration = Duration::from_secs(5);

/// Starts a process that ends what is left of a job, and then says that it ended as `ending`. The
/// executor waits for none of it.
pub(super) fn end_orphans(suspect: Suspect, ending: &Ending) -> Result<(Child, Line), Errno> {
    let (line, other) = Line::pair()?;
    let executor = Pid::this();
    let child = Child::fork(|| {
        // Blocked, as for a supervisor: a signal meant for the agent must not end this.
        let _blocked = SigSet::all().thread_set_mask();
        sys::close_all_but(other.as_fd());
        let _named = prctl::set_name(c"dtx-job");
        let report = Report::Ended {
            ending: ending.clone(),
            duration_us: 0,
            notes: end(suspect, executor),
        };
        let _gone = other.send(&report);
        sys::exit_now(0);
    })?;
    Ok((child, line))
}

/// Returns notes for a person.
fn end(suspect: Suspect, executor: Pid) -> Vec<String> {
    let begin = Instant::now();
    let (suspects, spared) = ([suspect], [Pid::this(), executor]);
    let mut tree = Marked::new(&suspects, &spared, begin + LOOK_MAX);
    let left = kill_until_gone(&mut tree, begin + ORPHANS_MAX);
    let mut notes = Vec::new();
    if !left.is_empty() {
        notes.push(format!("cannot be killed: {}", name_all(&left)));
    }
    if !tree.hidden.is_empty() {
        notes.push(format!(
            "may be the job's, the kernel does not say: {}",
            name_all(&tree.hidden)
        ));
    }
    notes
}
