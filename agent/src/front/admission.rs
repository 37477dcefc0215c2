//! Who may try to open a session, and who loses the place when there are too many.
//!
//! Pure: time and chance come from the caller. Connections count here until their grant is
//! verified. Too many make room in this order: one that has dawdled longer than an honest
//! handshake takes, then whoever chance picks. An address that caused trouble gets a smaller share
//! for a while, never none: the trouble may come from somebody else behind the same address. Who
//! comes while the share is in use waits, unread: a place is free again in milliseconds, unless
//! somebody dawdles.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::budget::{
    EARLY_DROP_FROM, EARLY_DROP_PERCENT, PATIENCE, QUEUED_MAX, QUEUED_PER_SOURCE, SOURCES_MAX,
    UNAUTHENTICATED_MAX, UNAUTHENTICATED_PER_SOURCE,
};
use crate::ipc::Connection;

/// The longest memory of trouble.
const PENALTY_MAX: Duration = Duration::from_secs(600);
/// A remembered penalty from which on the share is what stands beside it.
const SHARES: [(Duration, usize); 3] = [
    (Duration::from_secs(240), 1),
    (Duration::from_secs(60), UNAUTHENTICATED_PER_SOURCE / 4),
    (Duration::from_secs(15), UNAUTHENTICATED_PER_SOURCE / 2),
];

/// What to do with a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Let it try.
    Admit,
    /// Let it try, and close this one in its place.
    AdmitInsteadOf(Connection),
    /// Leave it alone, and ask again soon.
    Wait,
    /// Close it.
    TurnAway,
}

/// How an attempt to open a session failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Said nothing, or too little, in time.
    Silent,
    /// Spoke, but not this protocol, or without a grant that holds.
    Refused,
}

impl Trouble {
    const fn penalty(self) -> Duration {
        match self {
            Self::Silent => Duration::from_secs(1),
            Self::Refused => Duration::from_secs(5),
        }
    }
}

/// The connections that are not authenticated yet, and the addresses that caused trouble.
#[derive(Debug, Default)]
pub(super) struct Admission {
    waiting: BTreeMap<Connection, Waiting>,
    /// Those that wait for a place.
    queued: BTreeMap<Connection, IpAddr>,
    /// Until when trouble is remembered.
    penalties: BTreeMap<IpAddr, Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    source: IpAddr,
    since: Instant,
}

impl Admission {
    /// Judges a new connection, or one that had to wait. `chance` draws a number below its
    /// argument.
    pub(super) fn arrive(
        &mut self,
        connection: Connection,
        source: IpAddr,
        now: Instant,
        chance: &mut dyn FnMut(usize) -> usize,
    ) -> Verdict {
        self.queued.remove(&connection);
        let verdict = self.judge(source, now, chance);
        match verdict {
            Verdict::Admit => {}
            Verdict::AdmitInsteadOf(other) => drop(self.waiting.remove(&other)),
            Verdict::Wait => {
                self.queued.insert(connection, source);
                return verdict;
            }
            Verdict::TurnAway => return verdict,
        }
        let since = now;
        self.waiting.insert(connection, Waiting { source, since });
        verdict
    }

    /// A connection waits no more for a place.
    pub(super) fn give_up(&mut self, connection: Connection) {
        self.queued.remove(&connection);
    }

    /// A connection is authenticated, or gone without fault.
    pub(super) fn leave(&mut self, connection: Connection) {
        self.waiting.remove(&connection);
    }

    /// A connection is gone, and it was its own fault.
    pub(super) fn fail(&mut self, connection: Connection, trouble: Trouble, now: Instant) {
        let Some(Waiting { source, .. }) = self.waiting.remove(&connection) else {
            return;
        };
        self.penalties.retain(|_, until| *until > now);
        if self.penalties.len() >= SOURCES_MAX && !self.penalties.contains_key(&source) {
            return;
        }
        let until = self.penalties.entry(source).or_insert(now);
        *until = (*until + trouble.penalty()).min(now + PENALTY_MAX);
    }

