//! A journal through restarts, damage and full disks.

use std::cell::Cell;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use dtx_proto_types::id::{JobId, JournalId, RunId};
use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::message::{Refusal, RefusalCode};
use dtx_proto_types::outcome::Ending;

use super::jobs::{JOBS_MAX, Room};
use super::memory::{Journal, NewJob, Recovered};
use super::record::{Key, Record};
use super::table::{KEEP_MIN, Table};
use crate::trust::{Clock, GrantSight, SightLog};

const DAY: Duration = Duration::from_secs(24 * 3600);
const OPERATOR: Fingerprint = Fingerprint::from_bytes([1; 32]);

/// A clock that is set by hand.
#[derive(Debug, Clone, Default)]
struct Hand(Rc<Cell<u64>>);

impl Clock for Hand {
    fn wall_ms(&self) -> u64 {
        1_700_000_000_000
    }

    fn boot_ms(&self) -> u64 {
        self.0.get()
    }

    fn is_synchronised(&self) -> bool {
        true
    }
}

/// A journal in a directory of its own, opened as often as one likes.
struct Bench {
    directory: tempfile::TempDir,
    clock: Hand,
}

impl Bench {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            clock: Hand::default(),
        }
    }

    fn open(&self, boot_id: &str) -> (Journal, Recovered) {
        let clock = Box::new(self.clock.clone());
        Journal::open(self.directory.path(), boot_id, DAY, clock).unwrap()
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("journal")
    }

    fn wait(&self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap();
        self.clock.0.set(self.clock.0.get() + ms);
    }
}

fn job(number: u32) -> JobId {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    JobId::from_bytes(bytes)
}

fn new_job(number: u32) -> NewJob<'static> {
    NewJob {
        key: Key {
            operator: OPERATOR,
            job: job(number),
        },
        run: RunId::from_bytes([9; 16]),
        digest: [u8::try_from(number % 256).unwrap(); 32],
        rule: "operators",
    }
}

fn busy() -> Refusal {
    Refusal {
        code: RefusalCode::Busy,
        text: "busy".to_owned(),
    }
}

/// Four jobs, each in another state, and a grant.
fn fill(journal: &mut Journal) {
    for number in 0..4 {
        journal.accept_new(new_job(number)).unwrap();
    }
    journal.started(OPERATOR, job(1), 71, 1001).unwrap();
    journal.started(OPERATOR, job(2), 72, 1002).unwrap();
    journal.ended(OPERATOR, job(2), &Ending::Exited(3)).unwrap();
    journal.not_started(OPERATOR, job(3), &busy()).unwrap();
    let sight = GrantSight {
        nonce: [5; 16],
        operator: Some(OPERATOR),
        issued_ms: 77,
        boot_ms: 66,
    };
    journal.record_sight(&sight).unwrap();
}

