//! What a node said.

use dtx_proto_types::key::Ed25519Key;
use dtx_proto_types::node::NodeName;
use ssh_key::public::KeyData;

use crate::report::one_line;

/// What came of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The key is in its operators file.
    Enrolled {
        /// It was not there before.
        added: bool,
        /// The name and key of the agent there, once it has been started.
        agent: Option<(NodeName, Ed25519Key)>,
    },
    /// It is not, and why.
    Failed(String),
}

impl Answer {
    /// Reads what the script printed; anything else may stand between its lines, because login
    /// shells greet. `complaint` is what ssh and the shell said on standard error.
    pub(super) fn parse(output: &str, complaint: &str) -> Self {
        let mut added = None;
        let (mut name, mut key) = (None, None);
        let mut is_done = false;
        for line in output.lines() {
            let Some(fact) = line.strip_prefix("dtx-enroll ") else {
                continue;
            };
            match fact.split_once(' ') {
                Some(("error", text)) => return Self::Failed(one_line(text)),
                Some(("key", "added")) => added = Some(true),
                Some(("key", "present")) => added = Some(false),
                Some(("name", text)) => name = text.trim().parse().ok(),
                Some(("host-key", text)) => key = parse_key(text),
                Some(("done", _)) => is_done = true,
                _ => {}
            }
        }
        match added {
            Some(added) if is_done => Self::Enrolled {
                added,
                agent: name.zip(key),
            },
            _ => Self::Failed(reason(complaint)),
        }
    }
}

/// The last thing said is mostly the cause.
fn reason(complaint: &str) -> String {
    let last = complaint
        .lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty());
    last.map_or_else(|| "ssh ended without an answer".to_owned(), one_line)
}

fn parse_key(text: &str) -> Option<Ed25519Key> {
    let key = ssh_key::PublicKey::from_openssh(text.trim()).ok()?;
    match key.key_data() {
        KeyData::Ed25519(key) => Some(Ed25519Key::from_bytes(key.0)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH n7";

    #[test]
    fn what_nodes_say() {
        let enrolled = |added, agent| Answer::Enrolled { added, agent };
        let key = Ed25519Key::from_bytes([7; 32]);
        let full = format!(
            "Welcome to n7!\ndtx-enroll key added\ndtx-enroll name n7\n\
             dtx-enroll host-key {KEY}\ndtx-enroll done yes\n"
        );
        for (output, complaint, expected) in [
            (
                full.as_str(),
                "banner",
                enrolled(true, Some(("n7".parse().unwrap(), key))),
            ),
            (
                "dtx-enroll key present\ndtx-enroll done yes\n",
                "",
                enrolled(false, None),
            ),
            (
                "dtx-enroll key present\ndtx-enroll name -x\ndtx-enroll host-key junk\ndtx-enroll done yes\n",
                "",
                enrolled(false, None),
            ),
            (
                "dtx-enroll key added\n",
                "Connection reset",
                Answer::Failed("Connection reset".to_owned()),
            ),
            (
                "dtx-enroll error cannot write /etc/dtx as ops\x1b[2J\n",
                "",
                Answer::Failed("cannot write /etc/dtx as ops^[[2J".to_owned()),
            ),
            (
                "",
                "Warning: x\nops@n7: Permission denied (publickey).\n\n",
                Answer::Failed("ops@n7: Permission denied (publickey).".to_owned()),
            ),
            (
                "",
                "",
                Answer::Failed("ssh ended without an answer".to_owned()),
            ),
        ] {
            assert_eq!(Answer::parse(output, complaint), expected, "{output}");
        }
    }
}
