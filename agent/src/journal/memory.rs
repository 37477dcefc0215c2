//! The journal as the executor uses it.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dtx_proto_types::id::{JobId, JournalId, RunId};
use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::message::Refusal;
use dtx_proto_types::outcome::Ending;

use super::file::{Found, JournalFile};
use super::jobs::{LostJob, Room, Seen};
use super::record::{Key, Record};
use super::table::{KEEP_MIN, Sight, Table};
use crate::trust::{AuthorizedJob, Clock, GrantSight, SightLog};

/// The file below the executor's directory.
const FILE_NAME: &str = "journal";
/// Where a damaged one is put, over an earlier one.
const DAMAGED_NAME: &str = "journal.damaged";
/// Longest text of a record. What a person needs of a longer one is at its beginning.
const TEXT_MAX: usize = 1024;

/// Remembers every job that this agent has taken on, and every grant.
#[derive(Debug)]
pub struct Journal {
    file: JournalFile,
    table: Table,
    keep: Duration,
    clock: Box<dyn Clock>,
}

/// Why there is no journal. Without one an agent does not start.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file cannot be read or made.
    #[error(
        "cannot open the journal {path}: {source}; make the directory writable, or give another with --state-dir"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No random bytes for an id.
    #[error("cannot draw an id for the journal: {0}")]
    Random(#[source] io::Error),
}

/// What was found when the journal was opened.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Jobs of which the end was not seen; they are `lost` now.
    pub lost: Vec<LostJob>,
    /// First sights of grants, and whether each was since the node was started.
    pub sights: Vec<(GrantSight, bool)>,
    /// Bytes of a record that was never finished, cut away.
    pub cut: u64,
    /// Where a damaged journal was put; then this is a new one with a new id.
    pub damaged: Option<PathBuf>,
}

impl Journal {
    /// Opens the journal in `directory`, or begins one. Jobs that ran when it was last written
    /// are over: they end as `lost`, in the journal, too.
    ///
    /// What ended is remembered for `keep`, and never for less than twice as long as a job could
    /// be sent again.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, made or written.
    pub fn open(
        directory: &Path,
        boot_id: &str,
        keep: Duration,
        clock: Box<dyn Clock>,
    ) -> Result<(Self, Recovered), JournalError> {
        let path = directory.join(FILE_NAME);
        let failed = |source| JournalError::Open {
            path: path.clone(),
            source,
        };
        let mut recovered = Recovered::default();
        let mut table = Table::default();
        let found = JournalFile::open(&path, &mut |record| table.apply(&record)).map_err(failed)?;
        if matches!(found, Found::Damaged) {
            table = Table::default();
            let aside = directory.join(DAMAGED_NAME);
            fs::rename(&path, &aside).map_err(failed)?;
            recovered.damaged = Some(aside);
        }
        let file = match found {
            Found::Journal { file, cut } => {
                recovered.cut = cut;
                file
            }
            Found::Nothing | Found::Damaged => {
                let id = random_id().map_err(JournalError::Random)?;
                JournalFile::create(&path, id).map_err(failed)?
            }
        };
        let mut journal = Self {
            file,
            table,
            keep,
            clock,
        };
        if journal.table.boot_id() != boot_id {
            let boot_id = boot_id.to_owned();
            journal.write(Record::Boot { boot_id }).map_err(failed)?;
        }
        recovered.lost = journal.lose_open_jobs();
        journal.forget_old();
        recovered.sights = journal.table.sights();
        Ok((journal, recovered))
    }

    /// This journal's id: another one means that earlier records are gone.
    #[must_use]
    pub const fn id(&self) -> JournalId {
        self.file.id()
    }

    /// What is known about a job of this operator.
    #[must_use]
    pub fn seen(&self, operator: Fingerprint, job: JobId) -> Option<Seen> {
        self.table.get(&Key { operator, job })
    }

    /// Takes a job on. Only after this has succeeded may it be started.
    ///
    /// # Errors
    ///
    /// If it cannot be written; if the table is full of jobs that may not be forgotten yet; if a
    /// job of this operator and id has been taken on before and may have started.
    pub fn accept(&mut self, operator: Fingerprint, job: &AuthorizedJob) -> io::Result<()> {
        let spec = job.spec();
        self.accept_new(NewJob {
            key: Key {
                operator,
                job: spec.job,
            },
            run: spec.run,
            digest: spec.identity_digest(),
            rule: job.rule(),
        })
    }

