//! What is known about jobs and grants. Pure: records in, answers out.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use dtx_proto_types::id::{JobId, RunId};
use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::limits;
use dtx_proto_types::message::Refusal;
use dtx_proto_types::outcome::Ending;

use super::record::{Key, Record};
use crate::trust::GrantSight;

/// Jobs remembered at once. When all of them are too young to be forgotten, no more are taken on.
pub(super) const JOBS_MAX: usize = 65_536;
/// Jobs above this number are forgotten as soon as they may be, not only when `keep` is over.
const JOBS_COMFORTABLE: usize = 4_096;
/// Grants remembered at once.
const SIGHTS_MAX: usize = 16_384;

/// Nothing is forgotten earlier: twice as long as the same signed bytes could be taken for fresh.
pub(super) const KEEP_MIN: Duration = Duration::from_secs(
    2 * (limits::GRANT_LIFE_MAX.as_secs()
        + limits::START_WINDOW.as_secs()
        + 2 * limits::CLOCK_TOLERANCE.as_secs()),
);

/// What became of a job that was taken on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    digest: [u8; 32],
    run: RunId,
    state: State,
    moment: Moment,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Accepted,
    Started(u32, u64),
    Ended(Ending),
    NotStarted(Refusal),
}

/// What is remembered of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SeenGrant {
    operator: Option<Fingerprint>,
    issued_ms: u64,
    moment: Moment,
}

/// When something happened: in which life of the node, and how long after its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Moment {
    boot: u32,
    boot_ms: u64,
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
    /// The digest of all that may not differ between two sendings of one job.
    #[must_use]
    pub const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The run that it belongs to.
    #[must_use]
    pub const fn run(&self) -> RunId {
        self.run
    }

    /// How it ended, if it did.
    #[must_use]
    pub const fn ending(&self) -> Option<&Ending> {
        match &self.state {
            State::Ended(ending) => Some(ending),
            State::Accepted | State::Started(..) | State::NotStarted(_) => None,
        }
    }

    /// Why it provably never started, if so.
    #[must_use]
    pub const fn not_started(&self) -> Option<&Refusal> {
        match &self.state {
            State::NotStarted(refusal) => Some(refusal),
            State::Accepted | State::Started(..) | State::Ended(_) => None,
        }
    }

    const fn is_over(&self) -> bool {
        matches!(self.state, State::Ended(_) | State::NotStarted(_))
    }
}

/// How a grant stands to what is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// Not seen, and can be noted.
    New,
    /// Seen before.
    Known,
    /// Not seen, and cannot be noted.
    NoRoom,
}

/// All jobs and grants that are remembered.
#[derive(Debug, Default)]
pub(super) struct Table {
    jobs: BTreeMap<Key, Seen>,
    grants: BTreeMap<[u8; 16], SeenGrant>,
    /// When each operator's newest grant was issued.
    newest_grants: BTreeMap<Option<Fingerprint>, u64>,
    boot_id: String,
    boot: u32,
    /// Jobs when it was last looked which may be forgotten.
    swept: usize,
}

impl Table {
    /// Takes a record into account.
    pub(super) fn apply(&mut self, record: &Record) {
        match record {
            Record::Boot { boot_id } => {
                if *boot_id != self.boot_id {
                    self.boot_id.clone_from(boot_id);
                    self.boot += 1;
                }
            }
            Record::Accepted {
                key,
                run,
                digest,
                boot_ms,
                ..
            } => {
                let seen = Seen {
                    digest: *digest,
                    run: *run,
                    state: State::Accepted,
                    moment: self.moment(*boot_ms),
                };
                self.jobs.insert(*key, seen);
            }
            Record::Started {
                key,
                pid,
                start_time,
            } => self.set_state(key, State::Started(*pid, *start_time)),
            Record::Ended { key, ending } => self.set_state(key, State::Ended(ending.clone())),
            Record::NotStarted { key, refusal } => {
                self.set_state(key, State::NotStarted(refusal.clone()));
            }
            Record::GrantSeen {
                nonce,
                operator,
                issued_ms,
                boot_ms,
            } => {
                let seen = SeenGrant {
                    operator: *operator,
                    issued_ms: *issued_ms,
                    moment: self.moment(*boot_ms),
                };
                self.grants.entry(*nonce).or_insert(seen);
                let newest = self.newest_grants.entry(*operator).or_default();
                *newest = (*newest).max(*issued_ms);
            }
        }
    }

    fn set_state(&mut self, key: &Key, state: State) {
        if let Some(seen) = self.jobs.get_mut(key) {
            seen.state = state;
        }
    }

