//! How many descriptors the front may use, and what it keeps free for the pipes of jobs.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::budget::{DESCRIPTORS_PER_JOB, DESCRIPTORS_SPARE};
use super::state::State;

/// The limit, and what was open before any connection was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Descriptors {
    limit: usize,
    base: usize,
}

/// Raises the limit as far as the system allows. For a process that starts no others.
pub(super) fn raise_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        log::debug!("the limit of descriptors stays as it is: {error}");
    }
}

impl Descriptors {
    /// Counts what is open now.
    pub(super) fn count() -> Self {
        let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
        let base = std::fs::read_dir("/proc/self/fd").map_or(16, Iterator::count);
        Self {
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            base,
        }
    }

    /// Whether another connection leaves enough for the jobs.
    pub(super) fn leave_room(self, state: &State) -> bool {
        let jobs = state.jobs.borrow().len() * DESCRIPTORS_PER_JOB;
        let used = self.base + state.connections.len() + jobs + DESCRIPTORS_SPARE;
        used < self.limit
    }
}