    pub(super) fn accept_new(&mut self, new: NewJob<'_>) -> io::Result<()> {
        let key = new.key;
        if !self.table.may_accept(&key) {
            let text = "this job was taken on before; it is not started again";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        if self.table.wants_sweep() {
            self.forget_old();
        }
        let whose = match self.table.room(key.operator) {
            // It has its place already.
            _ if self.table.get(&key).is_some() => None,
            Room::Free => None,
            Room::ShareFull => Some("this operator's jobs"),
            Room::Full => Some("jobs"),
        };
        if let Some(whose) = whose {
            let minutes = KEEP_MIN.as_secs() / 60;
            let text = format!(
                "the journal is full of {whose}, and forgets none before {minutes} minutes; try \
                 again later, and put many short commands into one job"
            );
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, text));
        }
        self.write(Record::Accepted {
            key,
            run: new.run,
            digest: new.digest,
            rule: cut(new.rule),
            wall_ms: self.clock.wall_ms(),
            boot_ms: self.clock.boot_ms(),
        })
    }

    /// Its main process runs.
    ///
    /// # Errors
    ///
    /// If it cannot be written; this journal knows it nevertheless.
    pub fn started(
        &mut self,
        operator: Fingerprint,
        job: JobId,
        pid: u32,
        start_time: u64,
    ) -> io::Result<()> {
        let key = Key { operator, job };
        self.note(Record::Started {
            key,
            pid,
            start_time,
        })
    }

    /// It ended.
    ///
    /// # Errors
    ///
    /// If it cannot be written; this journal knows it nevertheless.
    pub fn ended(&mut self, operator: Fingerprint, job: JobId, ending: &Ending) -> io::Result<()> {
        let key = Key { operator, job };
        let ending = cut_ending(ending);
        self.note(Record::Ended { key, ending })
    }

    /// It provably never started.
    ///
    /// # Errors
    ///
    /// If it cannot be written; this journal knows it nevertheless.
    pub fn not_started(
        &mut self,
        operator: Fingerprint,
        job: JobId,
        refusal: &Refusal,
    ) -> io::Result<()> {
        let key = Key { operator, job };
        let refusal = Refusal {
            code: refusal.code,
            text: cut(&refusal.text),
        };
        self.note(Record::NotStarted { key, refusal })
    }

    /// Forgets what is old enough, and makes the file smaller where that is worth it.
    fn forget_old(&mut self) {
        self.table.forget(self.keep, self.clock.boot_ms());
        if self.file.wants_rewriting() {
            let table = &self.table;
            if let Err(error) = self.file.rewrite(&mut |record| table.remembers(record)) {
                log::warn!("the journal goes on growing, it cannot be rewritten: {error}");
            }
        }
    }

    /// First the file, then the table: what could not be written has not happened.
    fn write(&mut self, record: Record) -> io::Result<()> {
        self.file.append(&record)?;
        self.table.apply(&record);
        Ok(())
    }

    /// For what has happened, whether it can be written or not.
    fn note(&mut self, record: Record) -> io::Result<()> {
        self.table.apply(&record);
        self.file.append(&record)
    }

    fn lose_open_jobs(&mut self) -> Vec<LostJob> {
        let mut lost = Vec::new();
        for (key, job) in self.table.open_jobs() {
            let what = if job.this_boot { "agent" } else { "node" };
            let ending = Ending::Lost(format!("the {what} was restarted while the job ran"));
            if let Err(error) = self.note(Record::Ended { key, ending }) {
                // The next start finds the same again.
                log::warn!("the journal cannot be written: {error}");
            }
            lost.push(job);
        }
        lost
    }
}

impl SightLog for Journal {
    fn record_sight(&mut self, sight: &GrantSight) -> io::Result<()> {
        if self.table.wants_sweep() {
            self.forget_old();
        }
        match self.table.takes_sight(&sight.nonce) {
            Sight::Known => Ok(()),
            Sight::New => self.write(Record::GrantSeen {
                nonce: sight.nonce,
                operator: sight.operator,
                issued_ms: sight.issued_ms,
                boot_ms: sight.boot_ms,
            }),
            Sight::NoRoom => {
                let text = "there were too many grants in a short time";
                Err(io::Error::new(io::ErrorKind::QuotaExceeded, text))
            }
        }
    }
}

/// A job to be taken on.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewJob<'a> {
    pub(super) key: Key,
    pub(super) run: RunId,
    pub(super) digest: [u8; 32],
    pub(super) rule: &'a str,
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_MAX)].to_owned()
}

fn cut_ending(ending: &Ending) -> Ending {
    match ending {
        Ending::Cancelled(text) => Ending::Cancelled(cut(text)),
        Ending::Lost(text) => Ending::Lost(cut(text)),
        Ending::SetupFailed { code, reason } => Ending::SetupFailed {
            code: *code,
            reason: cut(reason),
        },
        Ending::Exited(_) | Ending::Signaled(_) | Ending::TimedOut => ending.clone(),
    }
}

fn random_id() -> io::Result<JournalId> {
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(JournalId::from_bytes(bytes))
}
