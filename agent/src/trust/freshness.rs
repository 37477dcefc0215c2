//! Whether a grant still lives and a job is still young, by a clock that may be wrong.
//!
//! Normally the node's wall clock decides, five minutes either way. Where that would refuse, and
//! only where the clock is doubtful, the grant's life is counted on the boot clock from the moment
//! at which its nonce was first seen here, and a job's age is taken against its grant.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;

use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::limits;
use serde::{Deserialize, Serialize};

use super::calendar::utc;
use super::clock::Now;

/// A grant issued this much before its operator's newest one accepted here is not taken on a
/// doubtful clock. What is older need not be remembered.
const OLDER_MAX_MS: u64 = 15 * 60 * 1000;
/// First sights that are kept. What does not fit is not accepted while the clock is doubtful.
const SIGHTS_MAX: usize = 65_536;
/// First sights of one operator that are kept, while there is room.
const SHARE_MAX: usize = 4_096;
/// First sights of one operator that are kept, however many the others have.
const SHARE_SURE: usize = 64;
/// How long a full table is left alone after it was looked through for what may be forgotten.
const SWEEP_PAUSE_MS: u64 = 60 * 1000;

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
    /// Whose it is; absent where an older agent wrote it down.
    pub operator: Option<Fingerprint>,
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

/// The two times of a grant, its name and its operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GrantTimes {
    pub(super) nonce: [u8; 16],
    pub(super) operator: Fingerprint,
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

/// The first sights of grants. Each operator has a share of his own: what one of them signs, even
/// with a date far in the future, changes nothing for the others.
#[derive(Debug, Default)]
pub(super) struct Sights {
    shares: BTreeMap<Option<Fingerprint>, Share>,
    /// How many there are in all shares.
    count: usize,
    /// When the full table was last looked through, by the boot clock.
    swept_ms: Option<u64>,
}

/// The first sights of one operator's grants.
#[derive(Debug, Default)]
struct Share {
    seen: BTreeMap<[u8; 16], Seen>,
    newest_issued_ms: u64,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    issued_ms: u64,
    /// Absent for one that was seen before the node was started again: its life is over.
    boot_ms: Option<u64>,
}

impl Share {
    const fn is_older(&self, issued_ms: u64) -> bool {
        issued_ms.saturating_add(OLDER_MAX_MS) < self.newest_issued_ms
    }

    fn sweep(&mut self) {
        let oldest = self.newest_issued_ms.saturating_sub(OLDER_MAX_MS);
        self.seen.retain(|_, seen| seen.issued_ms >= oldest);
    }
}

impl Sights {
    /// Takes up what an earlier agent wrote down.
    pub(super) fn remember(&mut self, sight: &GrantSight, same_boot: bool) {
        self.insert(sight, same_boot.then_some(sight.boot_ms));
    }

    /// Notes a grant whose signature holds. Returns a first sight, to be written down; one that
    /// could not be is to be taken back.
    pub(super) fn note(&mut self, grant: GrantTimes, now: Now) -> Option<GrantSight> {
        let acceptable = is_normal(grant.issued_ms, grant.expires_ms, now)
            || (now.is_doubtful && !self.is_older(&grant));
        if !acceptable || self.find(&grant).is_some() {
            return None;
        }
        // First, so that in a full table the new ones push out the old.
        self.raise_newest(Some(grant.operator), grant.issued_ms);
        if !self.make_room(grant.operator, now) {
            return None;
        }
        let sight = GrantSight {
            nonce: grant.nonce,
            operator: Some(grant.operator),
            issued_ms: grant.issued_ms,
            boot_ms: now.boot_ms,
        };
        self.insert(&sight, Some(now.boot_ms));
        Some(sight)
    }

    /// Forgets a first sight that could not be written down.
    pub(super) fn take_back(&mut self, sight: &GrantSight) {
        if let Some(share) = self.shares.get_mut(&sight.operator)
            && share.seen.remove(&sight.nonce).is_some()
        {
            self.count -= 1;
        }
    }

