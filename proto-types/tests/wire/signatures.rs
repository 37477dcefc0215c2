//! What was signed is what is read: no bit, byte, key or purpose can be exchanged.

use std::path::Path;
use std::process::{Command, Stdio};

use dtx_proto_types::grant::{GrantError, NAMESPACE, SignedGrant};
use dtx_proto_types::job::{Body, Seat};
use dtx_proto_types::limits;
use dtx_proto_types::signed::{JobError, SecretKey, SignedJob, decode_exact, encode};
use dtx_proto_types::sshsig::{OperatorSignature, SignatureError};

use crate::samples::{self, key_data, operator_key, session_key, sign_grant, signed_grant};

/// The bytes with each single bit flipped, one after the other.
fn each_bit_flipped(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..bytes.len() * 8).map(|bit| {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        (bit, flipped)
    })
}

fn job_holds(job: &SignedJob) -> bool {
    job.verify(session_key().public()).is_ok()
}

#[test]
fn no_bit_of_a_signed_job_can_be_flipped() {
    let job = samples::signed_job();
    assert!(job_holds(&job));
    for (bit, payload) in each_bit_flipped(&job.payload) {
        let forged = SignedJob {
            payload,
            ..job.clone()
        };
        assert_eq!(
            forged.verify(session_key().public()),
            Err(JobError::Signature),
            "bit {bit}"
        );
    }
    for (bit, signature) in each_bit_flipped(&job.signature) {
        let forged = SignedJob {
            signature,
            ..job.clone()
        };
        assert_eq!(
            forged.verify(session_key().public()),
            Err(JobError::Signature),
            "bit {bit}"
        );
    }
}

#[test]
fn no_bit_of_a_signed_grant_can_be_flipped() {
    let grant = signed_grant();
    assert!(grant.verify().is_ok());
    for (bit, payload) in each_bit_flipped(&grant.payload) {
        let forged = SignedGrant {
            payload,
            ..grant.clone()
        };
        let mismatch = Err(GrantError::Signature(SignatureError::Mismatch));
        assert_eq!(forged.verify(), mismatch, "bit {bit}");
    }
    for (bit, signature) in each_bit_flipped(&grant.signature) {
        let forged = SignedGrant {
            signature,
            ..grant.clone()
        };
        assert!(forged.verify().is_err(), "bit {bit} of the signature");
    }
}

#[test]
fn no_bit_on_the_wire_can_be_flipped() {
    let job = encode(&samples::signed_job());
    for (bit, bytes) in each_bit_flipped(&job) {
        let holds = decode_exact::<SignedJob>(&bytes).is_ok_and(|job| job_holds(&job));
        assert!(!holds, "bit {bit} of a job");
    }
    let grant = encode(&signed_grant());
    for (bit, bytes) in each_bit_flipped(&grant) {
        let holds = decode_exact::<SignedGrant>(&bytes).is_ok_and(|grant| grant.verify().is_ok());
        assert!(!holds, "bit {bit} of a grant");
    }
}

#[test]
fn nothing_can_be_cut_off_or_added() {
    let job = samples::signed_job();
    let grant = signed_grant();
    let lengths = |bytes: &[u8]| {
        let cut = (0..bytes.len()).map(|length| bytes[..length].to_vec());
        let added = [0, 0x0a, 0xc0, 0xff].map(|byte| [bytes, &[byte]].concat());
        cut.chain(added).collect::<Vec<_>>()
    };
    for payload in lengths(&job.payload) {
        let length = payload.len();
        let forged = SignedJob {
            payload,
            ..job.clone()
        };
        assert!(!job_holds(&forged), "a job of {length} bytes");
    }
    for signature in lengths(&job.signature) {
        let length = signature.len();
        let forged = SignedJob {
            signature,
            ..job.clone()
        };
        assert!(!job_holds(&forged), "a job's signature of {length} bytes");
    }
    for payload in lengths(&grant.payload) {
        let length = payload.len();
        let forged = SignedGrant {
            payload,
            ..grant.clone()
        };
        assert!(forged.verify().is_err(), "a grant of {length} bytes");
    }
    for signature in lengths(&grant.signature) {
        let length = signature.len();
        let forged = SignedGrant {
            signature,
            ..grant.clone()
        };
        assert!(
            forged.verify().is_err(),
            "a grant's signature of {length} bytes"
        );
    }
}

