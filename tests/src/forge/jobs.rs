//! Jobs that no node may start, under a grant that every node takes.

use std::sync::Arc;

use dtx_proto_types::grant::SignedGrant;
use dtx_proto_types::job::{JobSpec, Seat};
use dtx_proto_types::signed::{SecretKey, SignedJob};

use super::operator::{MINUTE, Operator, job, session_key, sign};
use super::spoil::TIMES;
use crate::dice::Dice;

/// A session key and a grant for it that holds.
pub(super) struct Honest {
    pub(super) session: Arc<SecretKey>,
    pub(super) grant: SignedGrant,
}

/// A job with the name that it would write.
pub(super) struct ForgedJob {
    pub(super) name: String,
    pub(super) job: SignedJob,
}

impl Honest {
    /// A new one.
    pub(super) fn new(dice: &mut Dice) -> Self {
        let operator = Operator::known();
        let session = session_key(dice);
        let grant = operator.sign(&operator.draft(&session, dice));
        Self { session, grant }
    }
}

/// All that are wrong by themselves, for the session of `honest` at the node `n1`.
pub(super) fn all(honest: &Honest, dice: &mut Dice) -> Vec<ForgedJob> {
    let mut forged = spoilt(honest, dice);
    forged.extend(wrongly_said(honest, dice));
    forged.extend(wrongly_signed(honest, dice));
    forged
}

fn spoilt(honest: &Honest, dice: &mut Dice) -> Vec<ForgedJob> {
    let mut forged = Vec::new();
    for (spoil, times) in TIMES {
        for turn in 0..times {
            for part in ["payload", "signature"] {
                let name = format!("job-{part}-{spoil:?}-{turn}");
                let mut job = sign(&honest.session, &job(&name, &["n1"], dice));
                if part == "payload" {
                    job.payload = spoil.apply(&job.payload, dice);
                } else {
                    job.signature = spoil.apply(&job.signature, dice);
                }
                forged.push(ForgedJob { name, job });
            }
        }
    }
    forged
}

type Change = fn(&mut JobSpec);

/// Signed as they should be.
fn wrongly_said(honest: &Honest, dice: &mut Dice) -> Vec<ForgedJob> {
    let seat = |name: &str| Seat(name.parse().expect("a name"), 0);
    let mut jobs = Vec::new();
    let changes: [(&str, Change); 7] = [
        ("stale", |spec| {
            spec.issued_ms -= 30 * MINUTE;
            spec.start_by_ms -= 30 * MINUTE;
        }),
        ("not-yet", |spec| {
            spec.issued_ms += 30 * MINUTE;
            spec.start_by_ms += 30 * MINUTE;
        }),
        ("long-window", |spec| spec.start_by_ms += 5 * MINUTE),
        ("endless-window", |spec| spec.start_by_ms = u64::MAX),
        ("backwards", |spec| {
            std::mem::swap(&mut spec.issued_ms, &mut spec.start_by_ms);
        }),
        ("other-cluster", |spec| {
            "other".clone_into(&mut spec.cluster);
        }),
        ("nobody", |spec| spec.batch.clear()),
    ];
    for (name, change) in changes {
        let name = format!("job-{name}");
        let mut spec = job(&name, &["n1"], dice);
        change(&mut spec);
        jobs.push((name, spec));
    }
    for others in [&["n2"][..], &["n11"], &["N1"], &["n2", "n3", "n4"]] {
        let name = format!("job-for-{}", others.join("-"));
        let spec = job(&name, others, dice);
        jobs.push((name, spec));
    }
    let mut crowd = job("job-crowd", &["n1"], dice);
    crowd.batch.extend((2..300).map(|n| seat(&format!("n{n}"))));
    jobs.push(("job-crowd".to_owned(), crowd));
    jobs.into_iter()
        .map(|(name, spec)| ForgedJob {
            name,
            job: sign(&honest.session, &spec),
        })
        .collect()
}

/// Right in every word, and not this session's.
fn wrongly_signed(honest: &Honest, dice: &mut Dice) -> Vec<ForgedJob> {
    let other = session_key(dice);
    let mut forged = Vec::new();
    let mut add = |name: &str, make: &dyn Fn(&JobSpec) -> SignedJob, dice: &mut Dice| {
        let spec = job(name, &["n1"], dice);
        forged.push(ForgedJob {
            name: name.to_owned(),
            job: make(&spec),
        });
    };
    let signed_as = |spec: &JobSpec, message: &dyn Fn(&[u8]) -> Vec<u8>| {
        let mut job = sign(&honest.session, spec);
        job.signature = honest.session.sign(&message(&job.payload)).to_vec();
        job
    };
    add("job-of-another-session", &|spec| sign(&other, spec), dice);
    add(
        "job-without-domain",
        &|spec| signed_as(spec, &<[u8]>::to_vec),
        dice,
    );
    add(
        "job-of-another-domain",
        &|spec| signed_as(spec, &|payload| [b"dtx-job-v2\0", payload].concat()),
        dice,
    );
    add(
        "job-unsigned",
        &|spec| {
            let mut job = sign(&honest.session, spec);
            job.signature.clear();
            job
        },
        dice,
    );
    add(
        "job-zero-signature",
        &|spec| {
            let mut job = sign(&honest.session, spec);
            job.signature.fill(0);
            job
        },
        dice,
    );
    forged
}
