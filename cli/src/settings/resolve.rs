//! All sources together.

use std::path::{Path, PathBuf};
use std::time::Duration;

use dtx_client::cluster::{CONNECT_TIMEOUT, ClusterOptions, NewNodes};
use dtx_client::fanout::FANOUT;

use super::{Environment, Layer, SettingsError};
use crate::args::GlobalArgs;
use crate::report::Format;
use crate::terminal::ColorChoice;

/// The configuration of the machine.
pub const SYSTEM_FILE: &str = "/etc/dtx/config.toml";

/// What holds for this invocation, whatever command it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The cluster to talk to.
    pub cluster: String,
    /// The operator's key, if one is named.
    pub identity: Option<PathBuf>,
    /// The user to run as, if one is configured.
    pub user: Option<String>,
    /// Most nodes at once.
    pub fanout: usize,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// When to use colour.
    pub color: ColorChoice,
    /// The form of output, if one is configured.
    pub output: Option<Format>,
    /// What to do with nodes that are new.
    pub new_nodes: NewNodes,
    /// More nodes than this need `--yes N`.
    pub confirm_above: Option<usize>,
    /// Agents to ask besides those that discovery finds.
    pub seeds: Vec<String>,
    /// Where pinned node keys and the cache are kept.
    pub state_dir: PathBuf,
}

impl Settings {
    /// Reads all sources.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or is wrong, or there is nowhere to keep state.
    pub fn load(flags: &GlobalArgs, environment: &Environment) -> Result<Self, SettingsError> {
        Self::load_from(Path::new(SYSTEM_FILE), flags, environment)
    }

    fn load_from(
        system: &Path,
        flags: &GlobalArgs,
        environment: &Environment,
    ) -> Result<Self, SettingsError> {
        let named = flags.config.clone().or(environment.path("DTX_CONFIG"));
        let layers = match named {
            // As with `ssh -F`: a file that is named stands alone, and has to be there.
            Some(path) if !path.exists() => {
                return Err(SettingsError::Unreadable {
                    path,
                    source: std::io::ErrorKind::NotFound.into(),
                });
            }
            Some(path) => [Layer::load(&path)?, Layer::default()],
            None => {
                let own = environment.config_dir().map(|dir| dir.join("config.toml"));
                let own = own.map_or_else(|| Ok(Layer::default()), |path| Layer::load(&path));
                [own?, Layer::load(system)?]
            }
        };
        Self::resolve(layers, flags, environment)
    }

    /// Puts the sources together; the user's layer comes before the system's.
    fn resolve(
        layers: [Layer; 2],
        flags: &GlobalArgs,
        environment: &Environment,
    ) -> Result<Self, SettingsError> {
        let [own, system] = layers;
        let expand = |path: String| environment.expand(&path);
        let text = |name| environment.get(name).map(str::to_owned);
        let state_dir = flags
            .state_dir
            .clone()
            .or_else(|| environment.path("DTX_STATE_DIR"))
            .or_else(|| own.state_dir.or(system.state_dir).map(expand))
            .or_else(|| environment.state_dir())
            .ok_or(SettingsError::NoStateDir)?;
        let new_nodes = if flags.accept_new {
            NewNodes::Accept
        } else {
            own.new_nodes.or(system.new_nodes).unwrap_or_default()
        };
        Ok(Self {
            cluster: flags
                .cluster
                .clone()
                .or_else(|| text("DTX_CLUSTER"))
                .or(own.cluster)
                .or(system.cluster)
                .unwrap_or_else(|| "default".to_owned()),
            identity: flags
                .identity
                .clone()
                .or_else(|| text("DTX_IDENTITY").map(expand))
                .or_else(|| own.identity.or(system.identity).map(expand)),
            user: own.user.or(system.user),
            fanout: own.fanout.or(system.fanout).unwrap_or(FANOUT),
            connect_timeout: own
                .connect_timeout
                .or(system.connect_timeout)
                .unwrap_or(CONNECT_TIMEOUT),
            color: flags
                .color
                .or(own.color)
                .or(system.color)
                .unwrap_or_default(),
            output: own.output.or(system.output),
            new_nodes,
            confirm_above: own.confirm_above.or(system.confirm_above),
            seeds: own.seeds.or(system.seeds).unwrap_or_default(),
            state_dir,
        })
    }

