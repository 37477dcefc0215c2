//! Signing: one signature for all nodes that are dispatched at the same moment.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dtx_proto_types::id::JobId;
use dtx_proto_types::job::{JobSpec, Seat};
use dtx_proto_types::limits::{BATCH_MAX, JOB_MAX, START_WINDOW};
use dtx_proto_types::node::NodeName;
use dtx_proto_types::signed::{SecretKey, encode};
use tokio::time::Instant;

use crate::random::{self, RandomError};
use crate::session::EncodedJob;

/// A signed job is not sent any more this long before its latest start: on the way and in a
/// node's queue, time passes.
const MARGIN: Duration = Duration::from_secs(15);

/// A job, signed for a batch.
#[derive(Debug, Clone)]
pub(super) struct SignedBatch {
    pub(super) id: JobId,
    pub(super) job: EncodedJob,
    /// Until when it may be sent.
    pub(super) fresh_until: Instant,
}

/// Signs the jobs of one run.
#[derive(Debug)]
pub(crate) struct JobSigner {
    key: Arc<SecretKey>,
    /// All that does not differ from batch to batch.
    spec: JobSpec,
    /// The job id of each repetition: what had started is run again under a new one.
    ids: Mutex<BTreeMap<u32, JobId>>,
    signatures: AtomicUsize,
}

impl JobSigner {
    /// For a run whose jobs are `spec` but for batch, job id, attempt and times.
    pub(crate) fn new(key: Arc<SecretKey>, spec: JobSpec) -> Self {
        Self {
            key,
            ids: Mutex::new(BTreeMap::from([(1, spec.job)])),
            spec,
            signatures: AtomicUsize::new(0),
        }
    }

    /// How large a job may become with the nodes whose names are longest.
    pub(crate) fn largest(&self, names: impl Iterator<Item = usize>) -> usize {
        let mut lengths: Vec<usize> = names.collect();
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        // A seat is an array of a string and a number: eight bytes besides the name.
        let seats: usize = lengths.iter().take(BATCH_MAX).map(|name| name + 8).sum();
        encode(&self.spec).len() + seats + 16
    }

    /// Signs the `repetition`th job, from 1, for these nodes.
    pub(super) fn sign(
        &self,
        repetition: u32,
        batch: Vec<Seat>,
    ) -> Result<SignedBatch, RandomError> {
        debug_assert!(batch.len() <= BATCH_MAX);
        let id = self.id(repetition)?;
        let issued_ms = now_ms();
        let spec = JobSpec {
            job: id,
            batch,
            attempt: repetition,
            issued_ms,
            start_by_ms: issued_ms + u64::try_from(START_WINDOW.as_millis()).unwrap_or(u64::MAX),
            ..self.spec.clone()
        };
        self.signatures.fetch_add(1, Ordering::Relaxed);
        let signed = self.key.sign_job(&spec);
        Ok(SignedBatch {
            id,
            job: EncodedJob::new(signed.expect("the size was checked before the run")),
            fresh_until: Instant::now() + (START_WINDOW - MARGIN),
        })
    }

    /// Signs for one node: its name was proven only now, or what was signed before is stale.
    pub(super) fn sign_one(
        &self,
        repetition: u32,
        name: &NodeName,
        rank: u32,
    ) -> Result<SignedBatch, RandomError> {
        self.sign(repetition, vec![Seat(name.clone(), rank)])
    }

    fn id(&self, repetition: u32) -> Result<JobId, RandomError> {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = ids.get(&repetition) {
            return Ok(*id);
        }
        let id = JobId::from_bytes(random::bytes()?);
        ids.insert(repetition, id);
        Ok(id)
    }

    /// Signatures made so far.
    #[cfg(test)]
    pub(crate) fn signatures(&self) -> usize {
        self.signatures.load(Ordering::Relaxed)
    }
}

/// The wall clock, in milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| u64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

const _: () = assert!(BATCH_MAX * 300 < JOB_MAX);
