//! Signing by `ssh-keygen`, which asks for a passphrase on the terminal.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use dtx_proto_types::sshsig::OperatorSignature;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

/// A person has to find and type a passphrase.
const DEADLINE: Duration = Duration::from_secs(300);

/// Why `ssh-keygen` did not sign.
#[derive(Debug, thiserror::Error)]
pub enum KeygenError {
    /// It cannot be run.
    #[error("ssh-keygen cannot be run (is the OpenSSH client installed?): {0}")]
    Io(#[from] io::Error),
    /// It took too long.
    #[error("ssh-keygen waited too long for a passphrase")]
    Late,
    /// It gave up.
    #[error("ssh-keygen did not sign: {0}")]
    Failed(String),
    /// It wrote something else.
    #[error("ssh-keygen's signature cannot be read")]
    Malformed,
}

/// Signs `message` with the key in `path` for `namespace`.
pub(super) async fn sign(
    path: &Path,
    namespace: &str,
    message: &[u8],
) -> Result<OperatorSignature, KeygenError> {
    let mut child = Command::new("ssh-keygen")
        .args(["-Y", "sign", "-n", namespace, "-f"])
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut stdin = child.stdin.take();
    let exchange = async {
        if let Some(stdin) = &mut stdin {
            stdin.write_all(message).await?;
        }
        drop(stdin);
        child.wait_with_output().await
    };
    let output = timeout(DEADLINE, exchange)
        .await
        .map_err(|_| KeygenError::Late)??;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty());
        return Err(KeygenError::Failed(
            last.unwrap_or("it says nothing").to_owned(),
        ));
    }
    let pem = String::from_utf8(output.stdout).map_err(|_| KeygenError::Malformed)?;
    OperatorSignature::from_pem(&pem).map_err(|_| KeygenError::Malformed)
}