    /// How the client reaches the cluster.
    #[must_use]
    pub fn cluster_options(&self) -> ClusterOptions {
        ClusterOptions {
            cluster: self.cluster.clone(),
            new_nodes: self.new_nodes,
            seeds: self.seeds.clone(),
            connect_timeout: self.connect_timeout,
            ..ClusterOptions::new(self.state_dir.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags() -> GlobalArgs {
        GlobalArgs {
            identity: None,
            cluster: None,
            config: None,
            state_dir: None,
            accept_new: false,
            color: None,
            quiet: false,
            verbose: 0,
        }
    }

    fn layer(cluster: &str) -> Layer {
        Layer {
            cluster: Some(cluster.to_owned()),
            ..Layer::default()
        }
    }

    #[test]
    fn the_later_source_wins() {
        let home = ("HOME", "/home/ops");
        let variable = [home, ("DTX_CLUSTER", "variable")];
        let flag = GlobalArgs {
            cluster: Some("flag".to_owned()),
            ..flags()
        };
        let none = Layer::default;
        for (own, system, environment, flags, expected) in [
            (none(), none(), &[home][..], flags(), "default"),
            (none(), layer("system"), &[home], flags(), "system"),
            (layer("own"), layer("system"), &[home], flags(), "own"),
            (
                layer("own"),
                layer("system"),
                &variable,
                flags(),
                "variable",
            ),
            (layer("own"), layer("system"), &variable, flag, "flag"),
        ] {
            let environment = Environment::new(environment.iter().copied());
            let settings = Settings::resolve([own, system], &flags, &environment).unwrap();
            assert_eq!(settings.cluster, expected);
        }
    }

    #[test]
    fn where_state_is_kept() {
        let configured = Layer {
            state_dir: Some("~/state".to_owned()),
            ..Layer::default()
        };
        let home = ("HOME", "/home/ops");
        let xdg = [home, ("XDG_STATE_HOME", "/x")];
        let relative = [home, ("XDG_STATE_HOME", "x")];
        let variable = [home, ("DTX_STATE_DIR", "/v")];
        for (layer, environment, expected) in [
            (Layer::default(), &[home][..], "/home/ops/.local/state/dtx"),
            (Layer::default(), &xdg, "/x/dtx"),
            (Layer::default(), &relative, "/home/ops/.local/state/dtx"),
            (configured.clone(), &xdg, "/home/ops/state"),
            (configured, &variable, "/v"),
        ] {
            let environment = Environment::new(environment.iter().copied());
            let layers = [layer, Layer::default()];
            let settings = Settings::resolve(layers, &flags(), &environment).unwrap();
            assert_eq!(settings.state_dir, Path::new(expected));
        }
        let nowhere = Settings::resolve(Default::default(), &flags(), &Environment::default());
        assert!(matches!(nowhere, Err(SettingsError::NoStateDir)));
    }

    #[test]
    fn files_are_found_and_named() {
        let directory = tempfile::tempdir().unwrap();
        let system = directory.path().join("system.toml");
        let named = directory.path().join("named.toml");
        std::fs::write(&system, "cluster = \"system\"\nuser = \"ops\"\n").unwrap();
        std::fs::write(&named, "cluster = \"named\"\n").unwrap();
        let environment = Environment::new([("HOME", "/nonexistent")]);
        let settings = Settings::load_from(&system, &flags(), &environment).unwrap();
        assert_eq!(settings.cluster, "system");
        let with = |config: PathBuf| GlobalArgs {
            config: Some(config),
            ..flags()
        };
        let settings = Settings::load_from(&system, &with(named), &environment).unwrap();
        assert_eq!((settings.cluster.as_str(), settings.user), ("named", None));
        let missing = with(directory.path().join("missing.toml"));
        let error = Settings::load_from(&system, &missing, &environment).unwrap_err();
        assert!(matches!(error, SettingsError::Unreadable { .. }));
        std::fs::write(&system, "user = \"ops\"\nclutser = \"x\"\n").unwrap();
        let error = Settings::load_from(&system, &flags(), &environment).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("system.toml:2: there is no key `clutser`")
        );
        use dtx_client::hint::Hint;
        assert_eq!(error.hints(), ["did you mean `cluster`?"]);
    }
}
