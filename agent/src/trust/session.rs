//! Who speaks in a session.

use std::time::Duration;

use dtx_policy::Operator;
use dtx_proto_types::grant::VerifiedGrant;
use dtx_proto_types::key::{Ed25519Key, Fingerprint};

use super::freshness::GrantTimes;

/// A peer whose grant was verified. What he may do is decided for each request, by the files and
/// the clock of that moment; a session alone starts nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    label: String,
    fingerprint: Fingerprint,
    session_key: Ed25519Key,
    client: String,
    nonce: [u8; 16],
    issued_ms: u64,
    expires_ms: u64,
}

/// Longest name of a client's host or user that is kept.
const CLIENT_MAX: usize = 128;

impl Session {
    pub(super) fn new(grant: &VerifiedGrant, operator: &Operator) -> Self {
        let grant = grant.grant();
        let short = |text: &str| -> String {
            text.chars()
                .take(CLIENT_MAX)
                .map(|c| if c.is_control() { '\u{fffd}' } else { c })
                .collect()
        };
        Self {
            label: operator.to_string(),
            fingerprint: operator.fingerprint(),
            session_key: grant.session_key,
            client: format!(
                "{}@{}",
                short(&grant.client_user),
                short(&grant.client_host)
            ),
            nonce: grant.nonce,
            issued_ms: grant.issued_ms,
            expires_ms: grant.expires_ms,
        }
    }

    /// What to call the operator in logs, messages and the audit: `file:NAME` or
    /// `key:SHA256:…`, as it was when the session was opened.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The fingerprint of the operator's key.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The key that speaks for the operator, and that the peer proved in its TLS handshake.
    #[must_use]
    pub const fn session_key(&self) -> Ed25519Key {
        self.session_key
    }

    /// The client's user and host as its grant says, `user@host`, without control characters. For
    /// the audit; nothing is decided by it.
    #[must_use]
    pub fn client(&self) -> &str {
        &self.client
    }

    /// Until when the grant lives, in milliseconds since 1970 by the client's clock.
    #[must_use]
    pub const fn expires_ms(&self) -> u64 {
        self.expires_ms
    }

    /// How long the grant lives in all.
    #[must_use]
    pub const fn grant_life(&self) -> Duration {
        Duration::from_millis(self.expires_ms.saturating_sub(self.issued_ms))
    }

    pub(super) const fn times(&self) -> GrantTimes {
        GrantTimes {
            nonce: self.nonce,
            operator: self.fingerprint,
            issued_ms: self.issued_ms,
            expires_ms: self.expires_ms,
        }
    }
}
