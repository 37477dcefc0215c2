//! Ending many processes for good, while they may fork.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::process::Process;

/// How often the stopped are counted again before the kill. A tree that still grows after this is
/// killed in rounds.
const FREEZE_ROUNDS: usize = 32;
/// How long a round waits for what it killed.
const ROUND: Duration = Duration::from_millis(5);

/// Asks every process to end, parents first: a shell that is gone starts no next command. The
/// stopped are woken, or they would never hear of it.
pub(super) fn terminate(processes: &[Process]) {
    for process in processes.iter().filter(|process| !process.zombie) {
        // Gone, or not ours to signal: the kill names what is left.
        let _gone = process.signal(Signal::SIGTERM);
        let _gone = process.signal(Signal::SIGCONT);
    }
}

/// Processes that are to be ended together.
pub(super) trait Tree {
    /// Those that there are now.
    fn collect(&mut self) -> Vec<Process>;

    /// Waits for one of them to end, and reaps it where that is ours to do.
    fn pause(&mut self, at_most: Duration);
}

/// Kills a tree until nothing of it is found or `deadline` has passed; returns what is left then.
///
/// First everything is stopped, round by round, until no new process turns up: what is stopped
/// cannot fork.
pub(super) fn kill_until_gone(tree: &mut dyn Tree, deadline: Instant) -> Vec<Process> {
    loop {
        let mut found = Vec::new();
        let mut stopped: BTreeSet<(Pid, u64)> = BTreeSet::new();
        for _ in 0..FREEZE_ROUNDS {
            found = living(tree.collect());
            let mut grown = false;
            for process in &found {
                if stopped.insert((process.pid, process.start_time)) {
                    grown = true;
                    let _gone = process.signal(Signal::SIGSTOP);
                }
            }
            if !grown {
                break;
            }
        }
        if found.is_empty() {
            return found;
        }
        for process in &found {
            let _gone = process.signal(Signal::SIGKILL);
        }
        tree.pause(ROUND);
        if Instant::now() >= deadline {
            return living(tree.collect());
        }
    }
}

fn living(mut processes: Vec<Process>) -> Vec<Process> {
    processes.retain(|process| !process.zombie);
    processes
}
