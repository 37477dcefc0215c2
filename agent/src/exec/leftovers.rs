//! Processes of jobs that have lost their supervisor, and children that nobody waits for.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::str::FromStr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use dtx_proto_types::id::JobId;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use super::environment::JOB_VARIABLE;
use super::kill::{Tree, kill_until_gone};
use super::process::{Process, children, name_all};
use crate::journal::Recovered;

/// How long the kill at the start of an agent may take.
const LEFTOVERS_MAX: Duration = Duration::from_secs(5);
/// How long the executor may be held up when a supervisor was killed.
const ORPHANS_MAX: Duration = Duration::from_millis(100);

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
/// processes, everything with their ids in its environment, and everything below those.
///
/// Called once, before the agent takes its first job; takes up to five seconds where something
/// cannot be killed. A job that had ended by itself is not among them: what it left in the
/// background goes on.
#[must_use]
pub fn end(recovered: &Recovered) -> Vec<Leftover> {
    let suspects: Vec<Suspect> = recovered
        .lost
        .iter()
        .filter(|lost| lost.this_boot)
        .map(|lost| Suspect {
            job: lost.job,
            main: lost.main,
        })
        .collect();
    if suspects.is_empty() {
        return Vec::new();
    }
    let suspects = suspects.as_slice();
    let mut tree = Marked::new(suspects);
    let left = kill_until_gone(&mut tree, Instant::now() + LEFTOVERS_MAX);
    let is_left = |pid: Pid, start_time: u64| {
        left.iter()
            .any(|process| (process.pid, process.start_time) == (pid, start_time))
    };
    tree.found
        .iter()
        .map(|((pid, start_time), (job, name))| Leftover {
            job: *job,
            pid: pid.as_raw().unsigned_abs(),
            name: name.clone(),
            gone: !is_left(*pid, *start_time),
        })
        .collect()
}

/// A job of which something may be left.
#[derive(Debug, Clone, Copy)]
struct Suspect {
    job: JobId,
    /// Its main process, by number and start time.
    main: Option<(u32, u64)>,
}

/// Kills what is left of one job whose supervisor was killed. Returns notes for a person.
pub(super) fn kill_orphans(job: JobId) -> Vec<String> {
    let suspects = [Suspect { job, main: None }];
    let mut tree = Marked::new(&suspects);
    let left = kill_until_gone(&mut tree, Instant::now() + ORPHANS_MAX);
    let text = || format!("cannot be killed: {}", name_all(&left));
    (!left.is_empty()).then(text).into_iter().collect()
}

/// Reaps children that have ended and that nobody waits for: background processes of jobs where
/// the executor is process 1 or a subreaper, and helpers that were given up.
///
/// `expected` are the children that somebody else reaps: the front, and every
/// [`super::Running::supervisor`]. To be called now and then.
pub fn reap_strays(expected: &[u32]) {
    for pid in children(Pid::this()).unwrap_or_default() {
        if !expected.contains(&pid.as_raw().unsigned_abs()) {
            // Still running, or gone: both are fine.
            let _state = waitpid(pid, Some(WaitPidFlag::WNOHANG));
        }
    }
}

/// Everything that bears the marks of some jobs.
struct Marked<'a> {
    suspects: &'a [Suspect],
    me: Pid,
    /// All that was ever found, by number and start time.
    found: BTreeMap<(Pid, u64), (JobId, String)>,
}

impl<'a> Marked<'a> {
    fn new(suspects: &'a [Suspect]) -> Self {
        Self {
            suspects,
            me: Pid::this(),
            found: BTreeMap::new(),
        }
    }

    /// The job whose mark the process itself bears.
    fn job_of(&self, process: &Process) -> Option<JobId> {
        let pid = process.pid.as_raw().unsigned_abs();
        let by_number = self
            .suspects
            .iter()
            .find(|suspect| suspect.main == Some((pid, process.start_time)));
        let suspect = by_number.or_else(|| {
            let job = job_in_environment(process.pid)?;
            self.suspects.iter().find(|suspect| suspect.job == job)
        })?;
        Some(suspect.job)
    }
}

impl Tree for Marked<'_> {
    fn collect(&mut self) -> Vec<Process> {
        let mut all = Process::all();
        // An agent that was started by a job bears the mark itself.
        all.retain(|process| process.pid != self.me && !process.zombie);
        let mut marked: BTreeMap<Pid, JobId> = all
            .iter()
            .filter_map(|process| Some((process.pid, self.job_of(process)?)))
            .collect();
        // What lost its mark on the way is still below something that has one.
        loop {
            let below: Vec<(Pid, JobId)> = all
                .iter()
                .filter(|process| !marked.contains_key(&process.pid))
                .filter_map(|process| Some((process.pid, *marked.get(&process.parent)?)))
                .collect();
            if below.is_empty() {
                break;
            }
            marked.extend(below);
        }
        all.retain(|process| marked.contains_key(&process.pid));
        for process in &all {
            if let Some(job) = marked.get(&process.pid) {
                self.found
                    .entry((process.pid, process.start_time))
                    .or_insert_with(|| (*job, process.name.clone()));
            }
        }
        all
    }

    fn pause(&mut self, at_most: Duration) {
        sleep(at_most);
    }
}

fn job_in_environment(pid: Pid) -> Option<JobId> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let value = environment.split(|byte| *byte == 0).find_map(|variable| {
        variable
            .strip_prefix(JOB_VARIABLE.as_bytes())?
            .strip_prefix(b"=")
    })?;
    JobId::from_str(std::str::from_utf8(value).ok()?).ok()
}
