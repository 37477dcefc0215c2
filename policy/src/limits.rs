//! Bounds that a rule puts on what it allows.

use std::time::Duration;

/// Bounds on one execution, and on how many of them. Absent means none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// The process tree is ended after this time.
    pub timeout: Option<Duration>,
    /// Bytes of each output stream that are sent; the rest is read and counted.
    pub output: Option<u64>,
    /// Executions at once under one rule.
    pub concurrent: Option<u32>,
    /// Address space of each process in bytes (`RLIMIT_AS`).
    pub memory: Option<u64>,
    /// Processes and threads of the user at once (`RLIMIT_NPROC`); the kernel does not count
    /// root's, so a rule with it never matches a job that runs as root.
    pub procs: Option<u64>,
}

impl Limits {
    /// The wider of each of two bounds.
    #[must_use]
    pub fn widest(self, other: Self) -> Self {
        Self {
            timeout: wider(self.timeout, other.timeout),
            output: wider(self.output, other.output),
            concurrent: wider(self.concurrent, other.concurrent),
            memory: wider(self.memory, other.memory),
            procs: wider(self.procs, other.procs),
        }
    }
}

fn wider<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    // None is no bound at all.
    Some(a?.max(b?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widest_is_component_by_component() {
        let a = Limits {
            timeout: Some(Duration::from_secs(60)),
            output: Some(10),
            concurrent: None,
            memory: Some(1),
            procs: None,
        };
        let b = Limits {
            timeout: Some(Duration::from_secs(5)),
            output: None,
            concurrent: Some(2),
            memory: Some(2),
            procs: None,
        };
        let widest = Limits {
            timeout: Some(Duration::from_secs(60)),
            output: None,
            concurrent: None,
            memory: Some(2),
            procs: None,
        };
        assert_eq!(a.widest(b), widest);
        assert_eq!(b.widest(a), widest);
    }
}