    fn judge(
        &self,
        source: IpAddr,
        now: Instant,
        chance: &mut dyn FnMut(usize) -> usize,
    ) -> Verdict {
        // Numbers grow with time, so the first of a map is the one that has waited longest.
        let mut own = self.waiting.iter().filter(|(_, w)| w.source == source);
        let oldest_of_own = own.next();
        if 1 + own.count() >= self.share(source, now)
            && let Some((connection, waiting)) = oldest_of_own
        {
            return if waiting.dawdles(now) {
                Verdict::AdmitInsteadOf(*connection)
            } else {
                self.queue(source)
            };
        }
        let count = self.waiting.len();
        if !someone_must_go(count, chance) {
            return Verdict::Admit;
        }
        match self.waiting.iter().next() {
            Some((oldest, waiting)) if waiting.dawdles(now) => Verdict::AdmitInsteadOf(*oldest),
            // The newcomer is one of those among whom chance picks.
            _ => match self.waiting.keys().nth(chance(count + 1)) {
                Some(unlucky) => Verdict::AdmitInsteadOf(*unlucky),
                None => Verdict::TurnAway,
            },
        }
    }

    fn queue(&self, source: IpAddr) -> Verdict {
        let own = self.queued.values().filter(|other| **other == source);
        if self.queued.len() >= QUEUED_MAX || own.count() >= QUEUED_PER_SOURCE {
            Verdict::TurnAway
        } else {
            Verdict::Wait
        }
    }

    /// How many connections of this address may wait at once.
    fn share(&self, source: IpAddr, now: Instant) -> usize {
        let until = self.penalties.get(&source).copied().unwrap_or(now);
        let left = until.saturating_duration_since(now);
        SHARES
            .iter()
            .find(|(from, _)| left >= *from)
            .map_or(UNAUTHENTICATED_PER_SOURCE, |(_, share)| *share)
    }
}

impl Waiting {
    fn dawdles(self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= PATIENCE
    }
}