#[test]
fn a_restart_forgets_nothing_and_what_ran_is_lost() {
    for (boot_id, this_boot, words) in [
        ("a", true, "agent was restarted"),
        ("b", false, "node was restarted"),
    ] {
        let bench = Bench::new();
        let (mut journal, recovered) = bench.open("a");
        assert_eq!(recovered, Recovered::default());
        fill(&mut journal);
        let id = journal.id();
        drop(journal);

        let (mut journal, recovered) = bench.open(boot_id);
        assert_eq!(journal.id(), id);
        let lost: Vec<_> = recovered
            .lost
            .iter()
            .map(|lost| (lost.job, lost.main))
            .collect();
        assert_eq!(lost, [(job(0), None), (job(1), Some((71, 1001)))]);
        assert!(
            recovered
                .lost
                .iter()
                .all(|lost| lost.this_boot == this_boot)
        );
        assert_eq!(recovered.sights.len(), 1);
        assert_eq!(recovered.sights[0].1, this_boot);
        for number in 0..2 {
            match journal.seen(OPERATOR, job(number)).unwrap().ending() {
                Some(Ending::Lost(why)) => assert!(why.contains(words), "{why}"),
                other => panic!("{other:?}"),
            }
        }
        let seen = journal.seen(OPERATOR, job(2)).unwrap();
        assert_eq!(seen.ending(), Some(&Ending::Exited(3)));
        assert!(seen.digest() == [2; 32] && seen.digest() != [3; 32]);
        assert_eq!(
            journal.seen(OPERATOR, job(3)).unwrap().not_started(),
            Some(&busy())
        );
        assert_eq!(journal.seen(Fingerprint::from_bytes([2; 32]), job(2)), None);

        // Only what provably never started is taken on again.
        for (number, again) in [(0, false), (1, false), (2, false), (3, true), (4, true)] {
            assert_eq!(
                journal.accept_new(new_job(number)).is_ok(),
                again,
                "{number}"
            );
        }
        drop(journal);
        let (_, recovered) = bench.open(boot_id);
        assert_eq!(
            recovered.lost.len(),
            2,
            "the end of the others is written by now"
        );
    }
}

/// Every job whose last record ends at or before a length, for each length.
fn written_lengths(bench: &Bench) -> (JournalId, Vec<(u64, u32)>) {
    let (mut journal, _) = bench.open("a");
    let mut lengths = Vec::new();
    for number in 0..6 {
        journal.accept_new(new_job(number)).unwrap();
        journal
            .ended(OPERATOR, job(number), &Ending::Exited(0))
            .unwrap();
        lengths.push((fs::metadata(bench.path()).unwrap().len(), number));
    }
    (journal.id(), lengths)
}

#[test]
fn a_journal_cut_at_any_byte_keeps_all_before_it_or_gets_a_new_id() {
    let bench = Bench::new();
    let (id, lengths) = written_lengths(&bench);
    let whole = fs::read(bench.path()).unwrap();
    for length in 0..whole.len() {
        fs::write(bench.path(), &whole[..length]).unwrap();
        let (mut journal, recovered) = bench.open("a");
        if journal.id() == id {
            assert!(recovered.damaged.is_none());
            for (end, number) in &lengths {
                if *end <= length as u64 {
                    assert!(
                        journal.seen(OPERATOR, job(*number)).is_some(),
                        "{length} {number}"
                    );
                }
            }
        } else {
            assert!(
                length < 32,
                "only a file without a header is begun anew: {length}"
            );
        }
        // What was cut is gone for good, and the next record follows what is whole.
        journal.accept_new(new_job(99)).unwrap();
        drop(journal);
        let (journal, recovered) = bench.open("a");
        assert_eq!(recovered.cut, 0, "{length}");
        assert!(journal.seen(OPERATOR, job(99)).is_some(), "{length}");
    }
}

#[test]
fn a_flipped_bit_anywhere_gives_a_new_id_and_keeps_the_file() {
    let bench = Bench::new();
    let (id, _) = written_lengths(&bench);
    let whole = fs::read(bench.path()).unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        fs::write(bench.path(), &damaged).unwrap();
        let (journal, recovered) = bench.open("a");
        assert_ne!(journal.id(), id, "byte {at}");
        assert_eq!(journal.seen(OPERATOR, job(0)), None);
        assert_eq!(fs::read(recovered.damaged.unwrap()).unwrap(), damaged);
    }
    // What an earlier file system left for unwritten blocks.
    let mut zeros = whole.clone();
    zeros.extend([0; 4096]);
    let mut other = whole;
    other.extend_from_within(32..);
    other[32..].reverse();
    for damaged in [zeros, other] {
        fs::write(bench.path(), &damaged).unwrap();
        assert_ne!(bench.open("a").0.id(), id);
    }
}

/// A file system of a few pages. `None`, with the reason said, where it cannot be made.
struct SmallDisk(Bench);

