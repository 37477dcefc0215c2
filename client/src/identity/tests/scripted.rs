//! An ssh-agent of a few lines.

use std::path::{Path, PathBuf};

use dtx_proto_types::signed::SecretKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use super::super::AgentError;
use super::super::agent::{list, sign};

/// What the agent answers to the two requests.
#[derive(Clone)]
pub(super) struct Answers {
    pub(super) list: Vec<u8>,
    pub(super) sign: Vec<u8>,
}

pub(super) fn string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap();
    [&length.to_be_bytes()[..], bytes].concat()
}

/// The answer that lists these keys: kind, key, comment.
pub(super) fn listing(keys: &[(&str, &[u8], &str)]) -> Vec<u8> {
    let mut answer = vec![12];
    answer.extend_from_slice(&u32::try_from(keys.len()).unwrap().to_be_bytes());
    for (kind, key, comment) in keys {
        let blob = [string(kind.as_bytes()), string(key)].concat();
        answer.extend_from_slice(&string(&blob));
        answer.extend_from_slice(&string(comment.as_bytes()));
    }
    answer
}

pub(super) fn signature(raw: &[u8]) -> Vec<u8> {
    let blob = [string(b"ssh-ed25519"), string(raw)].concat();
    [vec![14], string(&blob)].concat()
}

/// Serves until the set is dropped. Says what it was asked to sign by `sign_with`, if given.
pub(super) fn serve(
    dir: &Path,
    answers: Answers,
    sign_with: Option<SecretKey>,
) -> (PathBuf, JoinSet<()>) {
    let path = dir.join("agent.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let mut task = JoinSet::new();
    task.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let request = read_message(&mut stream).await;
            let answer = match (request.first(), &sign_with) {
                (Some(13), Some(key)) => signature(&key.sign(data_of(&request))),
                (Some(13), None) => answers.sign.clone(),
                _ => answers.list.clone(),
            };
            // A client that has given up is no matter.
            let _gone = stream.write_all(&string(&answer)).await;
        }
    });
    (path, task)
}

async fn read_message(stream: &mut UnixStream) -> Vec<u8> {
    let length = stream.read_u32().await.unwrap() as usize;
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await.unwrap();
    message
}

/// The data of a sign request, which follows the key.
fn data_of(request: &[u8]) -> &[u8] {
    let length = |at: usize| u32::from_be_bytes(request[at..at + 4].try_into().unwrap()) as usize;
    let data = 5 + length(1);
    &request[data + 4..data + 4 + length(data)]
}

#[tokio::test]
async fn what_an_agent_may_answer_and_what_not() {
    let key = SecretKey::from_seed(&[1; 32]);
    let good = listing(&[
        ("ssh-rsa", b"whatever", "old"),
        ("ssh-ed25519", key.public().as_bytes(), "mine"),
    ]);
    let cut = good[..good.len() - 1].to_vec();
    let long = [good.clone(), vec![0]].concat();
    let lists: [(Vec<u8>, Option<usize>); 6] = [
        (good, Some(2)),
        (listing(&[]), Some(0)),
        (cut, None),
        (long, None),
        (vec![5], None),
        (vec![12, 0xff, 0xff, 0xff, 0xff], None),
    ];
    for (answer, expected) in lists {
        let dir = tempfile::tempdir().unwrap();
        let answers = Answers {
            list: answer.clone(),
            sign: vec![],
        };
        let (socket, _agent) = serve(dir.path(), answers, None);
        let listed = list(&socket).await.ok().map(|keys| keys.len());
        assert_eq!(listed, expected, "{answer:?}");
    }
    let refused = |result: &Result<_, AgentError>| matches!(result, Err(AgentError::Refused));
    for (answer, good, no) in [
        (signature(&[7; 64]), true, false),
        (signature(&[7; 63]), false, false),
        (vec![5], false, true),
        (vec![14], false, false),
        (vec![99], false, false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let answers = Answers {
            list: vec![],
            sign: answer.clone(),
        };
        let (socket, _agent) = serve(dir.path(), answers, None);
        let signed = sign(&socket, key.public(), b"data").await;
        assert_eq!(signed.is_ok(), good, "{answer:?}");
        assert_eq!(refused(&signed), no, "{answer:?}");
    }
}

#[tokio::test]
async fn no_agent_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let listed = list(&dir.path().join("none")).await;
    assert!(matches!(listed, Err(AgentError::Io(_))));
}
