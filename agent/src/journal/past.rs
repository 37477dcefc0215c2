//! Jobs that are over: a hundred thousand short ones in an hour, so each in few bytes.

use std::collections::{BTreeMap, VecDeque};
use std::mem;

use dtx_proto_types::id::JobId;
use dtx_proto_types::message::{Refusal, RefusalCode};
use dtx_proto_types::outcome::Ending;

use super::digest::Digest;

/// Jobs that are kept apart until they are sorted in among the others.
const RECENT_MAX: usize = 1_024;
/// Texts that are kept. Somebody may still ask for the newest; the journal file has all of them.
const TEXTS_MAX: usize = 256;
/// What stands in for a text that is not kept any more.
const FORGOTTEN: &str = "the agent does not remember any more why; see its audit log";

/// Whose job it is, by a number of the table's, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ShortKey {
    pub(super) operator: u32,
    pub(super) job: JobId,
}

/// One job that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Past {
    pub(super) digest: Digest,
    /// Full seconds of the node's present life when it was taken on, rounded up. What was taken
    /// on in an earlier life is older than this one: nobody knows by how much.
    pub(super) since: u32,
    pub(super) how: How,
}

/// How a job was over, without the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Exited(i32),
    Signaled(i32),
    TimedOut,
    Cancelled,
    SetupFailed,
    SetupFailedWith(i32),
    Lost,
    NotStarted(RefusalCode),
}

/// What a job's record says about its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Ended(Ending),
    NotStarted(Refusal),
}

/// One key and its job: what a hundred thousand of them cost.
type Entry = (ShortKey, Past);

/// All jobs that are over.
#[derive(Debug, Default)]
pub(super) struct PastJobs {
    /// By key, without gaps.
    settled: Vec<Entry>,
    recent: BTreeMap<ShortKey, Past>,
    /// Oldest first.
    texts: VecDeque<(ShortKey, Box<str>)>,
}

impl PastJobs {
    pub(super) fn len(&self) -> usize {
        self.settled.len() + self.recent.len()
    }

    pub(super) fn get(&self, key: &ShortKey) -> Option<&Past> {
        self.recent
            .get(key)
            .or_else(|| self.find(key).map(|index| &self.settled[index].1))
    }

    fn find(&self, key: &ShortKey) -> Option<usize> {
        self.settled.binary_search_by_key(key, |entry| entry.0).ok()
    }

    /// How the job of this key was over, in words.
    pub(super) fn verdict(&self, key: &ShortKey) -> Option<Verdict> {
        let how = self.get(key)?.how;
        let mut texts = self.texts.iter().rev();
        let text = texts.find(|(of, _)| of == key).map(|(_, text)| &**text);
        Some(how.with(text.unwrap_or(FORGOTTEN)))
    }

    /// Remembers a job, in the place of an earlier one with its key.
    pub(super) fn insert(&mut self, key: ShortKey, past: Past, verdict: &Verdict) {
        self.remove(&key);
        if self.recent.len() >= RECENT_MAX {
            self.settled.extend(mem::take(&mut self.recent));
            // Two sorted runs one after the other: merged in one pass.
            self.settled.sort_by_key(|entry| entry.0);
        }
        self.recent.insert(key, past);
        if let Some(text) = verdict.text() {
            if self.texts.len() >= TEXTS_MAX {
                self.texts.pop_front();
            }
            self.texts.push_back((key, text.into()));
        }
    }

    pub(super) fn remove(&mut self, key: &ShortKey) -> Option<Past> {
        let past = self
            .recent
            .remove(key)
            .or_else(|| self.find(key).map(|index| self.settled.remove(index).1))?;
        self.texts.retain(|(of, _)| of != key);
        Some(past)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Past> {
        let settled = self.settled.iter().map(|entry| &entry.1);
        settled.chain(self.recent.values())
    }

    /// A new life of the node has begun.
    pub(super) fn begin_life(&mut self) {
        for (_, past) in &mut self.settled {
            past.since = 0;
        }
        for past in self.recent.values_mut() {
            past.since = 0;
        }
    }

    /// Keeps the jobs for which `keep` holds.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&ShortKey, &Past) -> bool) {
        self.settled.retain(|(key, past)| keep(key, past));
        self.recent.retain(|key, past| keep(key, past));
        if self.settled.capacity() / 2 > self.settled.len() {
            self.settled.shrink_to_fit();
        }
        let mut texts = mem::take(&mut self.texts);
        texts.retain(|(key, _)| self.get(key).is_some());
        self.texts = texts;
    }
}