#[test]
fn bytes_in_the_reserved_field_are_refused() {
    let grant = signed_grant();
    let field = [NAMESPACE.as_bytes(), &[0; 4]].concat();
    let find = |bytes: &[u8]| {
        bytes
            .windows(field.len())
            .position(|window| window == field)
    };
    let end = find(&grant.signature).unwrap() + field.len();
    let (before, after) = grant.signature.split_at(end);
    let signature = [&before[..end - 1], &[1, b'x'], after].concat();
    let forged = SignedGrant { signature, ..grant };
    let malformed = Err(GrantError::Signature(SignatureError::Malformed));
    assert_eq!(forged.verify(), malformed);
}

#[test]
fn what_was_signed_with_more_behind_it_is_still_refused() {
    let spec = encode(&samples::job(Body::Shell("true".to_owned())));
    let payload = [&spec[..], &[0xc0]].concat();
    let message = [b"dtx-job-v1\0", &payload[..]].concat();
    let signature = session_key().sign(&message).to_vec();
    let job = SignedJob { payload, signature };
    assert_eq!(job.verify(session_key().public()), Err(JobError::Malformed));

    let payload = [&samples::grant().encode()[..], &[0xc0]].concat();
    let grant = sign_grant(payload, &operator_key(), NAMESPACE);
    assert_eq!(grant.verify(), Err(GrantError::Malformed));
}

#[test]
fn another_key_does_not_do() {
    let other = SecretKey::from_seed(&[9; 32]);
    let job = samples::signed_job();
    assert_eq!(job.verify(other.public()), Err(JobError::Signature));
    assert_eq!(
        job.verify(operator_key().public()),
        Err(JobError::Signature)
    );

    // Signed by somebody else, who may be an operator too, in the name of the first.
    let grant = sign_grant(samples::grant().encode(), &other, NAMESPACE);
    assert_eq!(grant.verify(), Err(GrantError::Operator));

    // The key that is named is exchanged for the first one's.
    let forged = OperatorSignature::from_ed25519(
        key_data(&operator_key()),
        NAMESPACE,
        &other.sign(&samples::grant().encode()),
    );
    let grant = SignedGrant {
        payload: samples::grant().encode(),
        signature: forged.unwrap().encode(),
    };
    assert_eq!(
        grant.verify(),
        Err(GrantError::Signature(SignatureError::Mismatch))
    );
}

#[test]
fn signatures_for_another_purpose_do_not_do() {
    let payload = || samples::grant().encode();
    for namespace in [
        "file",
        "git",
        "dtx-grant-v2",
        "dtx-host-v1",
        "dtx-grant-v1 ",
    ] {
        let grant = sign_grant(payload(), &operator_key(), namespace);
        let other = SignatureError::Namespace(namespace.to_owned());
        assert_eq!(grant.verify(), Err(GrantError::Signature(other)));
    }
    // A job signed without its domain, or with another one.
    let payload = samples::signed_job().payload;
    for domain in [&b""[..], b"dtx-job-v1", b"dtx-job-v2\0", b"dtx-grant-v1\0"] {
        let signature = session_key().sign(&[domain, &payload].concat()).to_vec();
        let job = SignedJob {
            payload: payload.clone(),
            signature,
        };
        assert!(!job_holds(&job), "{domain:?}");
    }
}

#[test]
fn sizes_are_refused_before_any_mathematics() {
    let grant = SignedGrant {
        payload: vec![0; limits::GRANT_MAX],
        signature: vec![0],
    };
    assert_eq!(
        grant.verify(),
        Err(GrantError::TooLarge(limits::GRANT_MAX + 1))
    );
    let job = SignedJob {
        payload: vec![0; limits::JOB_MAX + 1],
        signature: Vec::new(),
    };
    let too_large = JobError::TooLarge(limits::JOB_MAX + 1);
    assert_eq!(job.verify(session_key().public()), Err(too_large));
    let long = samples::job(Body::Shell("x".repeat(limits::JOB_MAX)));
    assert!(matches!(
        session_key().sign_job(&long),
        Err(JobError::TooLarge(_))
    ));
}

