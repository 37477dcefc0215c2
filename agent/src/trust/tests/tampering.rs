//! Whatever is done to signed bytes, nothing may run. Counted at the executor's boundary.

use dtx_proto_types::grant::{Grant, NAMESPACE, SignedGrant};
use dtx_proto_types::job::Seat;
use dtx_proto_types::message::RefusalCode as Code;
use dtx_proto_types::signed::{SecretKey, SignedJob, encode};

use super::fixture::{Lab, assert_refused, key, line, sign, signed_grant};
use crate::trust::Session;

/// Every bit of `bytes` flipped, one at a time; cut at each byte; with a byte too many.
fn damaged(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        all.push(flipped);
    }
    all.extend((0..bytes.len()).map(|end| bytes[..end].to_vec()));
    for extra in [0, 1, b'\n', 0xc0, 0xff] {
        all.push([bytes, &[extra]].concat());
        all.push([&[extra], bytes].concat());
    }
    all.push([bytes, bytes].concat());
    all
}

#[test]
fn a_damaged_grant_opens_nothing() {
    let mut lab = Lab::new();
    let good = signed_grant(&lab.alice, &lab.grant());
    assert!(lab.open_with(&good).is_ok());
    let payloads = damaged(&good.payload)
        .into_iter()
        .map(|payload| SignedGrant {
            payload,
            ..good.clone()
        });
    let signatures = damaged(&good.signature)
        .into_iter()
        .map(|signature| SignedGrant {
            signature,
            ..good.clone()
        });
    let mut tried = 0;
    for grant in payloads.chain(signatures) {
        tried += 1;
        let opened = lab.open_with(&grant);
        assert!(opened.is_err(), "{tried}: {grant:?}");
    }
    assert!(tried > 3000, "{tried}");
}

#[test]
fn a_damaged_job_is_not_verified() {
    let mut lab = Lab::new();
    let session = lab.open().unwrap();
    let good = lab.sign(&lab.shell("true"));
    assert!(lab.run(&session, &good).is_ok());
    let payloads = damaged(&good.payload).into_iter().map(|payload| SignedJob {
        payload,
        ..good.clone()
    });
    let signatures = damaged(&good.signature)
        .into_iter()
        .map(|signature| SignedJob {
            signature,
            ..good.clone()
        });
    let mut tried = 0;
    for job in payloads.chain(signatures) {
        tried += 1;
        let verified = lab.trust.verify_job(&session, &job);
        assert!(verified.is_err(), "{tried}: {job:?}");
    }
    assert!(tried > 2000, "{tried}");
}

/// The session of somebody else whom the node knows as well.
fn bobs_session(lab: &mut Lab, session_key: &SecretKey) -> Session {
    let bob = key(8);
    let both = format!("alice {}\nbob {}\n", line(&lab.alice), line(&bob));
    lab.write("operators", &both);
    let grant = Grant {
        session_key: session_key.public(),
        operator: bob.public().fingerprint(),
        ..lab.grant()
    };
    let grant = signed_grant(&bob, &grant);
    let peer = session_key.public();
    lab.trust.open(&grant, peer, &mut lab.log).unwrap()
}

#[test]
fn replayed_elsewhere() {
    let mut lab = Lab::new();
    let grant = signed_grant(&lab.alice, &lab.grant());
    let job = lab.sign(&lab.shell("true"));
    // The grant, by somebody who has not its session key.
    let stolen = lab.trust.open(&grant, key(7).public(), &mut lab.log);
    assert_refused(stolen, Code::Invalid, "another session key");
    // The job, in another operator's session, and in another one of the same operator.
    let bobs = bobs_session(&mut lab, &key(7));
    assert_refused(lab.run(&bobs, &job), Code::Invalid, "session's key");
    let renewed = Grant {
        session_key: key(6).public(),
        nonce: [6; 16],
        ..lab.grant()
    };
    let renewed = signed_grant(&lab.alice, &renewed);
    let other = lab
        .trust
        .open(&renewed, key(6).public(), &mut lab.log)
        .unwrap();
    assert_refused(lab.run(&other, &job), Code::Invalid, "session's key");
    // A job verified in one session and brought into another.
    let session = lab.open_with(&grant).unwrap();
    let verified = lab.trust.verify_job(&session, &job).unwrap();
    let moved = lab.trust.recheck_job(&other, &verified);
    assert_refused(moved, Code::Invalid, "another session");
    // All of it, on a node that is not in the batch, and in another cluster.
    let mut elsewhere = Lab::with(|config| config.node = "n2".parse().unwrap());
    let session = elsewhere.open_with(&grant).unwrap();
    let result = elsewhere.run(&session, &job);
    assert_refused(result, Code::WrongTarget, "not meant for n2");
    let mut abroad = Lab::with(|config| config.cluster = "prod".into());
    assert_refused(
        abroad.open_with(&grant),
        Code::WrongTarget,
        "--cluster prod",
    );
}

