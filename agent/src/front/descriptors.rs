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
        let slots = usize::try_from(state.setup.slots).unwrap_or(usize::MAX);
        let jobs = state.jobs.borrow().len();
        self.leave_room_beside(state.connections.len(), jobs, slots)
    }

    /// Every slot may start a job at once, and jobs beyond those wait or are over and unread.
    const fn leave_room_beside(self, connections: usize, jobs: usize, slots: usize) -> bool {
        let most = if jobs > slots { jobs } else { slots };
        let wanted = most.saturating_mul(DESCRIPTORS_PER_JOB);
        // Under a limit that is too low for the slots, some may still come in.
        let half = self.limit / 2;
        let reserved = if wanted < half { wanted } else { half };
        self.base + connections + reserved + DESCRIPTORS_SPARE < self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_a_job_in_every_slot() {
        for (what, limit, connections, jobs, slots, expected) in [
            ("at rest", 1024, 0, 0, 64, true),
            ("just", 1024, 1024 - 16 - 16 - 192 - 1, 0, 64, true),
            ("one too many", 1024, 1024 - 16 - 16 - 192, 0, 64, false),
            (
                "however many run",
                1024,
                1024 - 16 - 16 - 192,
                64,
                64,
                false,
            ),
            (
                "more jobs than slots",
                1024,
                1024 - 16 - 16 - 198,
                66,
                64,
                false,
            ),
            ("a low limit lets some in", 256, 128 - 33, 0, 1000, true),
            ("and not all", 256, 128 - 32, 0, 1000, false),
            ("no end", 1024, 0, usize::MAX, usize::MAX, true),
        ] {
            let descriptors = Descriptors { limit, base: 16 };
            let room = descriptors.leave_room_beside(connections, jobs, slots);
            assert_eq!(room, expected, "{what}");
        }
    }
}
