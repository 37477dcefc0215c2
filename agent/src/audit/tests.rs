//! The audit log as a file.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use dtx_policy::PathAnswers;
use dtx_proto_types::grant::{Grant, NAMESPACE, SignedGrant};
use dtx_proto_types::id::{JobId, RunId};
use dtx_proto_types::job::{Body, JobLimits, JobSpec, Seat, Stdin};
use dtx_proto_types::message::{Refusal, RefusalCode};
use dtx_proto_types::outcome::Ending;
use dtx_proto_types::signed::SecretKey;
use dtx_proto_types::sshsig::{OperatorSignature, signed_data};
use serde_json::{Value, json};
use ssh_key::public::{Ed25519PublicKey, KeyData};
use tempfile::TempDir;

use super::Audit;
use crate::trust::{
    AuthorizedJob, Clock, GrantSight, Session, SightLog, SystemClock, Trust, TrustConfig,
};

const SECRET: &str = "hunter2-never-in-a-log";

struct NoLog;

impl SightLog for NoLog {
    fn record_sight(&mut self, _: &GrantSight) -> std::io::Result<()> {
        Ok(())
    }
}

fn spec(body: Body) -> JobSpec {
    let now = SystemClock.wall_ms();
    JobSpec {
        job: JobId::from_bytes([3; 16]),
        run: RunId::from_bytes([4; 16]),
        cluster: "test".into(),
        batch: vec![Seat("n1".parse().unwrap(), 7)],
        count: 1,
        body,
        run_as: "bob".into(),
        env: BTreeMap::from([("TOKEN".into(), SECRET.into())]),
        cwd: Some("/srv".into()),
        shell: None,
        subst: false,
        attempt: 2,
        stdin: Stdin::Sized {
            size: 5,
            blake3: [0xab; 32],
        },
        limits: JobLimits::default(),
        issued_ms: now,
        start_by_ms: now + 60_000,
    }
}

/// A session and a job that really came all the way.
fn authorized(directory: &Path, spec: &JobSpec) -> (Session, AuthorizedJob) {
    let (operator, session_key) = (
        SecretKey::from_seed(&[1; 32]),
        SecretKey::from_seed(&[2; 32]),
    );
    let data = KeyData::from(Ed25519PublicKey(*operator.public().as_bytes()));
    let line = ssh_key::PublicKey::from(data.clone()).to_openssh().unwrap();
    let operators = directory.join("operators");
    fs::write(&operators, format!("alice {line}\n")).unwrap();
    fs::set_permissions(&operators, fs::Permissions::from_mode(0o600)).unwrap();
    let config = TrustConfig {
        operators: vec![operators],
        policy: directory.join("policy.toml"),
        explicit_policy: false,
        node: "n1".parse().unwrap(),
        cluster: "test".into(),
        labels: BTreeMap::new(),
        agent_user: "root".into(),
        agent_is_root: true,
        max_grant: Duration::from_secs(900),
    };
    let mut trust = Trust::new(config, Box::new(SystemClock));
    let grant = Grant {
        version: 1,
        session_key: session_key.public(),
        operator: operator.public().fingerprint(),
        cluster: "test".into(),
        issued_ms: spec.issued_ms,
        expires_ms: spec.issued_ms + 600_000,
        nonce: [5; 16],
        client_host: "desk\n{\"seq\":1}".into(),
        client_user: "al".into(),
    };
    let payload = grant.encode();
    let raw = operator.sign(&signed_data(NAMESPACE, &payload).unwrap());
    let signature = OperatorSignature::from_ed25519(data, NAMESPACE, &raw)
        .unwrap()
        .encode();
    let grant = SignedGrant { payload, signature };
    let session = trust
        .open(&grant, session_key.public(), &mut NoLog)
        .unwrap();
    let signed = session_key.sign_job(spec).unwrap();
    let job = trust.verify_job(&session, &signed).unwrap();
    let (running, answers) = (BTreeMap::new(), PathAnswers::new());
    let job = trust
        .authorize(&session, job, &running, &answers, None)
        .unwrap();
    (session, job)
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n') && !text.contains(SECRET));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

struct Lab {
    directory: TempDir,
    session: Session,
    job: AuthorizedJob,
}

impl Lab {
    fn new(body: Body) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (session, job) = authorized(directory.path(), &spec(body));
        Self {
            directory,
            session,
            job,
        }
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("audit.jsonl")
    }
}