    fn insert(&mut self, sight: &GrantSight, boot_ms: Option<u64>) {
        let issued_ms = sight.issued_ms;
        let seen = Seen { issued_ms, boot_ms };
        let share = self.raise_newest(sight.operator, issued_ms);
        if let Entry::Vacant(place) = share.seen.entry(sight.nonce) {
            place.insert(seen);
            self.count += 1;
        }
    }

    fn raise_newest(&mut self, operator: Option<Fingerprint>, issued_ms: u64) -> &mut Share {
        let share = self.shares.entry(operator).or_default();
        share.newest_issued_ms = share.newest_issued_ms.max(issued_ms);
        share
    }

    /// Whether one more of this operator fits; forgets what need not be remembered if that helps.
    fn make_room(&mut self, operator: Fingerprint, now: Now) -> bool {
        if self.has_room(operator) {
            return true;
        }
        let rested = self
            .swept_ms
            .is_none_or(|swept| now.boot_ms.saturating_sub(swept) >= SWEEP_PAUSE_MS);
        if rested {
            self.swept_ms = Some(now.boot_ms);
            self.shares.values_mut().for_each(Share::sweep);
            self.count = self.shares.values().map(|share| share.seen.len()).sum();
        }
        rested && self.has_room(operator)
    }

    fn has_room(&self, operator: Fingerprint) -> bool {
        let share = self.shares.get(&Some(operator));
        let length = share.map_or(0, |share| share.seen.len());
        length < SHARE_SURE || (length < SHARE_MAX && self.count < SIGHTS_MAX)
    }

    /// The first sight of a grant, also one of which nobody wrote down whose it was.
    fn find(&self, grant: &GrantTimes) -> Option<Seen> {
        [Some(grant.operator), None]
            .iter()
            .find_map(|owner| self.shares.get(owner)?.seen.get(&grant.nonce))
            .copied()
    }

    fn is_older(&self, grant: &GrantTimes) -> bool {
        self.shares
            .get(&Some(grant.operator))
            .is_some_and(|share| share.is_older(grant.issued_ms))
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
        let Some(seen) = self.find(&grant) else {
            return stale("not one that was accepted here");
        };
        if self.is_older(&grant) {
            return stale("much older than its operator's newest one seen here");
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn now(boot_ms: u64) -> Now {
        Now {
            wall_ms: 0,
            boot_ms,
            is_doubtful: true,
        }
    }

    fn grant(operator: u8, nonce: u64, issued_ms: u64) -> GrantTimes {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&nonce.to_be_bytes());
        GrantTimes {
            nonce: bytes,
            operator: Fingerprint::from_bytes([operator; 32]),
            issued_ms,
            expires_ms: issued_ms + 600_000,
        }
    }

    /// Notes this many grants of one operator, and tells how many were.
    fn fill(sights: &mut Sights, operator: u8, count: usize) -> usize {
        (0..count as u64)
            .filter(|nonce| sights.note(grant(operator, *nonce, NOW), now(0)).is_some())
            .count()
    }

    #[test]
    fn one_operator_cannot_fill_the_table_for_all() {
        let mut sights = Sights::default();
        assert_eq!(fill(&mut sights, 1, SHARE_MAX + 10), SHARE_MAX);
        assert_eq!(fill(&mut sights, 2, 1000), 1000);
        // Nor can many of them together.
        for operator in 3..=17 {
            fill(&mut sights, operator, SHARE_MAX);
        }
        assert!(sights.count >= SIGHTS_MAX);
        assert_eq!(fill(&mut sights, 200, 1000), SHARE_SURE);
    }

    #[test]
    fn a_full_table_is_not_looked_through_for_every_grant() {
        let mut sights = Sights::default();
        fill(&mut sights, 1, SHARE_MAX);
        let (other, late) = (1 << 40, NOW + OLDER_MAX_MS + 1);
        assert_eq!(sights.note(grant(1, other, NOW), now(0)), None);
        assert_eq!(sights.swept_ms, Some(0));
        let early = now(SWEEP_PAUSE_MS - 1);
        assert_eq!(sights.note(grant(1, other, late), early), None);
        assert_eq!(sights.count, SHARE_MAX);
        let later = now(SWEEP_PAUSE_MS);
        assert!(sights.note(grant(1, other, late), later).is_some());
        assert_eq!(sights.count, 1);
    }
}
