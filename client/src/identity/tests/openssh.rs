//! OpenSSH is the oracle, where it is installed.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::super::operator::Signer;
use super::super::{Identity, IdentitySource, generate_key_file};
use super::find::{grant, signs};

fn is_installed(program: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()));
    if !found {
        println!("skipped: {program} is not installed");
    }
    found
}

fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// A real ssh-agent, in the foreground, killed when dropped.
struct RealAgent(Child);

impl RealAgent {
    fn start(socket: &Path) -> Self {
        let child = Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(socket)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_secs(10);
        while !socket.exists() {
            assert!(Instant::now() < until, "the ssh-agent does not listen");
            std::thread::yield_now();
        }
        Self(child)
    }
}

impl Drop for RealAgent {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// `ssh-keygen -Y verify` believes the grant.
async fn verified_by_openssh(identity: &Identity, dir: &Path) {
    let grant = grant(identity.fingerprint());
    let signed = identity.sign_grant(&grant).await.unwrap();
    let signers = dir.join("signers");
    std::fs::write(&signers, format!("op {}\n", identity.public_line())).unwrap();
    let signature = dir.join("grant.sig");
    std::fs::write(&signature, signed.signature().unwrap().to_pem()).unwrap();
    let payload = dir.join("grant");
    std::fs::write(&payload, &signed.payload).unwrap();
    let output = Command::new("ssh-keygen")
        .args(["-Y", "verify", "-n", "dtx-grant-v1", "-I", "op", "-f"])
        .args([&signers, Path::new("-s")])
        .arg(&signature)
        .stdin(std::fs::File::open(&payload).unwrap())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
async fn keys_of_both_sides_are_keys_to_both_sides() {
    if !is_installed("ssh-keygen") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let ours = dir.path().join("ours");
    let made = generate_key_file(&ours, "made here").unwrap();
    let public = run(Command::new("ssh-keygen").arg("-y").arg("-f").arg(&ours));
    assert_eq!(public.trim(), made.public_line);
    let theirs = dir.path().join("theirs");
    run(Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "made there", "-f"])
        .arg(&theirs));
    for file in [ours, theirs] {
        let source = IdentitySource {
            file: Some(file),
            ..IdentitySource::default()
        };
        verified_by_openssh(&source.find().await.unwrap(), dir.path()).await;
    }
}

#[tokio::test]
async fn a_real_agent_signs() {
    if !(is_installed("ssh-agent") && is_installed("ssh-add") && is_installed("ssh-keygen")) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("agent");
    let _agent = RealAgent::start(&socket);
    let file = dir.path().join("id");
    let made = generate_key_file(&file, "in the agent").unwrap();
    run(Command::new("ssh-add")
        .arg("-q")
        .arg(&file)
        .env("SSH_AUTH_SOCK", &socket));
    std::fs::remove_file(&file).unwrap();
    // Unnamed, and named by the public half alone.
    for named in [None, Some(dir.path().join("id.pub"))] {
        let source = IdentitySource {
            file: named,
            agent: Some(socket.clone()),
            ..IdentitySource::default()
        };
        let identity = source.find().await.unwrap();
        assert_eq!(identity.fingerprint(), made.fingerprint);
        assert_eq!(identity.origin(), "ssh-agent (in the agent)");
        verified_by_openssh(&identity, dir.path()).await;
    }
}

#[tokio::test]
async fn a_key_with_a_passphrase_needs_an_agent_or_a_terminal() {
    if !is_installed("ssh-keygen") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("id");
    run(Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "secret", "-f"])
        .arg(&file));
    let source = IdentitySource {
        file: Some(file),
        ..IdentitySource::default()
    };
    let error = source.find().await.unwrap_err().to_string();
    assert!(error.contains("has a passphrase"), "{error}");
    let source = IdentitySource {
        terminal: true,
        ..source
    };
    let identity = source.find().await.unwrap();
    assert!(identity.asks());
}

#[tokio::test]
async fn ssh_keygen_signs_what_it_is_given() {
    if !is_installed("ssh-keygen") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("id");
    generate_key_file(&file, "").unwrap();
    let plain = IdentitySource {
        file: Some(file.clone()),
        ..IdentitySource::default()
    };
    let public = plain.find().await.unwrap().public();
    let through = |path| Identity::new(public, String::new(), Signer::Keygen(path));
    signs(&through(file)).await.unwrap();
    let gone = through(dir.path().join("none"));
    let error = signs(&gone).await.unwrap_err().to_string();
    assert!(error.contains("ssh-keygen did not sign"), "{error}");
}
