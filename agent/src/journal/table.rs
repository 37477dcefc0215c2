//! What is known about jobs and grants. Pure: records in, answers out.

use std::collections::BTreeMap;
use std::time::Duration;

use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::limits;

use super::jobs::{JOBS_COMFORTABLE, JOBS_MAX, Jobs, LostJob, Room, Seen};
use super::past::Verdict;
use super::record::{Key, Record};
use crate::trust::GrantSight;

/// Grants remembered at once.
const SIGHTS_MAX: usize = 16_384;

/// Nothing is forgotten earlier: twice as long as the same signed bytes could be taken for fresh.
pub(super) const KEEP_MIN: Duration = Duration::from_secs(
    2 * (limits::GRANT_LIFE_MAX.as_secs()
        + limits::START_WINDOW.as_secs()
        + 2 * limits::CLOCK_TOLERANCE.as_secs()),
);

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
    jobs: Jobs,
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
                    self.jobs.begin_life();
                }
            }
            Record::Accepted {
                key,
                run,
                digest,
                boot_ms,
                ..
            } => self.jobs.accepted(key, *run, digest, *boot_ms),
            Record::Started {
                key,
                pid,
                start_time,
            } => self.jobs.started(key, *pid, *start_time),
            Record::Ended { key, ending } => {
                self.jobs.over(key, &Verdict::Ended(ending.clone()));
            }
            Record::NotStarted { key, refusal } => {
                self.jobs.over(key, &Verdict::NotStarted(refusal.clone()));
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

    pub(super) fn get(&self, key: &Key) -> Option<Seen> {
        self.jobs.get(key)
    }

    /// Whether a job may be taken on under this key: it is new, or provably never started.
    pub(super) fn may_accept(&self, key: &Key) -> bool {
        self.get(key)
            .is_none_or(|seen| seen.not_started().is_some())
    }

    /// Whether there is room for one more job of this operator.
    pub(super) fn room(&self, operator: Fingerprint) -> Room {
        self.jobs.room(operator)
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
            | Record::NotStarted { key, .. } => self.jobs.contains(key),
            Record::GrantSeen { nonce, .. } => self.grants.contains_key(nonce),
        }
    }

    /// The jobs whose end is not known.
    pub(super) fn open_jobs(&self) -> Vec<(Key, LostJob)> {
        self.jobs.open_jobs()
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
        self.jobs.forget(keep, now_boot_ms);
        let newest = &self.newest_grants;
        self.grants.retain(|_, seen| {
            newest.get(&seen.operator) == Some(&seen.issued_ms) || age(&seen.moment) <= KEEP_MIN
        });
        self.swept = self.jobs.len();
    }
}