impl SmallDisk {
    fn new() -> Option<Self> {
        let bench = Bench::new();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "dtx-test"])
            .arg(bench.directory.path())
            .stderr(Stdio::null())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            Some(Self(bench))
        } else {
            println!("skipped: no file system can be mounted here");
            None
        }
    }

    fn filler(&self) -> PathBuf {
        self.0.directory.path().join("filler")
    }

    /// Leaves no page free.
    fn fill(&self) {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.filler())
            .unwrap();
        while file.write(&[0; 4096]).is_ok_and(|count| count > 0) {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let directory = self.0.directory.path();
        Command::new("umount").arg(directory).status().unwrap();
    }
}

#[test]
fn a_full_disk_refuses_jobs_and_leaves_no_half_records() {
    let Some(disk) = SmallDisk::new() else {
        return;
    };
    let (mut journal, _) = disk.0.open("a");
    let id = journal.id();
    for number in 0..3 {
        journal.accept_new(new_job(number)).unwrap();
    }
    disk.fill();
    // What is left of the last page takes some more, and then one of them half.
    let mut full = None;
    for number in 3..200 {
        let length = fs::metadata(disk.0.path()).unwrap().len();
        if let Err(error) = journal.accept_new(new_job(number)) {
            assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
            assert_eq!(fs::metadata(disk.0.path()).unwrap().len(), length);
            assert_eq!(journal.seen(OPERATOR, job(number)), None);
            full = Some(number);
            break;
        }
    }
    let full = full.expect("the disk is full at last");
    assert!(journal.ended(OPERATOR, job(0), &Ending::Exited(0)).is_err());
    assert!(
        journal.seen(OPERATOR, job(0)).unwrap().ending().is_some(),
        "it happened"
    );
    fs::remove_file(disk.filler()).unwrap();
    journal.accept_new(new_job(full)).unwrap();
    drop(journal);
    let (journal, recovered) = disk.0.open("a");
    assert_eq!((journal.id(), recovered.cut), (id, 0));
    assert!((0..=full).all(|number| journal.seen(OPERATOR, job(number)).is_some()));
}

#[test]
fn old_jobs_are_forgotten_young_ones_never_and_the_file_stays_small() {
    let bench = Bench::new();
    let (mut journal, _) = bench.open("a");
    let id = journal.id();
    journal.accept_new(new_job(1_000_000)).unwrap();
    for round in 0..4 {
        for number in round * 6_000..(round + 1) * 6_000 {
            journal.accept_new(new_job(number)).unwrap();
            journal
                .ended(OPERATOR, job(number), &Ending::Exited(0))
                .unwrap();
        }
        let young = round * 6_000..(round + 1) * 6_000;
        assert!(
            young
                .clone()
                .all(|number| journal.seen(OPERATOR, job(number)).is_some())
        );
        bench.wait(KEEP_MIN + Duration::from_secs(1));
    }
    assert_eq!(
        journal.seen(OPERATOR, job(0)),
        None,
        "there are many, and it is old enough"
    );
    let open = journal.seen(OPERATOR, job(1_000_000)).unwrap();
    assert_eq!(open.ending(), None, "what may run is not forgotten");
    let length = fs::metadata(bench.path()).unwrap().len();
    assert!(length < 4 * 1024 * 1024, "{length}");
    drop(journal);

    let (journal, recovered) = bench.open("a");
    assert_eq!(journal.id(), id);
    assert_eq!(recovered.lost.len(), 1);
    assert!(journal.seen(OPERATOR, job(23_999)).is_some());
    drop(journal);
    bench.wait(DAY + KEEP_MIN);
    let (journal, _) = bench.open("a");
    assert_eq!(journal.seen(OPERATOR, job(23_999)), None);
    let rewritten = fs::metadata(bench.path()).unwrap().len();
    assert!(rewritten < 1_000, "{rewritten} of {length}");
}

