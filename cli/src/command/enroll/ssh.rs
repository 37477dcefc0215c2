//! One ssh process for each node, some at once, each with a deadline.

use std::ffi::OsStr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use dtx_proto_types::node::NodeName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::answer::Answer;

/// How ssh is called.
#[derive(Debug, Clone)]
pub(super) struct Ssh {
    /// Log in as this user.
    pub(super) user: Option<String>,
    /// What the remote login shell is told to run.
    pub(super) words: &'static [&'static str],
    /// What that reads.
    pub(super) script: Arc<str>,
    /// How long it may all take.
    pub(super) timeout: Duration,
}

/// What a node may say at most; a login shell that babbles is cut off.
const ANSWER_MAX: u64 = 64 * 1024;

/// Asks all nodes, `fanout` at once; answers come as they are ready.
pub(super) fn ask_all(
    ssh: &Ssh,
    nodes: Vec<NodeName>,
    fanout: usize,
) -> JoinSet<(NodeName, Answer)> {
    let places = Arc::new(Semaphore::new(fanout));
    let mut asked = JoinSet::new();
    for node in nodes {
        let (ssh, places) = (ssh.clone(), Arc::clone(&places));
        asked.spawn(async move {
            let answer = match places.acquire().await {
                Ok(_place) => ssh.ask(&node).await,
                Err(closed) => Answer::Failed(closed.to_string()),
            };
            (node, answer)
        });
    }
    asked
}

impl Ssh {
    async fn ask(&self, node: &NodeName) -> Answer {
        let mut child = match self.command(node).spawn() {
            Ok(child) => child,
            Err(error) => return Answer::Failed(format!("ssh cannot be started: {error}")),
        };
        match tokio::time::timeout(self.timeout, self.talk(&mut child)).await {
            Ok(answer) => answer,
            Err(_late) => {
                let _gone = child.kill().await;
                let seconds = self.timeout.as_secs();
                Answer::Failed(format!("no answer over ssh within {seconds} s"))
            }
        }
    }

    /// A node's name cannot begin with `-`, by its type; the `--` is for whoever changes that.
    fn command(&self, node: &NodeName) -> Command {
        let mut command = Command::new("ssh");
        // Nobody can be asked for a password by sixteen processes at once.
        command.args(["-T", "-o", "BatchMode=yes"]);
        let seconds = self.timeout.as_secs().max(1);
        command.args(["-o", &format!("ConnectTimeout={seconds}")]);
        if let Some(user) = &self.user {
            command.args([OsStr::new("-l"), OsStr::new(user)]);
        }
        command.args(["--", node.as_str()]).args(self.words);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    async fn talk(&self, child: &mut Child) -> Answer {
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let write = async {
            if let Some(mut stdin) = stdin {
                // If it reads no further, its answer says why.
                let _refused = stdin.write_all(self.script.as_bytes()).await;
            }
        };
        let ((), output, complaint) = tokio::join!(write, read(stdout), read(stderr));
        let _status = child.wait().await;
        Answer::parse(&output, &complaint)
    }
}

/// Reads to the end, and keeps the first part.
async fn read(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut kept = Vec::new();
    if let Some(mut stream) = stream {
        let _cut = (&mut stream).take(ANSWER_MAX).read_to_end(&mut kept).await;
        let _rest = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    }
    String::from_utf8_lossy(&kept).into_owned()
}
