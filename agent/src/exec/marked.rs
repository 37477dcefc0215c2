//! Everything that bears the marks of some jobs: what is found of them when no supervisor knows.
//!
//! A mark is a job's id and its run's in a process's environment. Both are the client's choice and
//! anybody can put them into an environment of their own, so a mark alone says little:
//!
//! - What lives below the supervisor of another job is that job's, whatever it bears: two operators
//!   may choose the same ids, and neither ends what is the other's.
//! - What is older than the job is not the job's.
//! - Whoever forges the mark of a job that is to be ended has its own processes ended, and nobody
//!   else's: the environment of another user's process is out of its reach, and so is what is not
//!   below its own.
//!
//! What remains: a process that gave up both its parents and its environment is not found, and a
//! daemon that a job has started anew with its own environment (not by the service manager) is the
//! job's as far as anybody can tell.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use dtx_proto_types::id::{JobId, RunId};
use nix::unistd::Pid;

use super::children::expected;
use super::environment::{JOB_VARIABLE, RUN_VARIABLE};
use super::helper::ask_all;
use super::kill::Tree;
use super::process::Process;

/// A job of which something may be left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Suspect {
    pub(super) job: JobId,
    pub(super) run: RunId,
    /// Its main process, by number and start time.
    pub(super) main: Option<(u32, u64)>,
    /// Nothing of it is older, in clock ticks since boot.
    pub(super) since: u64,
}

/// The processes of some jobs.
pub(super) struct Marked<'a> {
    suspects: &'a [Suspect],
    /// Those who look for them, which may bear a mark themselves: an agent that a job has started.
    spared: &'a [Pid],
    /// The mark of each process that was ever looked at. None gets one later in its life.
    marks: BTreeMap<(Pid, u64), Option<usize>>,
    /// No environment is looked at after this.
    look_until: Instant,
    /// All that was ever found, and of which job.
    pub(super) found: BTreeMap<(Pid, u64), (JobId, Process)>,
    /// What could not be looked at: something in the kernel holds its memory.
    pub(super) hidden: Vec<Process>,
}

impl<'a> Marked<'a> {
    pub(super) const fn new(
        suspects: &'a [Suspect],
        spared: &'a [Pid],
        look_until: Instant,
    ) -> Self {
        Self {
            suspects,
            spared,
            marks: BTreeMap::new(),
            look_until,
            found: BTreeMap::new(),
            hidden: Vec::new(),
        }
    }

    /// Looks at those that were not there the last time.
    fn look_at_new(&mut self, all: &[Process]) {
        let new: Vec<&Process> = all
            .iter()
            .filter(|process| !self.marks.contains_key(&name(process)))
            .collect();
        let suspects = self.suspects;
        let oldest = suspects.iter().map(|suspect| suspect.since).min();
        let (young, old): (Vec<&Process>, _) = new
            .into_iter()
            .partition(|process| Some(process.start_time) >= oldest);
        for process in old {
            self.marks.insert(name(process), None);
        }
        let answers = ask_all(&young, self.look_until, |process| {
            let index = suspect_of(suspects, process);
            index
                .and_then(|index| u32::try_from(index + 1).ok())
                .unwrap_or(0)
        });
        for (process, answer) in young.into_iter().zip(answers) {
            let mark = match answer {
                Some(0) => None,
                Some(number) => Some(number as usize - 1),
                None => {
                    self.hidden.push(process.clone());
                    None
                }
            };
            self.marks.insert(name(process), mark);
        }
    }
}

impl Tree for Marked<'_> {
    fn collect(&mut self) -> Vec<Process> {
        let mut all = Process::all();
        all.retain(|process| !process.zombie && !self.spared.contains(&process.pid));
        spare_trees(&mut all, &expected());
        self.look_at_new(&all);
        let mut marked: BTreeMap<Pid, usize> = all
            .iter()
            .filter_map(|process| Some((process.pid, (*self.marks.get(&name(process))?)?)))
            .collect();
        // What lost its mark on the way is still below something that has one.
        while let below = below(&all, &marked)
            && !below.is_empty()
        {
            marked.extend(below);
        }
        all.retain(|process| marked.contains_key(&process.pid));
        for process in &all {
            if let Some(suspect) = marked.get(&process.pid) {
                self.found
                    .entry(name(process))
                    .or_insert_with(|| (self.suspects[*suspect].job, process.clone()));
            }
        }
        all
    }

    fn pause(&mut self, at_most: Duration) {
        sleep(at_most);
    }
}

/// What names a process for as long as the node is up.
const fn name(process: &Process) -> (Pid, u64) {
    (process.pid, process.start_time)
}

/// The children of the marked that are not marked themselves.
fn below(all: &[Process], marked: &BTreeMap<Pid, usize>) -> Vec<(Pid, usize)> {
    all.iter()
        .filter(|process| !marked.contains_key(&process.pid))
        .filter_map(|process| Some((process.pid, *marked.get(&process.parent)?)))
        .collect()
}

/// Takes out these processes and everything below them.
fn spare_trees(all: &mut Vec<Process>, roots: &BTreeSet<Pid>) {
    let mut spared = roots.clone();
    loop {
        let before = all.len();
        all.retain(|process| {
            let spare = spared.contains(&process.pid) || spared.contains(&process.parent);
            if spare {
                spared.insert(process.pid);
            }
            !spare
        });
        if all.len() == before {
            return;
        }
    }
}

/// Whose mark a process bears. Reading an environment waits for whoever holds the process's
/// memory, which may be a file server that does not answer.
fn suspect_of(suspects: &[Suspect], process: &Process) -> Option<usize> {
    let main = (process.pid.as_raw().unsigned_abs(), process.start_time);
    let is_main = |suspect: &Suspect| suspect.main == Some(main);
    if let Some(index) = suspects.iter().position(is_main) {
        return Some(index);
    }
    let environment = fs::read(format!("/proc/{}/environ", process.pid)).ok()?;
    let job: JobId = value(&environment, JOB_VARIABLE)?.parse().ok()?;
    let run: RunId = value(&environment, RUN_VARIABLE)?.parse().ok()?;
    suspects.iter().position(|suspect| {
        (suspect.job, suspect.run) == (job, run) && suspect.since <= process.start_time
    })
}

fn value<'e>(environment: &'e [u8], variable: &str) -> Option<&'e str> {
    let value = environment.split(|byte| *byte == 0).find_map(|assigned| {
        assigned
            .strip_prefix(variable.as_bytes())?
            .strip_prefix(b"=")
    })?;
    std::str::from_utf8(value).ok()
}
