//! Grants that no node may believe.

use std::sync::Arc;

use dtx_proto_types::grant::{Grant, SignedGrant};
use dtx_proto_types::signed::SecretKey;

use super::operator::{MINUTE, Operator, session_key};
use super::spoil::TIMES;
use crate::dice::Dice;

/// What is shown to a node, and by whom.
pub(super) struct ForgedGrant {
    pub(super) name: String,
    pub(super) session: Arc<SecretKey>,
    pub(super) grant: SignedGrant,
}

/// All of them.
pub(super) fn all(dice: &mut Dice) -> Vec<ForgedGrant> {
    let mut forged = spoilt(dice);
    forged.extend(wrongly_said(dice));
    forged.extend(wrongly_signed(dice));
    forged
}

fn spoilt(dice: &mut Dice) -> Vec<ForgedGrant> {
    let operator = Operator::known();
    let session = session_key(dice);
    let good = operator.sign(&operator.draft(&session, dice));
    let mut forged = Vec::new();
    for (spoil, times) in TIMES {
        for turn in 0..times {
            let mut payload = good.clone();
            payload.payload = spoil.apply(&good.payload, dice);
            let mut signature = good.clone();
            signature.signature = spoil.apply(&good.signature, dice);
            for (part, grant) in [("payload", payload), ("signature", signature)] {
                forged.push(ForgedGrant {
                    name: format!("grant-{part}-{spoil:?}-{turn}"),
                    session: Arc::clone(&session),
                    grant,
                });
            }
        }
    }
    forged
}

type Change = fn(&mut Grant);

/// Signed as they should be, by an operator that the node knows.
fn wrongly_said(dice: &mut Dice) -> Vec<ForgedGrant> {
    let changes: [(&str, Change); 9] = [
        ("expired", |grant| {
            grant.issued_ms -= 20 * MINUTE;
            grant.expires_ms -= 20 * MINUTE;
        }),
        ("long-expired", |grant| {
            grant.issued_ms = 0;
            grant.expires_ms = MINUTE;
        }),
        ("not-yet", |grant| {
            grant.issued_ms += 20 * MINUTE;
            grant.expires_ms += 20 * MINUTE;
        }),
        ("too-long", |grant| grant.expires_ms += 60 * MINUTE),
        ("endless", |grant| grant.expires_ms = u64::MAX),
        ("backwards", |grant| {
            std::mem::swap(&mut grant.issued_ms, &mut grant.expires_ms);
        }),
        ("other-cluster", |grant| {
            "other".clone_into(&mut grant.cluster);
        }),
        ("no-cluster", |grant| grant.cluster.clear()),
        ("version-2", |grant| grant.version = 2),
    ];
    let operator = Operator::known();
    let forge = |(name, change): (&str, Change)| {
        let session = session_key(dice);
        let mut draft = operator.draft(&session, dice);
        change(&mut draft);
        ForgedGrant {
            name: format!("grant-{name}"),
            grant: operator.sign(&draft),
            session,
        }
    };
    changes.into_iter().map(forge).collect()
}

/// Right in every word, and not the operator's word for this session.
fn wrongly_signed(dice: &mut Dice) -> Vec<ForgedGrant> {
    let operator = Operator::known();
    let stranger = Operator::stranger(dice);
    let session = session_key(dice);
    let draft = operator.draft(&session, dice);
    let theirs = stranger.draft(&session, dice);
    let mut transplanted = operator.sign(&draft);
    transplanted.payload = theirs.encode();
    let stolen = operator.sign(&draft);
    let mut forged = vec![
        ("stranger", Arc::clone(&session), stranger.sign(&theirs)),
        ("in-their-name", Arc::clone(&session), stranger.sign(&draft)),
        ("transplanted", Arc::clone(&session), transplanted),
        ("stolen", session_key(dice), stolen),
    ];
    for namespace in [
        "file",
        "git",
        "dtx-host-v1",
        "dtx-grant-v2",
        "dtx-grant-v1 ",
    ] {
        let grant = operator.sign_for(namespace, &draft);
        forged.push(("other-namespace", Arc::clone(&session), grant));
    }
    let named = |(name, session, grant): (&str, _, _)| ForgedGrant {
        name: format!("grant-{name}"),
        session,
        grant,
    };
    forged.into_iter().map(named).collect()
}