#[test]
fn an_earlier_life_of_the_node_is_only_as_old_as_this_one() {
    let bench = Bench::new();
    bench.wait(2 * DAY);
    let (mut journal, _) = bench.open("a");
    journal.accept_new(new_job(1)).unwrap();
    journal.ended(OPERATOR, job(1), &Ending::Exited(0)).unwrap();
    drop(journal);
    bench.clock.0.set(1_000);
    assert!(bench.open("b").0.seen(OPERATOR, job(1)).is_some());
    bench.wait(DAY + Duration::from_secs(1));
    assert_eq!(bench.open("b").0.seen(OPERATOR, job(1)), None);
}

/// Takes a job on and has it refused, in a table.
fn pass(table: &mut Table, operator: Fingerprint, number: u32) {
    let job = job(number);
    let key = Key { operator, job };
    table.apply(&Record::Accepted {
        key,
        run: RunId::from_bytes([9; 16]),
        digest: [0; 32],
        rule: String::new(),
        wall_ms: 0,
        boot_ms: 0,
    });
    let refusal = busy();
    table.apply(&Record::NotStarted { key, refusal });
}

#[test]
fn a_full_table_refuses_and_forgets_nothing_early() {
    let mut table = Table::default();
    let operator = |number: u32| {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        Fingerprint::from_bytes(bytes)
    };
    let count = u32::try_from(JOBS_MAX).unwrap();
    for number in 0..count {
        assert_eq!(table.room(operator(number)), Room::Free);
        pass(&mut table, operator(number), number);
    }
    assert_eq!(table.room(OPERATOR), Room::Full);
    let min = u64::try_from(KEEP_MIN.as_millis()).unwrap();
    table.forget(DAY, min);
    assert_eq!(table.room(OPERATOR), Room::Full);
    for number in 0..count {
        let (operator, job) = (operator(number), job(number));
        assert!(table.get(&Key { operator, job }).is_some(), "{number}");
    }
    table.forget(DAY, min + 1_000);
    assert_eq!(table.room(OPERATOR), Room::Free);
}

#[test]
fn no_operator_fills_the_table_for_the_others() {
    let mut table = Table::default();
    let mut taken = [0; 3];
    for (greedy, taken) in taken.iter_mut().enumerate() {
        let operator = Fingerprint::from_bytes([u8::try_from(greedy).unwrap(); 32]);
        while table.room(operator) == Room::Free {
            pass(&mut table, operator, *taken);
            *taken += 1;
        }
        assert_eq!(table.room(operator), Room::ShareFull);
        // One that was refused may be sent again without a place of its own.
        pass(&mut table, operator, 0);
        assert_eq!(table.room(operator), Room::ShareFull);
    }
    assert!(taken[0] > 100_000, "one may have as many as an hour brings");
    assert!(taken[1] > 25_000 && taken[2] > 6_000, "{taken:?}");
    assert_eq!(table.room(Fingerprint::from_bytes([9; 32])), Room::Free);
}

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let text = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[test]
fn a_job_that_is_over_costs_less_than_96_bytes() {
    const JOBS: u32 = 100_000;
    // In a process of its own, where nobody else asks for memory.
    let child = crate::sys::fork(|| {
        let mut table = Table::default();
        pass(&mut table, OPERATOR, u32::MAX);
        let before = resident();
        for number in 0..JOBS {
            pass(&mut table, OPERATOR, number.wrapping_mul(0x9e37_79b1));
        }
        let each = (resident() - before) / JOBS as usize;
        crate::sys::exit_now(i32::try_from(each).unwrap());
    })
    .unwrap();
    match nix::sys::wait::waitpid(child, None).unwrap() {
        nix::sys::wait::WaitStatus::Exited(_, each) => {
            println!("{each} bytes each");
            // Fewer than the 48 of an entry where the heap had room from other tests.
            assert!(each < 96, "{each} bytes each");
        }
        other => panic!("{other:?}"),
    }
}