impl How {
    fn with(self, text: &str) -> Verdict {
        Verdict::Ended(match self {
            Self::Exited(code) => Ending::Exited(code),
            Self::Signaled(signal) => Ending::Signaled(signal),
            Self::TimedOut => Ending::TimedOut,
            Self::Cancelled => Ending::Cancelled(text.to_owned()),
            Self::SetupFailed | Self::SetupFailedWith(_) => Ending::SetupFailed {
                code: match self {
                    Self::SetupFailedWith(code) => Some(code),
                    _ => None,
                },
                reason: text.to_owned(),
            },
            Self::Lost => Ending::Lost(text.to_owned()),
            Self::NotStarted(code) => {
                let text = text.to_owned();
                return Verdict::NotStarted(Refusal { code, text });
            }
        })
    }
}

impl Verdict {
    pub(super) const fn how(&self) -> How {
        match self {
            Self::Ended(Ending::Exited(code)) => How::Exited(*code),
            Self::Ended(Ending::Signaled(signal)) => How::Signaled(*signal),
            Self::Ended(Ending::TimedOut) => How::TimedOut,
            Self::Ended(Ending::Cancelled(_)) => How::Cancelled,
            Self::Ended(Ending::SetupFailed { code: None, .. }) => How::SetupFailed,
            Self::Ended(Ending::SetupFailed {
                code: Some(code), ..
            }) => How::SetupFailedWith(*code),
            Self::Ended(Ending::Lost(_)) => How::Lost,
            Self::NotStarted(refusal) => How::NotStarted(refusal.code),
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Ended(Ending::Cancelled(text) | Ending::Lost(text))
            | Self::Ended(Ending::SetupFailed { reason: text, .. })
            | Self::NotStarted(Refusal { text, .. }) => Some(text),
            Self::Ended(Ending::Exited(_) | Ending::Signaled(_) | Ending::TimedOut) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> ShortKey {
        // In no order.
        let job = u128::from(number.wrapping_mul(0x9e37_79b1)) << 64 | u128::from(number);
        ShortKey {
            operator: number % 3,
            job: JobId::from_bytes(job.to_be_bytes()),
        }
    }

    #[test]
    fn a_job_that_is_over_takes_few_bytes() {
        assert_eq!(size_of::<Entry>(), 48);
    }

    #[test]
    fn everything_is_found_replaced_and_removed_however_old() {
        let mut past = PastJobs::default();
        let count = 10 * u32::try_from(RECENT_MAX).unwrap();
        let entry = |number: u32, since| {
            let verdict = match number % 4 {
                0 => Verdict::Ended(Ending::Exited(number.cast_signed())),
                1 => Verdict::Ended(Ending::Lost(format!("text {number}"))),
                2 => Verdict::Ended(Ending::SetupFailed {
                    code: Some(127),
                    reason: format!("text {number}"),
                }),
                _ => Verdict::NotStarted(Refusal {
                    code: RefusalCode::Busy,
                    text: format!("text {number}"),
                }),
            };
            let digest = Digest::of(&[7; 32]);
            let how = verdict.how();
            (Past { digest, since, how }, verdict)
        };
        for number in 0..count {
            let (job, verdict) = entry(number, 1);
            past.insert(key(number), job, &verdict);
            assert_eq!(past.verdict(&key(number)), Some(verdict));
        }
        assert_eq!(past.len(), count as usize);
        for number in 0..count {
            let (job, verdict) = entry(number, 1);
            assert_eq!(past.get(&key(number)), Some(&job), "{number}");
            match (past.verdict(&key(number)).unwrap(), verdict) {
                // The newest are told in full, the others in what is counted.
                (found, told) if found == told => {}
                (found, told) => {
                    assert!(number < count - u32::try_from(TEXTS_MAX).unwrap());
                    assert_eq!(found, told.how().with(FORGOTTEN));
                }
            }
        }
        let (job, verdict) = entry(4, 9);
        past.insert(key(3), job, &verdict);
        assert_eq!(
            past.verdict(&key(3)),
            Some(Verdict::Ended(Ending::Exited(4)))
        );
        assert_eq!(past.len(), count as usize);
        assert_eq!(past.remove(&key(5)).map(|past| past.since), Some(1));
        assert_eq!(past.remove(&key(5)), None);
        past.begin_life();
        assert!(past.iter().all(|past| past.since == 0));
        past.retain(|at, _| *at == key(6));
        assert_eq!((past.len(), past.texts.len()), (1, 0));
        assert!(past.settled.capacity() <= RECENT_MAX);
    }
}
