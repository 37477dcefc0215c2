//! The settings in force, and where each came from.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dtx_proto_types::limits;
use dtx_proto_types::node::NodeName;
use dtx_proto_types::units::{HumanDuration, HumanSize};

use super::file::File;
use super::limits::ProcessLimit;
use super::networks::{InvalidNetwork, Networks};
use super::origins::Origins;
use crate::args::{LogFormat, Serve, Switch};
use crate::trust::{OwnerError, Owners};

/// Everything that an agent was told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The node's name; absent means the one kept in the state directory.
    pub name: Option<NodeName>,
    /// Its cluster.
    pub cluster: String,
    /// Where to accept sessions.
    pub listen: Vec<SocketAddr>,
    /// From where sessions may be opened.
    pub accept_from: Networks,
    /// Whether discovery is answered.
    pub discovery: bool,
    /// Interfaces for discovery; empty means all that are fit.
    pub interfaces: Vec<String>,
    /// The state directory.
    pub state_dir: PathBuf,
    /// The operators files.
    pub operators: Vec<PathBuf>,
    /// The policy file, and whether it was named by somebody (then it must exist).
    pub policy: (PathBuf, bool),
    /// Jobs at once.
    pub slots: u32,
    /// Jobs that may wait for a slot.
    pub queue: u32,
    /// The node's labels.
    pub labels: BTreeMap<String, String>,
    /// Longest life of a grant.
    pub max_grant: Duration,
    /// How long a job outlives its client.
    pub reattach_grace: Duration,
    /// Between TERM and KILL.
    pub kill_grace: Duration,
    /// How long a stopping agent waits for its jobs.
    pub stop_timeout: Duration,
    /// Ceiling for the output of each stream that is sent.
    pub max_output: Option<u64>,
    /// Ceiling for the timeout of a job, also for one that asks for none.
    pub max_timeout: Option<Duration>,
    /// How long ended jobs are remembered.
    pub keep: Duration,
    /// The audit log; absent means `executor/audit.jsonl` in the state directory.
    pub audit_file: Option<PathBuf>,
    /// Resource limits of jobs.
    pub limits: Vec<ProcessLimit>,
    /// Whether the log is JSON.
    pub log_json: bool,
    /// Where each setting came from, by key, in the order in which they are shown.
    pub origins: Vec<(&'static str, String, String)>,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read, or others than root and the agent's user could have written it.
    #[error("{0}")]
    Untrusted(#[from] OwnerError),
    /// The file is wrong.
    #[error("{path}: {error}{hint}")]
    File {
        /// The file.
        path: PathBuf,
        /// Where and what, with the line.
        error: String,
        /// What was probably meant.
        hint: String,
    },
    /// A limit that does not exist.
    #[error("{path}: there is no limit {name:?} (there are {known})")]
    UnknownLimit {
        /// The file.
        path: PathBuf,
        /// As written.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A value that cannot be used.
    #[error("{key} = {value:?} ({origin}): {reason}")]
    Value {
        /// Which setting.
        key: &'static str,
        /// As written.
        value: String,
        /// Where.
        origin: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Where the configuration file lies unless named.
const DEFAULT_CONFIG: &str = "/etc/dtx/agent.toml";
/// Largest file that is read.
const FILE_MAX: u64 = 1024 * 1024;
/// Longest names of clusters and labels, so that a datagram holds them.
const NAME_MAX: usize = 64;

impl Settings {
    /// Reads the configuration file, if there is one, and puts the command line over it. The file
    /// names the node and its labels, by which a policy goes, and the policy itself: so it is
    /// believed only where the policy would be.
    ///
    /// # Errors
    ///
    /// Names the file or flag that is wrong, and what would be right.
    pub fn load(serve: Serve) -> Result<Self, SettingsError> {
        let path = serve
            .config
            .clone()
            .unwrap_or_else(|| DEFAULT_CONFIG.into());
        let owners = Owners {
            agent_uid: nix::unistd::geteuid().as_raw(),
        };
        let file = match owners.open(&path) {
            Ok(file) => File::parse(&file.read(FILE_MAX)?.0, &path)?,
            Err(OwnerError::Missing(_)) if serve.config.is_none() => File::default(),
            Err(error) => return Err(error.into()),
        };
        Self::resolve(serve, file, &path)
    }

    #[expect(
        clippy::too_many_lines,
        reason = "one line for each setting, in the order shown"
    )]
    fn resolve(serve: Serve, file: File, path: &Path) -> Result<Self, SettingsError> {
        let mut from = Origins {
            file: path.display().to_string(),
            list: Vec::new(),
        };
        let span = |value: &Duration| HumanDuration(*value).to_string();
        let list = |values: &Vec<String>| values.join(", ");
        let paths = |values: &Vec<PathBuf>| {
            values
                .iter()
                .map(|path| path.display().to_string())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let given = |values: Vec<String>| (!values.is_empty()).then_some(values);

        let name = from.pick(
            "name",
            serve.name.map(Some),
            file.name.map(Some),
            || None,
            |name| {
                name.clone()
                    .unwrap_or_else(|| "the short host name".to_owned())
            },
        );
        let cluster = from.pick(
            "cluster",
            serve.cluster,
            file.cluster,
            || "default".into(),
            String::clone,
        );
        let listen = from.pick(
            "listen",
            given(serve.listen),
            file.listen.map(super::file::OneOrMore::into_vec),
            || vec!["[::]:15943".into()],
            list,
        );
        let accept = from.pick(
            "accept_from",
            None,
            file.accept_from,
            || vec!["on-link".into(), "private".into()],
            list,
        );
        let discovery = from.pick(
            "discovery",
            serve.discovery.map(|switch| switch == Switch::On),
            file.discovery,
            || true,
            |on| if *on { "on".into() } else { "off".into() },
        );
        let interfaces = from.pick(
            "interfaces",
            given(serve.interface),
            file.interfaces,
            Vec::new,
            |names| {
                if names.is_empty() {
                    "all that are fit".into()
                } else {
                    names.join(", ")
                }
            },
        );
        let state_dir = from.pick(
            "state_dir",
            serve.state_dir,
            file.state_dir,
            || "/var/lib/dtx".into(),
            |path| path.display().to_string(),
        );
        let operators = from.pick(
            "operators",
            (!serve.operators.is_empty()).then_some(serve.operators),
            file.operators
                .map(|paths| paths.into_vec().into_iter().map(PathBuf::from).collect()),
            || vec!["/etc/dtx/operators".into()],
            paths,
        );
        let policy = from.pick(
            "policy",
            serve.policy.map(|path| (path, true)),
            file.policy.map(|path| (path, true)),
            || ("/etc/dtx/policy.toml".into(), false),
            |(path, _)| path.display().to_string(),
        );
        let slots = from.pick(
            "slots",
            serve.slots,
            file.slots,
            default_slots,
            u32::to_string,
        );
        let queue = from.pick("queue", None, file.queue, || 64, u32::to_string);
        let labels = from.pick(
            "labels",
            None,
            (!file.labels.is_empty()).then_some(file.labels),
            BTreeMap::new,
            |labels| {
                labels
                    .iter()
                    .map(|(key, value)| format!("{key}={value}"))
                    .collect::<Vec<_>>()
                    .join(", ")
            },
        );
        let mut pick_span = |key, value: Option<super::file::Span>, default: Duration| {
            from.pick(key, None, value.map(|span| span.0), || default, span)
        };
        let max_grant = pick_span("max_grant", file.max_grant, limits::GRANT_LIFE_MAX);
        let reattach_grace = pick_span(
            "reattach_grace",
            file.reattach_grace,
            Duration::from_secs(60),
        );
        let kill_grace = pick_span("kill_grace", file.kill_grace, Duration::from_secs(2));
        let stop_timeout = pick_span("stop_timeout", file.stop_timeout, Duration::from_secs(20));
        let keep = pick_span("keep", file.keep, Duration::from_secs(24 * 3600));
        let none = || "none".to_owned();
        let max_output = from.pick(
            "max_output",
            None,
            file.max_output.map(|size| Some(size.0)),
            || None,
            |size| size.map_or_else(none, |size| HumanSize(size).to_string()),
        );
        let max_timeout = from.pick(
            "max_timeout",
            None,
            file.max_timeout.map(|s| Some(s.0)),
            || None,
            |value| value.as_ref().map_or_else(none, span),
        );
        let audit_file = from.pick(
            "audit.file",
            None,
            file.audit.file.map(Some),
            || None,
            |path| {
                path.as_ref().map_or_else(
                    || "STATE/executor/audit.jsonl".into(),
                    |path| path.display().to_string(),
                )
            },
        );
        let process_limits: Vec<ProcessLimit> = file
            .limits
            .iter()
            .filter_map(|(name, limit)| ProcessLimit::new(name, limit.0))
            .collect();
        let process_limits = from.pick(
            "limits",
            None,
            (!process_limits.is_empty()).then_some(process_limits),
            Vec::new,
            |limits| {
                limits
                    .iter()
                    .map(ProcessLimit::to_string)
                    .collect::<Vec<_>>()
                    .join(", ")
            },
        );
        let log_format = from.pick(
            "log_format",
            serve.log_format.map(|format| match format {
                LogFormat::Text => "text".to_owned(),
                LogFormat::Json => "json".to_owned(),
            }),
            file.log_format,
            || "text".into(),
            String::clone,
        );

        let wrong = |key, value: String, reason: String| SettingsError::Value {
            key,
            value,
            origin: from.of(key),
            reason,
        };
        let name = name
            .map(|name| {
                name.parse()
                    .map_err(|error| wrong("name", name.clone(), format!("{error}")))
            })
            .transpose()?;
        check_word(&cluster).map_err(|reason| wrong("cluster", cluster.clone(), reason))?;
        for (key, value) in &labels {
            check_word(key)
                .and_then(|()| check_word(value))
                .map_err(|reason| wrong("labels", format!("{key}={value}"), reason))?;
        }
        let listen = listen
            .iter()
            .map(|text| {
                text.parse().map_err(|_| {
                    let reason = "write an address and a port, such as [::]:15943 or 0.0.0.0:15943";
                    wrong("listen", text.clone(), reason.into())
                })
            })
            .collect::<Result<Vec<SocketAddr>, _>>()?;
        let accept_from = Networks::parse(accept.iter().map(String::as_str)).map_err(
            |error: InvalidNetwork| wrong("accept_from", list(&accept), error.to_string()),
        )?;
        if slots == 0 {
            return Err(wrong(
                "slots",
                "0".into(),
                "an agent needs one slot at least".into(),
            ));
        }
        if !matches!(log_format.as_str(), "text" | "json") {
            return Err(wrong("log_format", log_format, "write text or json".into()));
        }
        Ok(Self {
            name,
            cluster,
            listen,
            accept_from,
            discovery,
            interfaces,
            state_dir,
            operators,
            policy,
            slots,
            queue,
            labels,
            max_grant,
            reattach_grace,
            kill_grace,
            stop_timeout,
            max_output,
            max_timeout,
            keep,
            audit_file,
            limits: process_limits,
            log_json: log_format == "json",
            origins: from.list,
        })
    }
}

/// Twice the cores, four at least.
fn default_slots() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(cores.saturating_mul(2))
        .unwrap_or(u32::MAX)
        .max(4)
}

/// Names of clusters and labels are short words.
fn check_word(word: &str) -> Result<(), String> {
    let fits = (1..=NAME_MAX).contains(&word.len())
        && word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if fits {
        Ok(())
    } else {
        Err(format!(
            "use 1 to {NAME_MAX} letters, digits, `.`, `_` and `-`"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str, serve: Serve) -> Result<Settings, SettingsError> {
        let path = Path::new("agent.toml");
        Settings::resolve(serve, File::parse(text, path)?, path)
    }

    #[test]
    fn the_command_line_wins_over_the_file_and_the_file_over_defaults() {
        let serve = Serve {
            cluster: Some("flag".into()),
            ..Serve::default()
        };
        let settings = resolve("cluster = \"file\"\nqueue = 7", serve).unwrap();
        assert_eq!(settings.cluster, "flag");
        assert_eq!(settings.queue, 7);
        assert_eq!(settings.kill_grace, Duration::from_secs(2));
        let origin = |key| {
            let found = settings.origins.iter().find(|(known, ..)| *known == key);
            found.map(|(.., origin)| origin.as_str())
        };
        assert_eq!(origin("cluster"), Some("--cluster"));
        assert_eq!(origin("queue"), Some("agent.toml"));
        assert_eq!(origin("kill_grace"), Some("default"));
    }

    #[test]
    fn wrong_values_are_named_with_their_origin() {
        for (text, says) in [
            ("name = \"a b\"", "name"),
            ("cluster = \"\"", "cluster"),
            ("listen = \"15943\"", "[::]:15943"),
            ("accept_from = [\"all\"]", "on-link"),
            ("slots = 0", "one slot"),
            ("log_format = \"xml\"", "text or json"),
            ("labels = { rack = \"r 1\" }", "labels"),
        ] {
            let error = resolve(text, Serve::default()).unwrap_err().to_string();
            assert!(
                error.contains(says) && error.contains("agent.toml"),
                "{text}: {error}"
            );
        }
    }
}
