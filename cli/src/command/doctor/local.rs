//! What lies on this machine: key, ssh-agent, state.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use dtx_client::hint::Hint;
use dtx_client::identity::{Identity, IdentitySource};
use dtx_client::pins::{KnownNodes, SYSTEM_FILE};
use dtx_client::state::StateDir;
use nix::unistd::{AccessFlags, access};

use super::finding::Finding;
use crate::command::Context;
use crate::report::nodes;

/// The operator's key, as a run would choose it.
pub(super) async fn key(context: &Context) -> (Finding, Option<Identity>) {
    let source = IdentitySource::from_environment(context.settings.identity.clone());
    match source.find().await {
        Ok(identity) => {
            let text = format!("{} from {}", identity.fingerprint(), identity.origin());
            let finding = if identity.asks() {
                Finding::notice(
                    "key",
                    format!("{text}, asks for its passphrase each time"),
                    format!("load it once: `ssh-add {}`", identity.origin()),
                )
            } else {
                Finding::good("key", text)
            };
            (finding, Some(identity))
        }
        Err(error) => {
            let remedy = error.hints().into_iter().next();
            let remedy = remedy.unwrap_or_else(|| "make a key: `dtx keys new`".to_owned());
            (Finding::bad("key", error.to_string(), remedy), None)
        }
    }
}

/// The socket of the ssh-agent.
pub(super) fn ssh_agent() -> Finding {
    let Some(socket) = std::env::var_os("SSH_AUTH_SOCK").filter(|value| !value.is_empty()) else {
        return Finding::good("ssh-agent", "none; keys are read from files");
    };
    let path = Path::new(&socket);
    let name = path.display();
    let is_socket = std::fs::metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if is_socket && std::os::unix::net::UnixStream::connect(path).is_ok() {
        Finding::good("ssh-agent", name.to_string())
    } else {
        Finding::notice(
            "ssh-agent",
            format!("nobody answers at SSH_AUTH_SOCK={name}"),
            "start one: `eval \"$(ssh-agent)\"`, or unset SSH_AUTH_SOCK",
        )
    }
}

/// The state directory and what is pinned in it.
pub(super) fn state(context: &Context) -> Finding {
    let path = &context.settings.state_dir;
    let name = path.display();
    match std::fs::metadata(path) {
        Ok(found) if !found.is_dir() => {
            return Finding::bad(
                "state",
                format!("{name} is no directory"),
                "choose another: `--state-dir DIR`",
            );
        }
        Ok(found) if found.permissions().mode() & 0o022 != 0 => {
            return Finding::bad(
                "state",
                format!("{name} can be written by others: they could pin keys"),
                format!("run `chmod go-w {name}`"),
            );
        }
        Ok(_) if access(path, AccessFlags::W_OK).is_err() => {
            return Finding::bad(
                "state",
                format!("{name} cannot be written"),
                format!("run `ls -ld {name}`, or choose another: `--state-dir DIR`"),
            );
        }
        Ok(_) => {}
        Err(_absent) => return Finding::good("state", format!("{name}, made at the first run")),
    }
    match KnownNodes::load(&StateDir::new(path), Path::new(SYSTEM_FILE)) {
        Ok(known) => {
            let count = known.nodes(&context.settings.cluster).len();
            let cluster = &context.settings.cluster;
            Finding::good(
                "state",
                format!("{name}; {} of the cluster {cluster:?} pinned", nodes(count)),
            )
        }
        Err(error) => {
            let remedy = error.hints().into_iter().next();
            let remedy = remedy.unwrap_or_else(|| format!("look at {name}"));
            Finding::bad("state", error.to_string(), remedy)
        }
    }
}