    const fn moment(&self, boot_ms: u64) -> Moment {
        Moment {
            boot: self.boot,
            boot_ms,
        }
    }

    /// The present life of the node, as the records tell it.
    pub(super) fn boot_id(&self) -> &str {
        &self.boot_id
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Seen> {
        self.jobs.get(key)
    }

    /// Whether a job may be taken on under this key: it is new, or provably never started.
    pub(super) fn may_accept(&self, key: &Key) -> bool {
        self.get(key)
            .is_none_or(|seen| seen.not_started().is_some())
    }

    /// Whether there is room for one more job.
    pub(super) fn has_room(&self) -> bool {
        self.jobs.len() < JOBS_MAX
    }

    /// Whether the first sight of one more grant can be remembered, or was.
    pub(super) fn takes_sight(&self, nonce: &[u8; 16]) -> Sight {
        if self.grants.contains_key(nonce) {
            Sight::Known
        } else if self.grants.len() < SIGHTS_MAX {
            Sight::New
        } else {
            Sight::NoRoom
        }
    }

    /// All first sights, and whether each was in the present life of the node.
    pub(super) fn sights(&self) -> Vec<(GrantSight, bool)> {
        let sights = self.grants.iter();
        sights
            .map(|(nonce, seen)| {
                let sight = GrantSight {
                    nonce: *nonce,
                    operator: seen.operator,
                    issued_ms: seen.issued_ms,
                    boot_ms: seen.moment.boot_ms,
                };
                (sight, seen.moment.boot == self.boot)
            })
            .collect()
    }

    /// Whether a record is about something that is remembered.
    pub(super) fn remembers(&self, record: &Record) -> bool {
        match record {
            Record::Boot { .. } => true,
            Record::Accepted { key, .. }
            | Record::Started { key, .. }
            | Record::Ended { key, .. }
            | Record::NotStarted { key, .. } => self.jobs.contains_key(key),
            Record::GrantSeen { nonce, .. } => self.grants.contains_key(nonce),
        }
    }

    /// The jobs whose end is not known.
    pub(super) fn open_jobs(&self) -> Vec<(Key, LostJob)> {
        let open = self.jobs.iter().filter(|(_, seen)| !seen.is_over());
        open.map(|(key, seen)| {
            let lost = LostJob {
                operator: key.operator,
                job: key.job,
                run: seen.run,
                main: match seen.state {
                    State::Started(pid, start_time) => Some((pid, start_time)),
                    _ => None,
                },
                this_boot: seen.moment.boot == self.boot,
            };
            (*key, lost)
        })
        .collect()
    }

    /// Whether enough has come since the last [`Table::forget`] to look again.
    pub(super) fn wants_sweep(&self) -> bool {
        self.jobs.len() >= self.swept + JOBS_COMFORTABLE / 4
            || self.grants.len() >= SIGHTS_MAX
            || self.jobs.len() >= JOBS_MAX
    }

    /// Forgets what is older than `keep`; where there is much, what is older than [`KEEP_MIN`],
    /// oldest first. What may still run is never forgotten.
    pub(super) fn forget(&mut self, keep: Duration, now_boot_ms: u64) {
        let boot = self.boot;
        let age = |moment: &Moment| {
            // What happened in an earlier life is older than this one: nobody knows by how much.
            let since = if moment.boot == boot {
                moment.boot_ms
            } else {
                0
            };
            Duration::from_millis(now_boot_ms.saturating_sub(since))
        };
        let keep = keep.max(KEEP_MIN);
        self.jobs
            .retain(|_, seen| !seen.is_over() || age(&seen.moment) <= keep);
        let newest = &self.newest_grants;
        self.grants.retain(|_, seen| {
            newest.get(&seen.operator) == Some(&seen.issued_ms) || age(&seen.moment) <= KEEP_MIN
        });
        let surplus = self.jobs.len().saturating_sub(JOBS_COMFORTABLE);
        if surplus > 0 {
            let mut old: Vec<(Duration, Key)> = self
                .jobs
                .iter()
                .filter(|(_, seen)| seen.is_over() && age(&seen.moment) > KEEP_MIN)
                .map(|(key, seen)| (age(&seen.moment), *key))
                .collect();
            old.sort_unstable_by_key(|(age, key)| (Reverse(*age), *key));
            for (_, key) in old.into_iter().take(surplus) {
                self.jobs.remove(&key);
            }
        }
        self.swept = self.jobs.len();
    }
}