#[test]
fn a_batch_has_a_bound() {
    let mut spec = samples::job(Body::Shell("true".to_owned()));
    let seat = |rank: usize| {
        let name = format!("n{rank}").parse().expect("a name");
        Seat(name, u32::try_from(rank).expect("small"))
    };
    spec.batch = (0..limits::BATCH_MAX).map(seat).collect();
    assert!(job_holds(&session_key().sign_job(&spec).unwrap()));
    spec.batch.push(seat(limits::BATCH_MAX));
    let signed = session_key().sign_job(&spec);
    let refused = signed.and_then(|job| job.verify(session_key().public()));
    assert_eq!(refused, Err(JobError::Malformed));
}

/// Runs `ssh-keygen`; its standard input is the file, if there is one.
fn ssh_keygen(arguments: &[&str], input: Option<&Path>) -> std::process::Output {
    let input = match input {
        Some(path) => Stdio::from(std::fs::File::open(path).expect("the input")),
        None => Stdio::null(),
    };
    Command::new("ssh-keygen")
        .args(arguments)
        .stdin(input)
        .output()
        .expect("ssh-keygen runs")
}

#[expect(
    clippy::print_stdout,
    reason = "a test that is skipped says so, for whoever reads the log"
)]
fn has_ssh_keygen() -> bool {
    let found = Command::new("ssh-keygen")
        .arg("-?")
        .stdin(Stdio::null())
        .output();
    if found.is_err() {
        println!("skipped: no ssh-keygen");
    }
    found.is_ok()
}

#[test]
fn ssh_keygen_verifies_our_grants() {
    if !has_ssh_keygen() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let grant = signed_grant();
    let signature = OperatorSignature::decode(&grant.signature).unwrap();
    let public = ssh_key::PublicKey::from(key_data(&operator_key()));
    let line = format!("alice {}\n", public.to_openssh().unwrap());
    std::fs::write(file("operators"), line).unwrap();
    std::fs::write(file("grant.sig"), signature.to_pem()).unwrap();
    std::fs::write(file("grant"), &grant.payload).unwrap();
    std::fs::write(file("other"), [&grant.payload[..], b"x"].concat()).unwrap();

    let verify = |namespace: &str, message: &str| {
        let (operators, signature) = (file("operators"), file("grant.sig"));
        let arguments = [
            "-Y",
            "verify",
            "-I",
            "alice",
            "-n",
            namespace,
            "-f",
            operators.to_str().unwrap(),
            "-s",
            signature.to_str().unwrap(),
        ];
        ssh_keygen(&arguments, Some(&file(message)))
    };
    let output = verify(NAMESPACE, "grant");
    assert!(output.status.success(), "{output:?}");
    assert!(!verify("file", "grant").status.success());
    assert!(!verify(NAMESPACE, "other").status.success());
}

#[test]
fn we_verify_what_ssh_keygen_signs() {
    if !has_ssh_keygen() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let key = file("key");
    let key = key.to_str().unwrap();
    let made = ssh_keygen(&["-q", "-t", "ed25519", "-N", "", "-f", key], None);
    assert!(made.status.success(), "{made:?}");
    let public = std::fs::read_to_string(file("key.pub")).unwrap();
    let public: ssh_key::PublicKey = public.parse().unwrap();
    let mut grant = samples::grant();
    grant.operator = dtx_proto_types::key::Fingerprint::of(public.key_data());

    for (namespace, holds) in [(NAMESPACE, true), ("file", false)] {
        let message = file(namespace);
        std::fs::write(&message, grant.encode()).unwrap();
        let path = message.to_str().unwrap();
        let signed = ssh_keygen(&["-Y", "sign", "-f", key, "-n", namespace, path], None);
        assert!(signed.status.success(), "{signed:?}");
        let pem = std::fs::read_to_string(format!("{path}.sig")).unwrap();
        let signature = OperatorSignature::from_pem(&pem).unwrap();
        assert_eq!(signature.claimed_fingerprint(), grant.operator);
        assert_eq!(
            OperatorSignature::from_pem(&signature.to_pem()),
            Ok(signature.clone())
        );
        let signed = SignedGrant {
            payload: grant.encode(),
            signature: signature.encode(),
        };
        let verified = signed.verify();
        assert_eq!(verified.is_ok(), holds, "{namespace}: {verified:?}");
    }
}
