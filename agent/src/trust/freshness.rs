//! Whether a grant still lives and a job is still young, by a clock that may be wrong.
//!
//! Normally the node's wall clock decides, five minutes either way. Where that would refuse, and
//! only where the clock is doubtful, the grant's life is counted on the boot clock from the moment
//! at which its nonce was first seen here, and a job's age is taken against its grant.

use std::collections::BTreeMap;
use std::io;

use dtx_proto_types::limits;
use serde::{Deserialize, Serialize};

use super::calendar::utc;
use super::clock::Now;

/// A grant issued this much before the newest one accepted here is not taken on a doubtful clock.
/// What is older need not be remembered.
const OLDER_MAX_MS: u64 = 15 * 60 * 1000;
/// First sights that are kept. What does not fit is not accepted while the clock is doubtful.
const SIGHTS_MAX: usize = 65_536;

#[expect(clippy::cast_possible_truncation, reason = "five minutes")]
const TOLERANCE_MS: u64 = limits::CLOCK_TOLERANCE.as_millis() as u64;
#[expect(clippy::cast_possible_truncation, reason = "one minute")]
const START_WINDOW_MS: u64 = limits::START_WINDOW.as_millis() as u64;

/// When the nonce of a grant was first seen here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantSight {
    /// The grant's nonce.
    #[serde(with = "serde_bytes")]
    pub nonce: [u8; 16],
    /// When it was issued, by its client's clock.
    pub issued_ms: u64,
    /// When it was seen, by this node's boot clock.
    pub boot_ms: u64,
}

/// Where first sights are kept for an agent that is started again: the journal.
pub trait SightLog {
    /// Writes a first sight down.
    ///
    /// # Errors
    ///
    /// If it could not be written. The grant is then not accepted on a doubtful clock.
    fn record_sight(&mut self, sight: &GrantSight) -> io::Result<()>;
}

/// The two times of a grant and its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GrantTimes {
    pub(super) nonce: [u8; 16],
    pub(super) issued_ms: u64,
    pub(super) expires_ms: u64,
}

/// The two times of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct JobTimes {
    pub(super) issued_ms: u64,
    pub(super) start_by_ms: u64,
}

/// Why something is not fresh.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stale {
    /// The grant's life is over, by the client's own clock.
    #[error(
        "the grant expired at {}; run dtx again for a new one", utc(*.expires_ms)
    )]
    Expired { expires_ms: u64 },
    /// The two clocks differ too much.
    #[error(
        "the clocks differ by more than 5 minutes: this node's says {}, yours said {} when it \
         signed; set the wrong one (timedatectl)", utc(*.node_ms), utc(*.client_ms)
    )]
    Clock { node_ms: u64, client_ms: u64 },
    /// The clock is wrong, and there is nothing to count from.
    #[error(
        "this node's clock ({}) is not synchronised, and the grant of {} is {why}; set the clock \
         there, or run dtx again", utc(*.node_ms), utc(*.client_ms)
    )]
    Doubtful {
        node_ms: u64,
        client_ms: u64,
        why: &'static str,
    },
    /// Not a window that anybody may ask for.
    #[error("the job may be started for longer than 60 seconds after it was signed")]
    Window,
}

/// The first sights of grants.
#[derive(Debug, Default)]
pub(super) struct Sights {
    seen: BTreeMap<[u8; 16], Seen>,
    newest_issued_ms: u64,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    issued_ms: u64,
    /// Absent for one that was seen before the node was started again: its life is over.
    boot_ms: Option<u64>,
}

impl Sights {
    /// Takes up what an earlier agent wrote down.
    pub(super) fn remember(&mut self, sight: &GrantSight, same_boot: bool) {
        let boot_ms = same_boot.then_some(sight.boot_ms);
        self.insert(sight.nonce, sight.issued_ms, boot_ms);
    }