#[test]
fn a_line_before_and_a_line_after() {
    let lab = Lab::new(Body::Shell(
        "echo \"hi\"\n{\"seq\":9}\r\u{1b}[2J\u{2028}".into(),
    ));
    let mut audit = Audit::open(&lab.path()).unwrap();
    audit.allowed(&lab.session, &lab.job).unwrap();
    let id = lab.job.spec().job;
    audit
        .ended(&lab.session, id, &Ending::Exited(3), 1500)
        .unwrap();
    let mode = fs::metadata(lab.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let lines = lines(&lab.path());
    let [allowed, ended] = lines.as_slice() else {
        panic!("two lines: {lines:?}");
    };
    for (key, value) in [
        ("seq", json!(1)),
        ("event", json!("allowed")),
        ("principal", json!("file:alice")),
        ("client", json!("al@desk\u{fffd}{\"seq\":1}")),
        ("job", json!("03".repeat(16))),
        ("run", json!("04".repeat(16))),
        ("rule", json!("operators")),
        ("rank", json!(7)),
        ("attempt", json!(2)),
        ("kind", json!("shell")),
        ("what", json!("echo \"hi\"\n{\"seq\":9}\r\u{1b}[2J\u{2028}")),
        ("user", json!("bob")),
        ("cwd", json!("/srv")),
        ("env", json!(["TOKEN"])),
        ("stdin", json!({"size": 5, "blake3": "ab".repeat(32)})),
    ] {
        assert_eq!(allowed[key], value, "{key}");
    }
    let fingerprint = lab.session.fingerprint().to_string();
    assert_eq!(allowed["fingerprint"], json!(fingerprint));
    assert!(allowed["time"].as_str().unwrap().ends_with('Z'));
    for (key, value) in [
        ("seq", json!(2)),
        ("event", json!("ended")),
        ("job", json!("03".repeat(16))),
        ("outcome", json!("failed")),
        ("exit_code", json!(3)),
        ("duration_us", json!(1500)),
    ] {
        assert_eq!(ended[key], value, "{key}");
    }
}

#[test]
fn denials_scripts_and_what_was_not_started() {
    let script = Body::Script {
        text: format!("#!/bin/sh\n{SECRET}\n").into_bytes(),
        args: vec!["a\nb".into()],
    };
    let lab = Lab::new(script);
    let mut audit = Audit::open(&lab.path()).unwrap();
    let no = |text: &str| Refusal {
        code: RefusalCode::Denied,
        text: text.into(),
    };
    audit.allowed(&lab.session, &lab.job).unwrap();
    audit
        .denied(&lab.session, lab.job.spec(), &no("no\nrule"))
        .unwrap();
    audit
        .not_started(&lab.session, lab.job.spec().job, &no("full"))
        .unwrap();
    let lines = lines(&lab.path());
    assert_eq!(lines[0]["what"]["args"], json!(["a\nb"]));
    assert_eq!(lines[0]["what"]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(lines[1]["event"], json!("denied"));
    assert_eq!(lines[1]["code"], json!("denied"));
    assert_eq!(lines[1]["reason"], json!("no\nrule"));
    assert_eq!(lines[1]["user"], json!("bob"));
    assert_eq!(lines[2]["event"], json!("not_started"));
    assert_eq!(lines[2]["seq"], json!(3));
}

#[test]
fn a_moved_log_is_made_anew_and_numbers_go_on() {
    let lab = Lab::new(Body::Shell("true".into()));
    let (path, moved) = (lab.path(), lab.directory.path().join("audit.1"));
    let mut audit = Audit::open(&path).unwrap();
    audit.allowed(&lab.session, &lab.job).unwrap();
    fs::rename(&path, &moved).unwrap();
    audit.allowed(&lab.session, &lab.job).unwrap();
    fs::remove_file(&path).unwrap();
    audit.allowed(&lab.session, &lab.job).unwrap();
    assert_eq!(lines(&moved)[0]["seq"], json!(1));
    assert_eq!(lines(&path)[0]["seq"], json!(3));
    drop(audit);
    let mut audit = Audit::open(&path).unwrap();
    audit.allowed(&lab.session, &lab.job).unwrap();
    assert_eq!(lines(&path)[1]["seq"], json!(4));
}

#[test]
fn a_torn_line_does_not_take_the_next_one_with_it() {
    let lab = Lab::new(Body::Shell("true".into()));
    fs::write(lab.path(), "{\"seq\":41,\"time\":\"x\"}\n{\"seq\":42,\"ti").unwrap();
    let mut audit = Audit::open(&lab.path()).unwrap();
    audit.allowed(&lab.session, &lab.job).unwrap();
    let text = fs::read_to_string(lab.path()).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["seq"], json!(42));
    assert_eq!(text.lines().count(), 3);
}

#[test]
fn what_cannot_be_written_is_an_error() {
    let lab = Lab::new(Body::Shell("true".into()));
    let mut audit = Audit::open(&lab.path()).unwrap();
    // Whoever puts something else in its place does not get the lines.
    fs::remove_file(lab.path()).unwrap();
    symlink(lab.directory.path().join("elsewhere"), lab.path()).unwrap();
    let error = audit
        .allowed(&lab.session, &lab.job)
        .unwrap_err()
        .to_string();
    assert!(error.contains("audit.jsonl"), "{error}");
    assert!(!lab.directory.path().join("elsewhere").exists());
    fs::remove_file(lab.path()).unwrap();
    fs::create_dir(lab.path()).unwrap();
    assert!(audit.allowed(&lab.session, &lab.job).is_err());
    assert!(Audit::open(&lab.path()).is_err());
    assert!(Audit::open(Path::new("/dev/full")).is_err());
    fs::remove_dir(lab.path()).unwrap();
    audit.allowed(&lab.session, &lab.job).unwrap();
    assert_eq!(
        lines(&lab.path())[0]["seq"],
        json!(1),
        "a line that failed has no number"
    );
}

/// A line is this long at most, whatever is asked for.
const LINE_MAX: usize = 24 * 1024;

#[test]
fn a_denied_job_does_not_fill_the_disk() {
    let lab = Lab::new(Body::Shell("true".into()));
    let mut audit = Audit::open(&lab.path()).unwrap();
    let nasty = "\u{1}\"".repeat(60_000);
    let mut spec = spec(Body::Shell(nasty.clone()));
    spec.run_as.clone_from(&nasty);
    spec.cwd = Some(nasty.clone());
    spec.shell = Some(nasty.clone());
    spec.env = (0..10_000)
        .map(|number| (format!("{number}{nasty:.80}"), SECRET.to_owned()))
        .collect();
    let refusal = Refusal {
        code: RefusalCode::Denied,
        text: nasty.clone(),
    };
    audit.denied(&lab.session, &spec, &refusal).unwrap();
    spec.body = Body::Argv(vec![nasty.clone(); 4]);
    audit.denied(&lab.session, &spec, &refusal).unwrap();
    let ending = Ending::Lost(nasty.clone());
    audit.ended(&lab.session, spec.job, &ending, 1).unwrap();
    audit.refused(Some(&lab.session), None, &refusal).unwrap();
    let text = fs::read_to_string(lab.path()).unwrap();
    assert!(text.lines().all(|line| line.len() < LINE_MAX), "{text}");
    let lines = lines(&lab.path());
    let cut = lines[0]["what"].as_str().unwrap();
    assert!(nasty.starts_with(cut.strip_suffix('…').unwrap()));
    assert_eq!(lines[0]["what_bytes"], json!(nasty.len()));
    assert_eq!(lines[0]["what_sha256"].as_str().unwrap().len(), 64);
    assert!(lines[1]["what"].as_array().unwrap().len() < 4);
    // And it is found again.
    drop(audit);
    let mut audit = Audit::open(&lab.path()).unwrap();
    audit.allowed(&lab.session, &lab.job).unwrap();
    let lines = self::lines(&lab.path());
    assert_eq!(lines[4]["seq"], json!(5));
    assert_eq!(lines[4].get("what_bytes"), None, "{}", lines[4]);
}

#[test]
fn numbers_go_on_after_a_line_of_any_length_and_after_what_is_no_line() {
    let lab = Lab::new(Body::Shell("true".into()));
    let long = format!("{{\"seq\":41,\"what\":\"{}\"}}\n", "x".repeat(600_000));
    for (text, next) in [
        (long.clone(), 42),
        (format!("{{\"seq\":40}}\n{long}"), 42),
        (format!("{long}{{\"seq\":42,\"ti\nnoise\n\n"), 42),
        (format!("{long}{{\"seq\":42,\"ti"), 42),
        ("noise\n".to_owned(), 1),
        (String::new(), 1),
    ] {
        fs::write(lab.path(), &text).unwrap();
        let mut audit = Audit::open(&lab.path()).unwrap();
        audit.allowed(&lab.session, &lab.job).unwrap();
        let written = fs::read_to_string(lab.path()).unwrap();
        let last: Value = serde_json::from_str(written.lines().last().unwrap()).unwrap();
        assert_eq!(last["seq"], json!(next), "{text:.80}");
    }
}

#[test]
fn refusals_before_the_policy_are_told_and_bounded() {
    let lab = Lab::new(Body::Shell("true".into()));
    let mut audit = Audit::open(&lab.path()).unwrap();
    let refusal = Refusal {
        code: RefusalCode::WrongTarget,
        text: "the job is not meant for n1".into(),
    };
    let peer = "192.0.2.7:40000".parse().unwrap();
    audit
        .refused(Some(&lab.session), Some(peer), &refusal)
        .unwrap();
    audit.refused(None, Some(peer), &refusal).unwrap();
    let lines = lines(&lab.path());
    for (key, value) in [
        ("seq", json!(1)),
        ("event", json!("refused")),
        ("principal", json!("file:alice")),
        ("peer", json!("192.0.2.7:40000")),
        ("code", json!("wrong_target")),
        ("reason", json!("the job is not meant for n1")),
    ] {
        assert_eq!(lines[0][key], value, "{key}");
    }
    let fingerprint = lab.session.fingerprint().to_string();
    assert_eq!(lines[0]["fingerprint"], json!(fingerprint));
    for absent in ["principal", "fingerprint", "client", "job", "omitted"] {
        assert_eq!(lines[1].get(absent), None, "{absent}");
    }
    for _ in 0..10_000 {
        audit.refused(None, None, &refusal).unwrap();
        audit.refused(Some(&lab.session), None, &refusal).unwrap();
    }
    let length = fs::metadata(lab.path()).unwrap().len();
    assert!(length < 64 * 1024, "{length}");
}
