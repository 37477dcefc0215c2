//! An operator whose key is no secret, so that everything can be signed with it.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use dtx_proto_types::grant::{Grant, NAMESPACE, SignedGrant};
use dtx_proto_types::id::{JobId, RunId};
use dtx_proto_types::job::{Body, JobLimits, JobSpec, Seat, Stdin};
use dtx_proto_types::node::NodeName;
use dtx_proto_types::signed::{SecretKey, SignedJob};
use dtx_proto_types::sshsig::{OperatorSignature, signed_data};
use ssh_key::public::{Ed25519PublicKey, KeyData};

use crate::dice::Dice;

/// The seed of the operator that nodes know.
const KNOWN: [u8; 32] = [0x0d; 32];
/// A minute, in milliseconds.
pub(super) const MINUTE: u64 = 60_000;

/// A key that signs grants.
pub(super) struct Operator(SecretKey);

/// The line by which a node knows the forger's operator.
///
/// # Panics
///
/// Never: an Ed25519 key can be written.
#[must_use]
pub fn operators_line() -> String {
    let key = ssh_key::PublicKey::new(Operator::known().key_data(), "forger");
    let key = key.to_openssh().expect("an Ed25519 key can be written");
    format!("forger@lab {key}\n")
}

/// Milliseconds since 1970.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.expect("it is later than 1970").as_millis();
    u64::try_from(millis).expect("for some time yet")
}

/// A session key.
pub(super) fn session_key(dice: &mut Dice) -> Arc<SecretKey> {
    Arc::new(SecretKey::from_seed(&array(dice)))
}

fn array<const N: usize>(dice: &mut Dice) -> [u8; N] {
    dice.bytes(N).try_into().expect("so many were asked for")
}

impl Operator {
    /// The one whose line is in the operators file.
    pub(super) fn known() -> Self {
        Self(SecretKey::from_seed(&KNOWN))
    }

    /// One whom nobody knows.
    pub(super) fn stranger(dice: &mut Dice) -> Self {
        Self(SecretKey::from_seed(&array(dice)))
    }

    /// The public key, as OpenSSH sees it.
    pub(super) fn key_data(&self) -> KeyData {
        KeyData::from(Ed25519PublicKey(*self.0.public().as_bytes()))
    }

    /// A grant that every node should take.
    pub(super) fn draft(&self, session: &SecretKey, dice: &mut Dice) -> Grant {
        let now = now();
        Grant {
            version: 1,
            session_key: session.public(),
            operator: self.0.public().fingerprint(),
            cluster: "default".to_owned(),
            issued_ms: now,
            expires_ms: now + 10 * MINUTE,
            nonce: array(dice),
            client_host: "operator".to_owned(),
            client_user: "root".to_owned(),
        }
    }

    /// Signs a grant as it should be signed.
    pub(super) fn sign(&self, grant: &Grant) -> SignedGrant {
        self.sign_for(NAMESPACE, grant)
    }

    /// Signs a grant for a namespace of one's choice.
    pub(super) fn sign_for(&self, namespace: &str, grant: &Grant) -> SignedGrant {
        let payload = grant.encode();
        let data = signed_data(namespace, &payload).expect("a namespace");
        let raw = self.0.sign(&data);
        let signature = OperatorSignature::from_ed25519(self.key_data(), namespace, &raw);
        SignedGrant {
            payload,
            signature: signature.expect("parts that belong together").encode(),
        }
    }
}

/// A job that every node of the batch should take; it writes `mark` into `/tmp/starts`.
pub(super) fn job(mark: &str, nodes: &[&str], dice: &mut Dice) -> JobSpec {
    let now = now();
    let batch = (0..).zip(nodes).map(|(rank, name)| {
        let name: NodeName = name.parse().expect("a name");
        Seat(name, rank)
    });
    JobSpec {
        job: JobId::from_bytes(array(dice)),
        run: RunId::from_bytes(array(dice)),
        cluster: "default".to_owned(),
        batch: batch.collect(),
        count: 1,
        body: Body::Shell(format!("echo {mark} >> /tmp/starts")),
        run_as: "root".to_owned(),
        env: [].into(),
        cwd: None,
        shell: None,
        subst: false,
        attempt: 1,
        stdin: Stdin::None,
        limits: JobLimits::default(),
        issued_ms: now,
        start_by_ms: now + MINUTE,
    }
}

/// Signs a job as it should be signed.
pub(super) fn sign(session: &SecretKey, spec: &JobSpec) -> SignedJob {
    session.sign_job(spec).expect("a small job")
}
