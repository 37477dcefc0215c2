//! Choosing the operator's key, in the order in which `ssh` would.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use dtx_proto_types::key::Ed25519Key;

use super::agent::{self, Offered};
use super::generate::with_pub;
use super::key_file::{self, KeyFile};
use super::operator::{Identity, Signer};
use crate::hint::Hint;

/// Where to look for the operator's key.
#[derive(Debug, Clone, Default)]
pub struct IdentitySource {
    /// `-i FILE`: a private key, or a `.pub` whose private half is in the agent.
    pub file: Option<PathBuf>,
    /// The socket of the ssh-agent.
    pub agent: Option<PathBuf>,
    /// Files to try when none is named.
    pub default_files: Vec<PathBuf>,
    /// Whether a person can be asked for a passphrase.
    pub terminal: bool,
}

/// No key can be used. Lists what was tried.
#[derive(Debug, thiserror::Error)]
#[error("no operator key: {}", join(.tried))]
pub struct IdentityError {
    /// Each place, and what was wrong with it.
    pub tried: Vec<String>,
    /// The file that was named, if one was.
    pub named: Option<PathBuf>,
}

fn join(tried: &[String]) -> String {
    if tried.is_empty() {
        return "there is nowhere to look (no ssh-agent, no home directory)".to_owned();
    }
    tried.join("; ")
}

impl Hint for IdentityError {
    fn hints(&self) -> Vec<String> {
        let mut hints = vec!["load a key into the agent: `ssh-add`".to_owned()];
        if self.named.is_none() {
            hints.insert(0, "make one: `dtx keys new`".to_owned());
            hints.push("or name one: `-i FILE`".to_owned());
        }
        hints
    }
}

impl IdentitySource {
    /// As `ssh` would look: the file named, else `$SSH_AUTH_SOCK` and `~/.ssh/id_ed25519`.
    #[must_use]
    pub fn from_environment(file: Option<PathBuf>) -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            file,
            agent: variable("SSH_AUTH_SOCK").map(PathBuf::from),
            default_files: variable("HOME")
                .map(|home| PathBuf::from(home).join(".ssh/id_ed25519"))
                .into_iter()
                .collect(),
            terminal: std::fs::File::open("/dev/tty").is_ok(),
        }
    }

    /// Finds the key.
    ///
    /// # Errors
    ///
    /// If there is none that can be used; says what was tried.
    pub async fn find(&self) -> Result<Identity, IdentityError> {
        let mut search = Search {
            source: self,
            tried: Vec::new(),
            offered: Vec::new(),
        };
        search.ask_agent().await;
        let found = match &self.file {
            Some(path) => search.named(path),
            None => search.unnamed(),
        };
        found.ok_or(IdentityError {
            tried: search.tried,
            named: self.file.clone(),
        })
    }
}

struct Search<'a> {
    source: &'a IdentitySource,
    tried: Vec<String>,
    offered: Vec<Offered>,
}

impl Search<'_> {
    async fn ask_agent(&mut self) {
        let Some(socket) = &self.source.agent else {
            return;
        };
        match agent::list(socket).await {
            Ok(offered) => self.offered = offered,
            Err(error) => self.tried.push(error.to_string()),
        }
    }

    /// `-i FILE`: only this key, from the agent if that has it.
    fn named(&mut self, path: &Path) -> Option<Identity> {
        if path.extension().is_none_or(|extension| extension != "pub") {
            return self.in_agent_or_file(path);
        }
        match key_file::read_public(path) {
            // The private half is in the agent, or beside it.
            Ok((public, _comment)) => {
                let private = path.with_extension("");
                self.in_agent(public).or_else(|| self.in_file(&private))
            }
            Err(error) => {
                self.tried.push(format!("{} {error}", path.display()));
                None
            }
        }
    }

    /// Default files whose key the agent holds, then the agent's other keys, then the files.
    fn unnamed(&mut self) -> Option<Identity> {
        let publics = self.source.default_files.iter();
        let publics: Vec<_> = publics
            .filter_map(|path| key_file::read_public(&with_pub(path)).ok())
            .collect();
        let known = publics.iter().find_map(|(key, _)| self.in_agent(*key));
        known.or_else(|| self.first_in_agent()).or_else(|| {
            let mut files = self.source.default_files.iter();
            files.find_map(|path| self.in_file(path))
        })
    }

    fn in_agent_or_file(&mut self, path: &Path) -> Option<Identity> {
        let public = key_file::read_public(&with_pub(path)).ok();
        public
            .and_then(|(key, _)| self.in_agent(key))
            .or_else(|| self.in_file(path))
    }

    fn in_agent(&self, key: Ed25519Key) -> Option<Identity> {
        let offered = self.offered.iter().find(|offer| offer.key == Some(key))?;
        let socket = self.source.agent.clone()?;
        Some(Identity::new(
            key,
            offered.comment.clone(),
            Signer::Agent(socket),
        ))
    }

    fn first_in_agent(&mut self) -> Option<Identity> {
        let first = self.offered.iter().find_map(|offer| offer.key);
        if let Some(key) = first {
            return self.in_agent(key);
        }
        if self.source.agent.is_some() && self.tried.is_empty() {
            let mut text = "the ssh-agent holds no ssh-ed25519 key".to_owned();
            if !self.offered.is_empty() {
                let kinds: Vec<_> = self.offered.iter().map(|o| o.kind.as_str()).collect();
                let _infallible = write!(text, " (only {})", kinds.join(", "));
            }
            self.tried.push(text);
        }
        None
    }

    fn in_file(&mut self, path: &Path) -> Option<Identity> {
        let name = path.display();
        match key_file::read_private(path) {
            Ok(KeyFile::Plain { secret, comment }) => {
                let file = Some(path.to_owned());
                let public = secret.public();
                let signer = Signer::Memory { secret, file };
                Some(Identity::new(public, comment, signer))
            }
            Ok(KeyFile::Encrypted { public }) => {
                if let Some(identity) = self.in_agent(public) {
                    return Some(identity);
                }
                if self.source.terminal {
                    let signer = Signer::Keygen(path.to_owned());
                    return Some(Identity::new(public, String::new(), signer));
                }
                self.tried.push(format!(
                    "{name} has a passphrase, and there is no terminal to ask for it"
                ));
                None
            }
            Err(error) => {
                self.tried.push(format!("{name} {error}"));
                None
            }
        }
    }
}
