//! What the executor writes down.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use dtx_proto_types::id::JobId;
use dtx_proto_types::job::JobSpec;
use dtx_proto_types::message::Refusal;
use dtx_proto_types::outcome::Ending;
use serde::Deserialize;

use super::budget::Budget;
use super::entry::{Entry, Line};
use super::file::{AuditError, LineFile};
use crate::trust::{AuthorizedJob, Clock, Session, SystemClock, utc};

/// The audit log of one agent. Each method writes one line with one `write()`, and returns only
/// when the kernel has it; after an error nothing of the kind that it tells may be done.
#[derive(Debug)]
pub struct Audit {
    lines: LineFile,
    next: u64,
    refusals: Budget,
}

#[derive(Deserialize)]
struct Numbered {
    seq: u64,
}

impl Audit {
    /// Opens the log, readable for its owner alone, or makes it. Lines are numbered on from the
    /// last one that is there.
    ///
    /// # Errors
    ///
    /// If it cannot be opened, or is no regular file.
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        let number = |line: &[u8]| {
            let numbered: Option<Numbered> = serde_json::from_slice(line).ok();
            numbered.map(|Numbered { seq }| seq)
        };
        let (lines, last) = LineFile::open(path, number)?;
        Ok(Self {
            lines,
            next: last.map_or(1, |seq| seq.saturating_add(1)),
            refusals: Budget::default(),
        })
    }

    /// A job is allowed. Written before it is accepted.
    ///
    /// # Errors
    ///
    /// Then the job may not be accepted.
    pub fn allowed(&mut self, who: &Session, job: &AuthorizedJob) -> Result<(), AuditError> {
        self.write(&Entry::allowed(who, job))
    }

    /// A job is denied. Written before its operator is told.
    ///
    /// # Errors
    ///
    /// If the line could not be added.
    pub fn denied(
        &mut self,
        who: &Session,
        spec: &JobSpec,
        refusal: &Refusal,
    ) -> Result<(), AuditError> {
        self.write(&Entry::denied(who, spec, refusal))
    }

    /// A request was refused before the policy was asked: by an operator who is no longer one, with
    /// a job that is stale, or not meant for this node. Of many in a short time only the first are
    /// written; the next line says how many were left out. A peer without a session can be anybody,
    /// and all such peers share one allowance.
    ///
    /// # Errors
    ///
    /// If the line could not be added.
    pub fn refused(
        &mut self,
        who: Option<&Session>,
        peer: Option<SocketAddr>,
        refusal: &Refusal,
    ) -> Result<(), AuditError> {
        let whose = who.map(Session::fingerprint);
        let Some(omitted) = self.refusals.admit(whose, Instant::now()) else {
            return Ok(());
        };
        self.write(&Entry::refused(who, peer, refusal, omitted))?;
        self.refusals.written(whose);
        Ok(())
    }

    /// An allowed job was not started after all.
    ///
    /// # Errors
    ///
    /// If the line could not be added.
    pub fn not_started(
        &mut self,
        who: &Session,
        job: JobId,
        refusal: &Refusal,
    ) -> Result<(), AuditError> {
        self.write(&Entry::not_started(who, job, refusal))
    }

    /// A job ended.
    ///
    /// # Errors
    ///
    /// If the line could not be added.
    pub fn ended(
        &mut self,
        who: &Session,
        job: JobId,
        ending: &Ending,
        duration_us: u64,
    ) -> Result<(), AuditError> {
        self.write(&Entry::ended(who, job, ending, duration_us))
    }

    fn write(&mut self, entry: &Entry<'_>) -> Result<(), AuditError> {
        let line = Line {
            seq: self.next,
            time: &utc(SystemClock.wall_ms()),
            entry,
        };
        let line = serde_json::to_string(&line).expect("an entry has text keys only");
        self.lines.add(&line)?;
        self.next += 1;
        Ok(())
    }
}
