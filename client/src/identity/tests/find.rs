//! Which key is chosen, and what is said when none is.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use dtx_proto_types::grant::Grant;
use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::signed::SecretKey;
use tempfile::TempDir;

use super::super::{
    GenerateError, Generated, Identity, IdentitySource, SignError, generate_key_file,
};
use super::scripted::{Answers, listing, serve, signature};
use crate::hint::Hint;

/// A kind of key that cannot be an operator's for now.
const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBDlr13EPVrrlyLxQKReV84xT3hHJw8p+9eh7/IdREO8hAJw8xZZ8TJSjyD5vc5TDHzZbjOu7wE6XdSd+M7v5FVk= x";

/// A directory with a key file in it.
struct Home {
    dir: TempDir,
    made: Generated,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let made = generate_key_file(&dir.path().join("id_ed25519"), "op@host").unwrap();
        Self { dir, made }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn source(&self) -> IdentitySource {
        IdentitySource {
            default_files: vec![self.path("id_ed25519")],
            ..IdentitySource::default()
        }
    }
}

pub(super) fn grant(operator: Fingerprint) -> Grant {
    Grant {
        version: 1,
        session_key: SecretKey::from_seed(&[2; 32]).public(),
        operator,
        cluster: "default".to_owned(),
        issued_ms: 1,
        expires_ms: 2,
        nonce: [0; 16],
        client_host: "here".to_owned(),
        client_user: "op".to_owned(),
    }
}

pub(super) async fn signs(identity: &Identity) -> Result<(), SignError> {
    let grant = grant(identity.fingerprint());
    let signed = identity.sign_grant(&grant).await?;
    assert_eq!(signed.verify().unwrap().grant(), &grant);
    Ok(())
}

#[tokio::test]
async fn a_file_that_was_made_here_is_found_and_signs() {
    let home = Home::new();
    for file in [None, Some("id_ed25519"), Some("id_ed25519.pub")] {
        let source = IdentitySource {
            file: file.map(|name| home.path(name)),
            ..home.source()
        };
        let identity = source.find().await.unwrap();
        assert_eq!(identity.fingerprint(), home.made.fingerprint, "{file:?}");
        assert_eq!(identity.public_line(), home.made.public_line);
        assert!(identity.public_line().ends_with(" op@host"));
        signs(&identity).await.unwrap();
    }
}

#[test]
fn nothing_is_overwritten_and_a_key_is_private() {
    let home = Home::new();
    let mode = |name| {
        std::fs::metadata(home.path(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!((mode("id_ed25519"), mode("id_ed25519.pub")), (0o600, 0o644));
    let exists = |result| matches!(result, Err(GenerateError::Exists(_)));
    assert!(exists(generate_key_file(&home.path("id_ed25519"), "")));
    std::fs::write(home.path("other.pub"), "mine").unwrap();
    assert!(exists(generate_key_file(&home.path("other"), "")));
    assert!(!home.path("other").exists());
    assert_eq!(
        std::fs::read_to_string(home.path("other.pub")).unwrap(),
        "mine"
    );
    let nowhere = generate_key_file(Path::new("/no/such/directory/id"), "");
    assert!(matches!(nowhere, Err(GenerateError::Io { .. })));
}

#[tokio::test]
async fn the_agent_comes_before_the_file_and_what_it_signs_is_checked() {
    let home = Home::new();
    let first = SecretKey::from_seed(&[3; 32]);
    let listed = listing(&[
        ("ssh-rsa", b"x", "rsa"),
        ("ssh-ed25519", first.public().as_bytes(), "first"),
    ]);
    let answers = Answers {
        list: listed,
        sign: signature(&[0; 64]),
    };
    let fingerprint = first.public().fingerprint();
    let agent_dir = tempfile::tempdir().unwrap();
    let (socket, _agent) = serve(agent_dir.path(), answers.clone(), Some(first));
    let source = IdentitySource {
        agent: Some(socket),
        ..home.source()
    };
    let identity = source.find().await.unwrap();
    assert_eq!(identity.fingerprint(), fingerprint);
    assert_eq!(identity.origin(), "ssh-agent (first)");
    signs(&identity).await.unwrap();
    // What is named wins over what the agent has besides.
    let named = IdentitySource {
        file: Some(home.path("id_ed25519")),
        ..source
    };
    let identity = named.find().await.unwrap();
    assert_eq!(identity.fingerprint(), home.made.fingerprint);
    // A signature that does not hold is not sent to 512 nodes.
    let agent_dir = tempfile::tempdir().unwrap();
    let (socket, _agent) = serve(agent_dir.path(), answers, None);
    let source = IdentitySource {
        agent: Some(socket),
        ..IdentitySource::default()
    };
    let lying = source.find().await.unwrap();
    assert!(matches!(signs(&lying).await, Err(SignError::Invalid(_))));
}

#[tokio::test]
async fn every_failure_says_what_was_tried_and_what_to_do() {
    let home = Home::new();
    let open = home.path("open");
    std::fs::copy(home.path("id_ed25519"), &open).unwrap();
    set_permissions(&open, Permissions::from_mode(0o640)).unwrap();
    std::fs::write(home.path("junk"), "junk").unwrap();
    set_permissions(home.path("junk"), Permissions::from_mode(0o600)).unwrap();
    std::fs::write(home.path("ecdsa.pub"), ECDSA).unwrap();
    let agent_dir = tempfile::tempdir().unwrap();
    let answers = Answers {
        list: listing(&[("sk-ssh-ed25519@openssh.com", b"x", "token")]),
        sign: vec![],
    };
    let (socket, _agent) = serve(agent_dir.path(), answers, None);
    for (file, agent, expected) in [
        (Some("missing"), None, "does not exist"),
        (Some("open"), None, "0640"),
        (Some("open"), None, "chmod 600"),
        (Some("junk"), None, "not a key"),
        (
            Some("ecdsa.pub"),
            None,
            "another kind (ecdsa-sha2-nistp256)",
        ),
        (None, Some(socket.clone()), "sk-ssh-ed25519@openssh.com"),
        (
            None,
            Some(home.path("no-agent")),
            "ssh-agent does not answer",
        ),
        (None, None, "nowhere to look"),
    ] {
        let source = IdentitySource {
            file: file.map(|name| home.path(name)),
            agent,
            ..IdentitySource::default()
        };
        let error = source.find().await.unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("no operator key: "), "{text}");
        assert!(text.contains(expected), "{text} lacks {expected:?}");
        let hints = error.hints().join(" ");
        assert!(hints.contains("ssh-add"), "{hints}");
        assert_eq!(hints.contains("dtx keys new"), file.is_none(), "{hints}");
    }
}
