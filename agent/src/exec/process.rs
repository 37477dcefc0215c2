//! Processes as `/proc` shows them, and signals that reach only the one meant.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::sys;

/// A process at one moment. Number and start time together name it for as long as the node is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: Pid,
    pub(super) parent: Pid,
    /// Clock ticks since boot.
    pub(super) start_time: u64,
    /// It has ended and waits to be reaped.
    pub(super) zombie: bool,
    /// Its name, as it chose it: only for people.
    pub(super) name: String,
}

impl Process {
    /// The process with this number, if there is one now.
    pub(super) fn read(pid: Pid) -> Option<Self> {
        parse_stat(&fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Every process that there is now.
    pub(super) fn all() -> Vec<Self> {
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(|pid| Self::read(Pid::from_raw(pid)))
            .collect()
    }

    /// Signals exactly this process: not one that got its number since.
    ///
    /// # Errors
    ///
    /// `ESRCH` if it is gone, `EPERM` if it may not be signalled.
    pub(super) fn signal(&self, signal: Signal) -> Result<(), Errno> {
        match sys::pidfd_open(self.pid) {
            Ok(pidfd) => {
                // Whoever has the number now has it as long as the pidfd is looked at.
                self.check()?;
                sys::pidfd_signal(pidfd.as_fd(), signal)
            }
            // Before Linux 5.3, or no descriptor left: a gap of a microsecond remains.
            Err(Errno::ENOSYS | Errno::EMFILE | Errno::ENFILE) => {
                self.check()?;
                kill(self.pid, signal)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether both are one process, and not two that had its number one after the other.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (self.pid, self.start_time) == (other.pid, other.start_time)
    }

    fn check(&self) -> Result<(), Errno> {
        match Self::read(self.pid) {
            Some(now) if now.is_same(self) => Ok(()),
            _ => Err(Errno::ESRCH),
        }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name.escape_debug(), self.pid)
    }
}

/// Most processes that one sentence names.
const NAMED_MAX: usize = 8;

/// Names processes for a person: `sleep (pid 7), bash (pid 9) and 3 more`.
pub(super) fn name_all(processes: &[Process]) -> String {
    let named: Vec<String> = processes
        .iter()
        .take(NAMED_MAX)
        .map(ToString::to_string)
        .collect();
    let text = named.join(", ");
    match processes.len().saturating_sub(NAMED_MAX) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

/// Everything below `root`, each process after its parent. `root` is not part of it.
///
/// What forks meanwhile may be missed: repeat it until nothing new turns up.
pub(super) fn descendants(root: Pid) -> Vec<Process> {
    match children(root) {
        Some(first) => walk(first, |pid| children(pid).unwrap_or_default()),
        None => descendants_by_parents(root),
    }
}

fn walk(first: Vec<Pid>, children: impl Fn(Pid) -> Vec<Pid>) -> Vec<Process> {
    let mut found = Vec::new();
    let mut ahead = first;
    ahead.reverse();
    while let Some(pid) = ahead.pop() {
        let Some(process) = Process::read(pid) else {
            continue;
        };
        found.push(process);
        ahead.extend(children(pid).into_iter().rev());
    }
    found
}

/// The children of all threads of a process. `None`: gone, or a kernel that does not say.
pub(super) fn children(pid: Pid) -> Option<Vec<Pid>> {
    let mut found = Vec::new();
    let mut told = false;
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        if let Ok(text) = fs::read_to_string(task.path().join("children")) {
            told = true;
            let pids = text
                .split_ascii_whitespace()
                .filter_map(|pid| pid.parse().ok());
            found.extend(pids.map(Pid::from_raw));
        }
    }
    told.then_some(found)
}

/// The same from everybody's parent, for kernels without `CONFIG_PROC_CHILDREN`.
fn descendants_by_parents(root: Pid) -> Vec<Process> {
    let mut below: BTreeMap<Pid, Vec<Pid>> = BTreeMap::new();
    for process in Process::all() {
        below.entry(process.parent).or_default().push(process.pid);
    }
    let children = |pid| below.get(&pid).cloned().unwrap_or_default();
    walk(children(root), children)
}

/// `pid (name) state parent …`, where the name may hold anything, parentheses included.
fn parse_stat(stat: &[u8]) -> Option<Process> {
    let open = stat.iter().position(|byte| *byte == b'(')?;
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let pid = std::str::from_utf8(stat.get(..open)?)
        .ok()?
        .trim()
        .parse()
        .ok()?;
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    // The 22nd field of the line, so the 18th after the parent.
    let start_time = fields.nth(17)?.parse().ok()?;
    Some(Process {
        pid: Pid::from_raw(pid),
        parent: Pid::from_raw(parent),
        start_time,
        zombie: matches!(state, "Z" | "X"),
        name: String::from_utf8_lossy(stat.get(open + 1..close)?).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_forge_the_fields_after_it() {
        let stat = b"42 (a) Z 1 (b\n) S 7 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 98765 0 0";
        let process = parse_stat(stat).unwrap();
        assert_eq!(process.pid.as_raw(), 42);
        assert_eq!(process.parent.as_raw(), 7);
        assert_eq!(process.start_time, 98765);
        assert!(!process.zombie);
        assert_eq!(process.to_string(), "a) Z 1 (b\\n (pid 42)");
        for bad in [&b""[..], b"42", b"42 (a", b"42 (a) S 7", b") ("] {
            assert_eq!(parse_stat(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn this_process_is_found_and_a_later_one_with_its_number_is_not_signalled() {
        let mut me = Process::read(Pid::this()).unwrap();
        assert!(Process::all().contains(&me));
        assert_eq!(me.check(), Ok(()));
        me.start_time += 1;
        assert_eq!(me.signal(Signal::SIGKILL), Err(Errno::ESRCH));
    }

    #[test]
    fn a_long_list_is_cut() {
        let one = Process::read(Pid::this()).unwrap();
        let many = vec![one; NAMED_MAX + 3];
        assert!(name_all(&many).ends_with(" and 3 more"));
        assert_eq!(name_all(&[]), "");
    }
}
