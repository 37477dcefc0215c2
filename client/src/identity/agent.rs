//! Two messages of the ssh-agent protocol (draft-ietf-sshm-ssh-agent): list and sign.

use std::io;
use std::path::Path;
use std::time::Duration;

use dtx_proto_types::key::Ed25519Key;
use ssh_key::public::{Ed25519PublicKey, KeyData};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
const FAILURE: u8 = 5;

/// OpenSSH's own limit for a message of its agent.
const MESSAGE_MAX: usize = 256 * 1024;
/// An agent that only has to look into its memory answers within this time.
const LIST_DEADLINE: Duration = Duration::from_secs(5);
/// A person may have to confirm (`ssh-add -c`) or touch something.
const SIGN_DEADLINE: Duration = Duration::from_secs(120);
/// The wire's name of the only kind of key used here.
const ED25519: &[u8] = b"ssh-ed25519";

/// One key that an agent offers.
#[derive(Debug, Clone)]
pub(super) struct Offered {
    /// The key, if it is of a kind that can be an operator's.
    pub(super) key: Option<Ed25519Key>,
    /// Its kind, as the wire calls it.
    pub(super) kind: String,
    /// What the person called it.
    pub(super) comment: String,
}

/// Why the agent was no help.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Its socket cannot be used.
    #[error("the ssh-agent does not answer: {0}")]
    Io(#[from] io::Error),
    /// It takes too long.
    #[error("the ssh-agent did not answer within {0:?}")]
    Late(Duration),
    /// It said no.
    #[error("the ssh-agent refused to sign (locked, or the confirmation was denied)")]
    Refused,
    /// It said something that the protocol does not know.
    #[error("the ssh-agent's answer cannot be read")]
    Malformed,
}

/// Lists the keys that the agent holds.
pub(super) async fn list(socket: &Path) -> Result<Vec<Offered>, AgentError> {
    let answer = ask(socket, vec![REQUEST_IDENTITIES], LIST_DEADLINE).await?;
    parse_list(&answer).ok_or(AgentError::Malformed)
}

fn parse_list(answer: &[u8]) -> Option<Vec<Offered>> {
    let mut rest = answer.strip_prefix(&[IDENTITIES_ANSWER])?;
    let count = take_u32(&mut rest)?;
    let mut offered = Vec::new();
    for _ in 0..count {
        let mut blob = take_string(&mut rest)?;
        let comment = String::from_utf8_lossy(take_string(&mut rest)?).into_owned();
        let kind = take_string(&mut blob)?;
        let key = (kind == ED25519).then(|| take_string(&mut blob)).flatten();
        offered.push(Offered {
            key: key
                .and_then(|key| key.try_into().ok())
                .map(Ed25519Key::from_bytes),
            kind: String::from_utf8_lossy(kind).into_owned(),
            comment,
        });
    }
    rest.is_empty().then_some(offered)
}

/// Has the agent sign `data` with `key`: the 64 bytes of an Ed25519 signature.
pub(super) async fn sign(
    socket: &Path,
    key: Ed25519Key,
    data: &[u8],
) -> Result<[u8; 64], AgentError> {
    let mut request = vec![SIGN_REQUEST];
    put_string(&mut request, &key_blob(key));
    put_string(&mut request, data);
    request.extend_from_slice(&0_u32.to_be_bytes());
    let answer = ask(socket, request, SIGN_DEADLINE).await?;
    if answer.first() == Some(&FAILURE) {
        return Err(AgentError::Refused);
    }
    parse_signature(&answer).ok_or(AgentError::Malformed)
}

fn parse_signature(answer: &[u8]) -> Option<[u8; 64]> {
    let mut rest = answer.strip_prefix(&[SIGN_RESPONSE])?;
    let mut signature = take_string(&mut rest)?;
    let kind = take_string(&mut signature)?;
    let raw = take_string(&mut signature)?;
    let complete = kind == ED25519 && rest.is_empty() && signature.is_empty();
    complete.then(|| raw.try_into().ok()).flatten()
}

async fn ask(socket: &Path, request: Vec<u8>, deadline: Duration) -> Result<Vec<u8>, AgentError> {
    timeout(deadline, exchange(socket, &request))
        .await
        .map_err(|_late| AgentError::Late(deadline))?
}

async fn exchange(socket: &Path, request: &[u8]) -> Result<Vec<u8>, AgentError> {
    let mut stream = UnixStream::connect(socket).await?;
    let length = u32::try_from(request.len()).map_err(|_| AgentError::Malformed)?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(request).await?;
    let length = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
    if length == 0 || length > MESSAGE_MAX {
        return Err(AgentError::Malformed);
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// The key as the wire of SSH writes it.
fn key_blob(key: Ed25519Key) -> Vec<u8> {
    let mut blob = Vec::new();
    put_string(&mut blob, ED25519);
    put_string(&mut blob, key.as_bytes());
    blob
}

/// The key as `ssh-key` names it.
pub(super) fn key_data(key: Ed25519Key) -> KeyData {
    KeyData::from(Ed25519PublicKey(*key.as_bytes()))
}

fn put_string(buffer: &mut Vec<u8>, string: &[u8]) {
    let length = u32::try_from(string.len()).unwrap_or(u32::MAX);
    buffer.extend_from_slice(&length.to_be_bytes());
    buffer.extend_from_slice(string);
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    let (number, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    Some(u32::from_be_bytes(*number))
}

fn take_string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take_u32(rest)?).ok()?;
    let (string, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(string)
}
