//! The operator's word, renewed when it is about to run out.

use std::sync::Arc;
use std::time::Duration;

use dtx_proto_types::grant::{Grant, SignedGrant};
use dtx_proto_types::key::Ed25519Key;
use dtx_proto_types::limits::GRANT_MAX;
use nix::unistd::{User, gethostname, getuid};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::OpenError;
use crate::fanout::sign::now_ms;
use crate::identity::{Identity, SignError};
use crate::random;

/// A grant is renewed when less than this part of its life is left.
const RENEW_AT: u32 = 5;

/// The grant of this process and what is needed to renew it.
#[derive(Debug)]
pub(super) struct Grants {
    identity: Arc<Identity>,
    session_key: Ed25519Key,
    cluster: String,
    life: Duration,
    current: Mutex<Live>,
}

/// A grant, and until when it is good enough to start something under it.
#[derive(Debug, Clone)]
pub(super) struct Live {
    pub(super) grant: SignedGrant,
    pub(super) good_until: Instant,
}

impl Grants {
    /// Has the first grant signed.
    pub(super) async fn open(
        identity: Arc<Identity>,
        session_key: Ed25519Key,
        cluster: String,
        life: Duration,
    ) -> Result<Self, OpenError> {
        let draft = draft(&identity, session_key, &cluster, life);
        let draft = draft.map_err(|_| OpenError::Random)?;
        let current = sign(&identity, &draft, life).await?;
        let size = current.grant.payload.len() + current.grant.signature.len();
        if size > GRANT_MAX {
            return Err(OpenError::GrantTooLarge);
        }
        Ok(Self {
            identity,
            session_key,
            cluster,
            life,
            current: Mutex::new(current),
        })
    }

    /// A grant with enough life left to start jobs under it.
    pub(super) async fn live(&self) -> Result<Live, String> {
        let mut current = self.current.lock().await;
        if Instant::now() >= current.good_until {
            let draft = draft(&self.identity, self.session_key, &self.cluster, self.life)
                .map_err(|error| error.to_string())?;
            *current = sign(&self.identity, &draft, self.life)
                .await
                .map_err(|error| error.to_string())?;
        }
        Ok(current.clone())
    }

    /// The newest grant, good or not: enough to come back for a job that runs.
    pub(super) async fn newest(&self) -> Live {
        self.current.lock().await.clone()
    }
}

async fn sign(identity: &Identity, draft: &Grant, life: Duration) -> Result<Live, SignError> {
    // A person may take a minute over a passphrase; the grant's own times are older than that.
    let asked = Instant::now();
    let grant = identity.sign_grant(draft).await?;
    Ok(Live {
        grant,
        good_until: asked + (life - life / RENEW_AT),
    })
}

fn draft(
    identity: &Identity,
    session_key: Ed25519Key,
    cluster: &str,
    life: Duration,
) -> Result<Grant, random::RandomError> {
    let issued_ms = now_ms();
    let host = gethostname().ok().and_then(|name| name.into_string().ok());
    let user = User::from_uid(getuid())
        .ok()
        .flatten()
        .map(|user| user.name);
    Ok(Grant {
        version: 1,
        session_key,
        operator: identity.fingerprint(),
        cluster: cluster.to_owned(),
        issued_ms,
        expires_ms: issued_ms + u64::try_from(life.as_millis()).unwrap_or(u64::MAX),
        nonce: random::bytes()?,
        client_host: host.unwrap_or_else(|| "unknown".to_owned()),
        client_user: user.unwrap_or_else(|| getuid().to_string()),
    })
}
