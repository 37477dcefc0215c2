//! A node with its files in a directory of its own, and an operator who can sign.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use dtx_policy::PathAnswers;
use dtx_proto_types::grant::{Grant, NAMESPACE, SignedGrant};
use dtx_proto_types::id::{JobId, RunId};
use dtx_proto_types::job::{Body, JobLimits, JobSpec, Seat, Stdin};
use dtx_proto_types::message::{Refusal, RefusalCode};
use dtx_proto_types::signed::{SecretKey, SignedJob};
use dtx_proto_types::sshsig::{OperatorSignature, signed_data};
use ssh_key::public::{Ed25519PublicKey, KeyData};
use tempfile::TempDir;

use crate::trust::clock::BUILT_MS;
use crate::trust::clock::fake::FakeClock;
use crate::trust::{
    AuthorizedJob, GrantSight, JobOwner, NotYet, Session, SightLog, Trust, TrustConfig,
};

/// An hour after the build, so that no clock of a test is doubtful unless it says so.
pub(super) const NOW: u64 = BUILT_MS + 3_600_000;

/// Keeps first sights, or fails to.
#[derive(Debug, Default)]
pub(super) struct FakeLog {
    pub(super) sights: Vec<GrantSight>,
    pub(super) full: bool,
}

impl SightLog for FakeLog {
    fn record_sight(&mut self, sight: &GrantSight) -> io::Result<()> {
        if self.full {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.sights.push(*sight);
        Ok(())
    }
}

/// A node and its operators.
#[derive(Debug)]
pub(super) struct Lab {
    pub(super) directory: TempDir,
    pub(super) clock: FakeClock,
    pub(super) log: FakeLog,
    pub(super) trust: Trust,
    pub(super) alice: SecretKey,
    pub(super) session_key: SecretKey,
}

/// The public line of a key.
pub(super) fn line(key: &SecretKey) -> String {
    let data = KeyData::from(Ed25519PublicKey(*key.public().as_bytes()));
    ssh_key::PublicKey::from(data).to_openssh().unwrap()
}

pub(super) fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

/// Signs as `ssh-keygen -Y sign` does.
pub(super) fn sign(key: &SecretKey, namespace: &str, payload: &[u8]) -> Vec<u8> {
    let raw = key.sign(&signed_data(namespace, payload).unwrap());
    let data = KeyData::from(Ed25519PublicKey(*key.public().as_bytes()));
    OperatorSignature::from_ed25519(data, namespace, &raw)
        .unwrap()
        .encode()
}

pub(super) fn signed_grant(operator: &SecretKey, grant: &Grant) -> SignedGrant {
    let payload = grant.encode();
    let signature = sign(operator, NAMESPACE, &payload);
    SignedGrant { payload, signature }
}

impl Lab {
    /// A node `n1` of the cluster `test` with alice as its only operator and no policy file.
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut TrustConfig)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = FakeClock::new(NOW, true);
        let mut config = TrustConfig {
            operators: vec![directory.path().join("operators")],
            policy: directory.path().join("policy.toml"),
            explicit_policy: false,
            node: "n1".parse().unwrap(),
            cluster: "test".into(),
            labels: BTreeMap::from([("rack".into(), "r1".into())]),
            agent_user: "agent".into(),
            agent_is_root: true,
            max_grant: Duration::from_secs(900),
        };
        change(&mut config);
        let trust = Trust::new(config, Box::new(clock.clone()));
        let alice = key(1);
        let lab = Self {
            directory,
            clock,
            log: FakeLog::default(),
            trust,
            session_key: key(2),
            alice,
        };
        lab.write("operators", &format!("alice {}\n", line(&lab.alice)));
        lab
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    }

    pub(super) fn grant(&self) -> Grant {
        Grant {
            version: 1,
            session_key: self.session_key.public(),
            operator: self.alice.public().fingerprint(),
            cluster: "test".into(),
            issued_ms: NOW,
            expires_ms: NOW + 600_000,
            nonce: [5; 16],
            client_host: "desk".into(),
            client_user: "al".into(),
        }
    }

    pub(super) fn spec(&self, body: Body) -> JobSpec {
        JobSpec {
            job: JobId::from_bytes([3; 16]),
            run: RunId::from_bytes([4; 16]),
            cluster: "test".into(),
            batch: vec![
                Seat("n0".parse().unwrap(), 0),
                Seat("n1".parse().unwrap(), 7),
            ],
            count: 8,
            body,
            run_as: "bob".into(),
            env: BTreeMap::new(),
            cwd: None,
            shell: None,
            subst: false,
            attempt: 1,
            stdin: Stdin::None,
            limits: JobLimits::default(),
            issued_ms: NOW,
            start_by_ms: NOW + 60_000,
        }
    }

    pub(super) fn shell(&self, line: &str) -> JobSpec {
        self.spec(Body::Shell(line.into()))
    }

    pub(super) fn sign(&self, spec: &JobSpec) -> SignedJob {
        self.session_key.sign_job(spec).unwrap()
    }

    pub(super) fn open_with(&mut self, grant: &SignedGrant) -> Result<Session, Refusal> {
        let peer = self.session_key.public();
        self.trust.open(grant, peer, &mut self.log)
    }

    pub(super) fn open(&mut self) -> Result<Session, Refusal> {
        let grant = signed_grant(&self.alice, &self.grant());
        self.open_with(&grant)
    }

    /// All the way from a signed job to one that could be started.
    pub(super) fn run(
        &mut self,
        session: &Session,
        job: &SignedJob,
    ) -> Result<AuthorizedJob, Refusal> {
        self.run_owned(session, job, None)
    }

    pub(super) fn run_owned(
        &mut self,
        session: &Session,
        job: &SignedJob,
        owner: Option<&JobOwner>,
    ) -> Result<AuthorizedJob, Refusal> {
        let verified = self.trust.verify_job(session, job)?;
        let (running, answers) = (BTreeMap::new(), PathAnswers::new());
        self.trust
            .authorize(session, verified, &running, &answers, owner)
            .map_err(|not_yet| match not_yet {
                NotYet::Denied { refusal, .. } => refusal,
                NotYet::NeedsPaths { questions, .. } => panic!("asks about {questions:?}"),
            })
    }

    pub(super) fn run_spec(&mut self, spec: &JobSpec) -> Result<AuthorizedJob, Refusal> {
        let session = self.open()?;
        let job = self.sign(spec);
        self.run(&session, &job)
    }
}

/// The refusal has this code and says these words.
pub(super) fn assert_refused<T: std::fmt::Debug>(
    result: Result<T, Refusal>,
    code: RefusalCode,
    words: &str,
) {
    let refusal = result.unwrap_err();
    assert_eq!(refusal.code, code, "{}", refusal.text);
    assert!(refusal.text.contains(words), "{}", refusal.text);
}