    /// Notes a grant whose signature holds. Returns a first sight, to be written down; one that
    /// could not be is to be taken back.
    pub(super) fn note(&mut self, grant: GrantTimes, now: Now) -> Option<GrantSight> {
        let acceptable = is_normal(grant.issued_ms, grant.expires_ms, now)
            || (now.is_doubtful && !self.is_older(grant.issued_ms));
        if !acceptable || self.seen.contains_key(&grant.nonce) || self.seen.len() >= SIGHTS_MAX {
            return None;
        }
        self.insert(grant.nonce, grant.issued_ms, Some(now.boot_ms));
        Some(GrantSight {
            nonce: grant.nonce,
            issued_ms: grant.issued_ms,
            boot_ms: now.boot_ms,
        })
    }

    /// Forgets a first sight that could not be written down.
    pub(super) fn take_back(&mut self, sight: &GrantSight) {
        self.seen.remove(&sight.nonce);
    }

    fn insert(&mut self, nonce: [u8; 16], issued_ms: u64, boot_ms: Option<u64>) {
        self.seen
            .entry(nonce)
            .or_insert(Seen { issued_ms, boot_ms });
        if issued_ms > self.newest_issued_ms {
            self.newest_issued_ms = issued_ms;
            let oldest = issued_ms.saturating_sub(OLDER_MAX_MS);
            self.seen.retain(|_, seen| seen.issued_ms >= oldest);
        }
    }

    fn is_older(&self, issued_ms: u64) -> bool {
        issued_ms.saturating_add(OLDER_MAX_MS) < self.newest_issued_ms
    }

    /// Whether a grant lives now and a job signed under it is fresh.
    pub(super) fn check(&self, grant: GrantTimes, job: JobTimes, now: Now) -> Result<(), Stale> {
        let window = job.start_by_ms.checked_sub(job.issued_ms);
        if window.is_none_or(|window| window > START_WINDOW_MS) {
            return Err(Stale::Window);
        }
        // By the client's own clock: no difference of clocks explains this.
        if job.issued_ms > grant.expires_ms {
            let expires_ms = grant.expires_ms;
            return Err(Stale::Expired { expires_ms });
        }
        let normal = is_normal(grant.issued_ms, grant.expires_ms, now)
            && is_normal(job.issued_ms, job.start_by_ms, now);
        if normal {
            Ok(())
        } else if now.is_doubtful {
            self.check_doubtful(grant, job, now)
        } else {
            Err(Stale::Clock {
                node_ms: now.wall_ms,
                client_ms: job.issued_ms,
            })
        }
    }

    fn check_doubtful(&self, grant: GrantTimes, job: JobTimes, now: Now) -> Result<(), Stale> {
        let stale = |why| {
            Err(Stale::Doubtful {
                node_ms: now.wall_ms,
                client_ms: grant.issued_ms,
                why,
            })
        };
        let Some(seen) = self.seen.get(&grant.nonce) else {
            return stale("not one that was accepted here");
        };
        if self.is_older(grant.issued_ms) {
            return stale("much older than the newest one seen here");
        }
        let Some(first) = seen.boot_ms else {
            return stale("from before this node was started");
        };
        let elapsed = now.boot_ms.saturating_sub(first);
        if elapsed > grant.expires_ms.saturating_sub(grant.issued_ms) {
            return stale("used up since it was first seen here");
        }
        // The client's clock against itself: first sight is never earlier than issue, so this
        // reckons the job younger than it is by at most that time.
        let reckoned = grant.issued_ms.saturating_add(elapsed);
        let early = job.issued_ms.saturating_add(TOLERANCE_MS) < grant.issued_ms;
        let late = reckoned > job.start_by_ms.saturating_add(TOLERANCE_MS);
        if early || late {
            return stale("not of the job's time");
        }
        Ok(())
    }
}

/// Whether the wall clock lies between two times of a client's clock, give or take the tolerance.
const fn is_normal(from_ms: u64, until_ms: u64, now: Now) -> bool {
    from_ms <= now.wall_ms.saturating_add(TOLERANCE_MS)
        && now.wall_ms <= until_ms.saturating_add(TOLERANCE_MS)
}