#[test]
fn well_signed_and_still_wrong() {
    let mut lab = Lab::new();
    let session = lab.open().unwrap();
    let good = lab.shell("true");
    let refused = |lab: &mut Lab, spec: &_, code, words: &str| {
        let job = lab.sign(spec);
        assert_refused(lab.run(&session, &job), code, words);
    };
    let mut spec = good.clone();
    spec.cluster = "prod".into();
    refused(&mut lab, &spec, Code::WrongTarget, "cluster");
    let mut spec = good.clone();
    spec.batch = vec![
        Seat("n11".parse().unwrap(), 0),
        Seat("N1".parse().unwrap(), 1),
    ];
    refused(&mut lab, &spec, Code::WrongTarget, "not meant");
    spec.batch = Vec::new();
    refused(&mut lab, &spec, Code::WrongTarget, "not meant");
    spec.batch = vec![Seat("n1".parse().unwrap(), 0); 257];
    refused(&mut lab, &spec, Code::Invalid, "does not know");
    // A field that this build does not know: what was signed is what runs.
    let mut payload = encode(&good);
    payload[0] += 1;
    payload.extend_from_slice(b"\xa4sudo\xc3");
    let domain = [b"dtx-job-v1\0", payload.as_slice()].concat();
    let signature = lab.session_key.sign(&domain).to_vec();
    let job = SignedJob { payload, signature };
    assert_refused(lab.run(&session, &job), Code::Invalid, "older than dtx");
    // Signed without the domain, or by the operator's key instead of the session's.
    let payload = encode(&good);
    for signature in [
        lab.session_key.sign(&payload).to_vec(),
        lab.alice
            .sign(&[b"dtx-job-v1\0", payload.as_slice()].concat())
            .to_vec(),
        sign(&lab.session_key, NAMESPACE, &payload),
        Vec::new(),
    ] {
        let payload = payload.clone();
        let job = SignedJob { payload, signature };
        assert_refused(lab.run(&session, &job), Code::Invalid, "signature");
    }
    let large = SignedJob {
        payload: vec![0; 512 * 1024 + 1],
        signature: vec![0; 64],
    };
    assert_refused(lab.run(&session, &large), Code::Invalid, "too large");
}

#[test]
fn grants_that_are_signed_and_still_wrong() {
    let mut lab = Lab::new();
    let good = lab.grant();
    let cases: [(Grant, Code, &str); 6] = [
        (
            Grant {
                version: 2,
                ..good.clone()
            },
            Code::Invalid,
            "cannot be read",
        ),
        (
            Grant {
                cluster: "prod".into(),
                ..good.clone()
            },
            Code::WrongTarget,
            "cluster",
        ),
        (
            Grant {
                operator: key(8).public().fingerprint(),
                ..good.clone()
            },
            Code::Invalid,
            "another operator key",
        ),
        (
            Grant {
                session_key: key(8).public(),
                ..good.clone()
            },
            Code::Invalid,
            "session key",
        ),
        (
            Grant {
                expires_ms: good.issued_ms,
                ..good.clone()
            },
            Code::Invalid,
            "ends before",
        ),
        (
            Grant {
                expires_ms: good.issued_ms + 900_001,
                ..good.clone()
            },
            Code::GrantExpired,
            "at most",
        ),
    ];
    for (grant, code, words) in cases {
        let signed = signed_grant(&lab.alice, &grant);
        assert_refused(lab.open_with(&signed), code, words);
    }
}

#[test]
fn grants_of_another_form() {
    let mut lab = Lab::new();
    let good = lab.grant();
    let payload = good.encode();
    for namespace in ["dtx-host-v1", "file", "git", "dtx-grant-v10"] {
        let signature = sign(&lab.alice, namespace, &payload);
        let grant = SignedGrant {
            payload: payload.clone(),
            signature,
        };
        assert_refused(lab.open_with(&grant), Code::Invalid, "namespace");
    }
    let large = SignedGrant {
        payload: vec![0; 5000],
        signature: sign(&lab.alice, NAMESPACE, &payload),
    };
    assert_refused(lab.open_with(&large), Code::Invalid, "too large");
    // A rule lets grants of this operator live longer.
    lab.write(
        "policy.toml",
        "version = 1\n[[rule]]\nid = \"r\"\nwho = [\"file:alice\"]\nas = [\"*\"]\n\
         run = { shell = \"any\" }\nmax_grant = \"1h\"\n",
    );
    let long = Grant {
        expires_ms: good.issued_ms + 3_600_000,
        ..good
    };
    let signed = signed_grant(&lab.alice, &long);
    assert!(lab.open_with(&signed).is_ok());
}
