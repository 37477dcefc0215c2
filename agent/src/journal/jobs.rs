//! What is known about jobs: those whose end is not known, and those that are over.

use std::collections::BTreeMap;
use std::time::Duration;

use dtx_proto_types::id::{JobId, RunId};
use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::message::Refusal;
use dtx_proto_types::outcome::Ending;

use super::digest::Digest;
use super::operators::Operators;
use super::past::{Past, PastJobs, ShortKey, Verdict};
use super::record::Key;
use super::table::KEEP_MIN;

/// Jobs remembered at once. When all of them are too young to be forgotten, no more are taken on.
/// Of 48 bytes each, so 7 MB when there are as many.
pub(super) const JOBS_MAX: usize = 147_456;
/// Jobs above this number are forgotten as soon as they may be, not only when `keep` is over.
pub(super) const JOBS_COMFORTABLE: usize = 4_096;

/// What became of a job that was taken on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    digest: Digest,
    verdict: Option<Verdict>,
}

/// A job of which the end was not seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostJob {
    /// Who asked for it.
    pub operator: Fingerprint,
    /// Which.
    pub job: JobId,
    /// The run that it belonged to.
    pub run: RunId,
    /// Its main process by number and start time, if it is known to have started.
    pub main: Option<(u32, u64)>,
    /// Whether the node has not been restarted since, so that something of it may be left.
    pub this_boot: bool,
}

impl Seen {
    /// Tells it from another job under the same id.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// How it ended, if it did.
    #[must_use]
    pub const fn ending(&self) -> Option<&Ending> {
        match &self.verdict {
            Some(Verdict::Ended(ending)) => Some(ending),
            Some(Verdict::NotStarted(_)) | None => None,
        }
    }

    /// Why it provably never started, if so.
    #[must_use]
    pub const fn not_started(&self) -> Option<&Refusal> {
        match &self.verdict {
            Some(Verdict::NotStarted(refusal)) => Some(refusal),
            Some(Verdict::Ended(_)) | None => None,
        }
    }
}

/// Whether an operator's next job can be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// It can.
    Free,
    /// This operator has used up its share.
    ShareFull,
    /// There is no room for anybody's.
    Full,
}

/// A job whose end is not known.
#[derive(Debug)]
struct OpenJob {
    digest: Digest,
    run: RunId,
    main: Option<(u32, u64)>,
    since: u32,
    this_boot: bool,
}

/// All jobs that are remembered.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    operators: Operators,
    open: BTreeMap<ShortKey, OpenJob>,
    past: PastJobs,
}

impl Jobs {
    pub(super) fn len(&self) -> usize {
        self.open.len() + self.past.len()
    }

    fn short(&self, key: &Key) -> Option<ShortKey> {
        let operator = self.operators.number(key.operator)?;
        let job = key.job;
        Some(ShortKey { operator, job })
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        self.short(key)
            .is_some_and(|key| self.open.contains_key(&key) || self.past.get(&key).is_some())
    }

    pub(super) fn get(&self, key: &Key) -> Option<Seen> {
        let key = self.short(key)?;
        if let Some(open) = self.open.get(&key) {
            let digest = open.digest;
            let verdict = None;
            return Some(Seen { digest, verdict });
        }
        let digest = self.past.get(&key)?.digest;
        let verdict = self.past.verdict(&key);
        Some(Seen { digest, verdict })
    }

    /// Whether there is room for one more job of an operator. None may hold more than three
    /// quarters of what the others leave, so there is always some left for the next one.
    pub(super) fn room(&self, operator: Fingerprint) -> Room {
        let held = self.operators.jobs(operator);
        let left = JOBS_MAX.saturating_sub(self.len() - held);
        if self.len() >= JOBS_MAX {
            Room::Full
        } else if held >= left - left / 4 {
            Room::ShareFull
        } else {
            Room::Free
        }
    }

    /// A job was taken on, `boot_ms` after the node was started.
    pub(super) fn accepted(&mut self, key: &Key, run: RunId, digest: &[u8; 32], boot_ms: u64) {
        if let Some(short) = self.short(key) {
            let open = self.open.remove(&short).is_some();
            if open || self.past.remove(&short).is_some() {
                self.operators.release(short.operator);
            }
        }
        let operator = self.operators.hold(key.operator);
        let job = OpenJob {
            digest: Digest::of(digest),
            run,
            main: None,
            since: u32::try_from(boot_ms.div_ceil(1000)).unwrap_or(u32::MAX),
            this_boot: true,
        };
        let job_id = key.job;
        self.open.insert(
            ShortKey {
                operator,
                job: job_id,
            },
            job,
        );
    }

    /// Its main process runs.
    pub(super) fn started(&mut self, key: &Key, pid: u32, start_time: u64) {
        if let Some(short) = self.short(key)
            && let Some(open) = self.open.get_mut(&short)
        {
            open.main = Some((pid, start_time));
        }
    }

    /// It is over.
    pub(super) fn over(&mut self, key: &Key, verdict: &Verdict) {
        let Some(short) = self.short(key) else {
            return;
        };
        let (digest, since) = match self.open.remove(&short) {
            Some(open) => (open.digest, if open.this_boot { open.since } else { 0 }),
            None => match self.past.get(&short) {
                Some(past) => (past.digest, past.since),
                None => return,
            },
        };
        let how = verdict.how();
        self.past
            .insert(short, Past { digest, since, how }, verdict);
    }

    /// A new life of the node has begun.
    pub(super) fn begin_life(&mut self) {
        for open in self.open.values_mut() {
            open.this_boot = false;
        }
        self.past.begin_life();
    }

    /// The jobs whose end is not known.
    pub(super) fn open_jobs(&self) -> Vec<(Key, LostJob)> {
        let open = self.open.iter().filter_map(|(key, open)| {
            let (operator, job) = (self.operators.fingerprint(key.operator)?, key.job);
            let lost = LostJob {
                operator,
                job,
                run: open.run,
                main: open.main,
                this_boot: open.this_boot,
            };
            Some((Key { operator, job }, lost))
        });
        open.collect()
    }

    /// Forgets what is older than `keep`; where there is much, what is older than [`KEEP_MIN`],
    /// oldest first. What may still run is never forgotten.
    pub(super) fn forget(&mut self, keep: Duration, now_boot_ms: u64) {
        let now = now_boot_ms / 1000;
        let age = |past: &Past| Duration::from_secs(now.saturating_sub(u64::from(past.since)));
        self.retain(|past| age(past) <= keep.max(KEEP_MIN));
        let surplus = self.len().saturating_sub(JOBS_COMFORTABLE);
        let old = self.past.iter().filter(|past| age(past) > KEEP_MIN);
        let mut old: Vec<u32> = old.map(|past| past.since).collect();
        let Some(last) = surplus.min(old.len()).checked_sub(1) else {
            return;
        };
        let newest = *old.select_nth_unstable(last).1;
        let mut of_newest = old[..=last]
            .iter()
            .filter(|since| **since == newest)
            .count();
        self.retain(|past| {
            if past.since == newest && of_newest > 0 {
                of_newest -= 1;
                return false;
            }
            past.since >= newest
        });
    }

    fn retain(&mut self, mut keep: impl FnMut(&Past) -> bool) {
        let operators = &mut self.operators;
        self.past.retain(|key, past| {
            let kept = keep(past);
            if !kept {
                operators.release(key.operator);
            }
            kept
        });
    }
}
