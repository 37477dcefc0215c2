//! The front's half of TLS: version 1.3, raw public keys on both sides, Ed25519, nothing kept
//! from one connection to the next.

use std::sync::Arc;

use dtx_proto_types::key::Ed25519Key;
use dtx_proto_types::signed::SecretKey;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible,
    ServerConfig, ServerConnection, SignatureScheme, version,
};

/// What precedes the seed of an Ed25519 key in PKCS #8 (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// How this node proves its key, and what a client must prove.
///
/// # Errors
///
/// If the TLS library cannot use the key.
pub(super) fn server_config(node_key_seed: &[u8; 32]) -> Result<Arc<ServerConfig>, Error> {
    let provider = Arc::new(ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])?
        .with_client_cert_verifier(Arc::new(SessionKeys { algorithms }))
        .with_cert_resolver(Arc::new(NodeKey::new(node_key_seed)?));
    // Every session proves its key anew: a key that was taken out of a list is out.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// The key that the peer of a finished handshake has proved.
pub(super) fn peer_key(connection: &ServerConnection) -> Option<Ed25519Key> {
    let [spki] = connection.peer_certificates()? else {
        return None;
    };
    Ed25519Key::from_spki(spki)
}

/// The node's own key.
#[derive(Debug)]
struct NodeKey(Arc<CertifiedKey>);

impl NodeKey {
    fn new(seed: &[u8; 32]) -> Result<Self, Error> {
        let pkcs8 = [&PKCS8_PREFIX[..], seed].concat();
        let key = ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8))?;
        let spki = SecretKey::from_seed(seed).public().to_spki();
        let chain = vec![CertificateDer::from(spki.to_vec())];
        Ok(Self(Arc::new(CertifiedKey::new(chain, key))))
    }
}

impl ResolvesServerCert for NodeKey {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // Who names a protocol means another one.
        hello.alpn().is_none().then(|| Arc::clone(&self.0))
    }

    fn only_raw_public_keys(&self) -> bool {
        true
    }
}

/// Any Ed25519 key may prove itself; whether a grant speaks for it is the executor's question.
#[derive(Debug)]
struct SessionKeys {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for SessionKeys {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        key: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if others.is_empty() && Ed25519Key::from_spki(key).is_some() {
            Ok(ClientCertVerified::assertion())
        } else {
            Err(CertificateError::BadEncoding.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _key: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOfferedOrEnabled.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if signature.scheme != SignatureScheme::ED25519 {
            return Err(CertificateError::BadSignature.into());
        }
        let key = SubjectPublicKeyInfoDer::from(key.as_ref());
        verify_tls13_signature_with_raw_key(message, &key, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