fn someone_must_go(waiting: usize, chance: &mut dyn FnMut(usize) -> usize) -> bool {
    if waiting < EARLY_DROP_FROM {
        return false;
    }
    let beyond = waiting - EARLY_DROP_FROM;
    let growth = (100 - EARLY_DROP_PERCENT) * beyond / (UNAUTHENTICATED_MAX - EARLY_DROP_FROM);
    waiting >= UNAUTHENTICATED_MAX || chance(100) < EARLY_DROP_PERCENT + growth
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Connections that wait, as (address, age in milliseconds); trouble, as (address, how
    /// often); who comes; what chance says, in turn; and what becomes of it.
    type Row<'a> = (
        &'a str,
        &'a [(u8, u64)],
        (u8, u32),
        u8,
        &'a [usize],
        Verdict,
    );

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn check((what, waiting, (troubled, times), comes, chances, expected): Row<'_>) {
        let start = Instant::now();
        let now = start + Duration::from_secs(100);
        let mut admission = Admission::default();
        for index in 0..times {
            let connection = Connection(1_000_000 + u64::from(index));
            let since = now;
            let source = address(troubled);
            admission
                .waiting
                .insert(connection, Waiting { source, since });
            admission.fail(connection, Trouble::Refused, now);
        }
        for (index, (last, age)) in (1..).zip(waiting) {
            let since = now - Duration::from_millis(*age);
            let source = address(*last);
            admission
                .waiting
                .insert(Connection(index), Waiting { source, since });
        }
        let mut chances = chances.iter();
        let mut chance = |below: usize| {
            let drawn = *chances
                .next()
                .unwrap_or_else(|| panic!("{what}: no chance"));
            assert!(drawn < below, "{what}");
            drawn
        };
        let new = Connection(999);
        let verdict = admission.arrive(new, address(comes), now, &mut chance);
        assert_eq!(verdict, expected, "{what}");
        assert!(chances.next().is_none(), "{what}: chance left over");
        let admitted = admission.waiting.contains_key(&new);
        let may_try = !matches!(expected, Verdict::Wait | Verdict::TurnAway);
        assert_eq!(admitted, may_try, "{what}");
        assert!(admission.waiting.len() <= UNAUTHENTICATED_MAX, "{what}");
    }

    #[test]
    fn who_is_admitted() {
        use Verdict::{Admit, AdmitInsteadOf, TurnAway, Wait};
        let many = |count: u8, age| (10..10 + count).map(|a| (a, age)).collect::<Vec<_>>();
        let rows: &[Row<'_>] = &[
            ("nobody waits", &[], (0, 0), 1, &[], Admit),
            ("seven of its own", &[(1, 5); 7], (0, 0), 1, &[], Admit),
            ("eight of its own", &[(1, 5); 8], (0, 0), 1, &[], Wait),
            (
                "eight that dawdle",
                &[(1, 1000); 8],
                (0, 0),
                1,
                &[],
                AdmitInsteadOf(Connection(1)),
            ),
            ("eight of another", &[(2, 5); 8], (0, 0), 1, &[], Admit),
            ("ten wait, lucky", &many(10, 5), (0, 0), 1, &[30], Admit),
            (
                "ten wait, unlucky",
                &many(10, 5),
                (0, 0),
                1,
                &[29, 3],
                AdmitInsteadOf(Connection(4)),
            ),
            (
                "the newcomer may be the unlucky one",
                &many(10, 5),
                (0, 0),
                1,
                &[29, 10],
                TurnAway,
            ),
            (
                "one that dawdles goes first",
                &many(10, 1500),
                (0, 0),
                1,
                &[0],
                AdmitInsteadOf(Connection(1)),
            ),
            ("nearly full", &many(63, 5), (0, 0), 1, &[99], Admit),
            (
                "full",
                &many(64, 5),
                (0, 0),
                1,
                &[63],
                AdmitInsteadOf(Connection(64)),
            ),
            ("two failures", &[(1, 5); 7], (1, 2), 1, &[], Admit),
            ("three failures", &[(1, 5); 4], (1, 3), 1, &[], Wait),
            ("twelve failures", &[(1, 5); 2], (1, 12), 1, &[], Wait),
            ("any number", &[(1, 5); 1], (1, 5000), 1, &[], Wait),
            ("still not shut out", &[], (1, 5000), 1, &[], Admit),
            ("others' trouble", &[(1, 5); 7], (2, 5000), 1, &[], Admit),
        ];
        for row in rows {
            check(*row);
        }
    }

    #[test]
    fn the_queue_is_bounded_and_moves_on() {
        let now = Instant::now();
        let mut admission = Admission::default();
        let mut arrive =
            |number, last| admission.arrive(Connection(number), address(last), now, &mut |_| 99);
        for number in 0..8 {
            assert_eq!(arrive(number, 1), Verdict::Admit);
        }
        for number in 8..8 + 64 {
            assert_eq!(arrive(number, 1), Verdict::Wait);
            assert_eq!(
                arrive(number, 1),
                Verdict::Wait,
                "asking again takes no more room"
            );
        }
        assert_eq!(arrive(100, 1), Verdict::TurnAway);
        assert_eq!(arrive(101, 2), Verdict::Admit);
        admission.leave(Connection(0));
        admission.give_up(Connection(70));
        let mut arrive =
            |number, last| admission.arrive(Connection(number), address(last), now, &mut |_| 99);
        assert_eq!(arrive(9, 1), Verdict::Admit);
        assert_eq!(arrive(102, 1), Verdict::Wait);
        assert_eq!(arrive(103, 1), Verdict::Wait);
        assert_eq!(arrive(104, 1), Verdict::TurnAway);
    }

    #[test]
    fn trouble_is_forgotten() {
        let start = Instant::now();
        let mut admission = Admission::default();
        for index in 0..1000 {
            let verdict = admission.arrive(Connection(index), address(1), start, &mut |_| 99);
            assert_eq!(verdict, Verdict::Admit);
            admission.fail(Connection(index), Trouble::Silent, start);
        }
        for (seconds, share) in [(0, 1), (359, 1), (361, 2), (541, 4), (586, 8), (601, 8)] {
            let now = start + Duration::from_secs(seconds);
            assert_eq!(admission.share(address(1), now), share, "{seconds} s");
        }
        assert_eq!(admission.waiting.len(), 0);
    }

    #[test]
    fn memory_of_trouble_is_bounded() {
        let now = Instant::now();
        let mut admission = Admission::default();
        for index in 0..5000_u32 {
            let source = IpAddr::from(index.to_be_bytes());
            let connection = Connection(index.into());
            admission.arrive(connection, source, now, &mut |_| 99);
            admission.fail(connection, Trouble::Refused, now);
        }
        assert_eq!(admission.penalties.len(), SOURCES_MAX);
    }
}
