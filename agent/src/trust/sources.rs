//! The files that say who may do what, read again whenever they change.

use std::path::{Path, PathBuf};

use dtx_policy::Policy;

use super::operators::Operators;
use super::owner::{OwnerError, Owners, Stamp, TrustedFile};

/// Largest file that is read: some ten thousand keys.
const FILE_MAX: u64 = 1024 * 1024;

/// Where operators and policy come from, and what they said last.
#[derive(Debug)]
pub struct Sources {
    operators: Vec<PathBuf>,
    policy: PathBuf,
    explicit_policy: bool,
    agent_is_root: bool,
    owners: Owners,
    /// Whether there was a policy file since somebody last asked to read everything anew: then its
    /// absence means that it was lost, not that there is none.
    had_policy: bool,
    seen: Vec<Seen>,
    /// Whether `seen` would show every further change.
    settled: bool,
    standing: Result<Standing, String>,
}

/// What the files say, all of them or nothing.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Who is known.
    pub operators: Operators,
    /// What they may do.
    pub policy: Policy,
    /// Whether the policy is the built-in one.
    pub builtin_policy: bool,
}

/// A file as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Missing,
    File(Stamp),
    Bad(OwnerError),
}

impl Sources {
    /// Names the files; nothing is read yet.
    #[must_use]
    pub const fn new(
        operators: Vec<PathBuf>,
        policy: PathBuf,
        explicit_policy: bool,
        agent_is_root: bool,
        owners: Owners,
    ) -> Self {
        Self {
            operators,
            policy,
            explicit_policy,
            agent_is_root,
            owners,
            had_policy: false,
            seen: Vec::new(),
            settled: false,
            standing: Err(String::new()),
        }
    }

    /// The operators files.
    #[must_use]
    pub fn operators(&self) -> &[PathBuf] {
        &self.operators
    }

    /// The policy file.
    #[must_use]
    pub fn policy(&self) -> &Path {
        &self.policy
    }

    /// Reads everything anew at the next look, changed or not. A policy file that is gone then is
    /// taken to have been removed on purpose.
    pub const fn forget(&mut self) {
        self.settled = false;
        self.had_policy = false;
    }

    /// Looks at the files, reads them if one has changed, and returns what they say now, or what
    /// is wrong with them.
    pub fn look(&mut self) -> Result<&Standing, &str> {
        let files: Vec<_> = self
            .operators
            .iter()
            .chain([&self.policy])
            .map(|path| match self.owners.open(path) {
                Ok(file) => Ok(Some(file)),
                Err(OwnerError::Missing(_)) => Ok(None),
                Err(error) => Err(error),
            })
            .collect();
        let has_policy = files.last().is_some_and(|file| !matches!(file, Ok(None)));
        self.had_policy |= has_policy;
        let seen: Vec<Seen> = files.iter().map(Seen::of).collect();
        if !(self.settled && self.seen == seen) {
            self.settled = true;
            self.standing = self.read(files);
            self.seen = seen;
        }
        self.standing.as_ref().map_err(String::as_str)
    }

    fn read(
        &mut self,
        mut files: Vec<Result<Option<TrustedFile>, OwnerError>>,
    ) -> Result<Standing, String> {
        let policy = files.pop().unwrap_or(Ok(None));
        let mut operators = Operators::default();
        for (index, file) in files.into_iter().enumerate() {
            if let Some(text) = self.text(file)? {
                let path = &self.operators[index];
                operators
                    .add(path, &text)
                    .map_err(|error| error.to_string())?;
            }
        }
        let text = self.text(policy)?;
        let builtin_policy = text.is_none();
        let policy = match text {
            Some(text) => Policy::parse(&text)
                .map_err(|error| format!("{}: {error}", self.policy.display()))?,
            None if self.explicit_policy => {
                return Err(format!("{} does not exist", self.policy.display()));
            }
            // The built-in policy allows more than any file: nobody gets it by a file that was
            // moved away or a file system that is not mounted.
            None if self.had_policy => return Err(lost(&self.policy)),
            None => Policy::builtin(self.agent_is_root),
        };
        Ok(Standing {
            operators,
            policy,
            builtin_policy,
        })
    }

    fn text(
        &mut self,
        file: Result<Option<TrustedFile>, OwnerError>,
    ) -> Result<Option<String>, String> {
        let file = file.map_err(|error| error.to_string())?;
        let Some(file) = file else {
            return Ok(None);
        };
        let read = file.read(FILE_MAX);
        let (text, stamp) = read.map_err(|error| {
            self.settled = false;
            error.to_string()
        })?;
        self.settled &= stamp.is_some();
        Ok(Some(text))
    }
}

fn lost(policy: &Path) -> String {
    format!(
        "{} was there and is gone; put it back, or if it was removed on purpose, send the agent \
         SIGHUP or start it again: then every operator may do everything",
        policy.display()
    )
}

impl Seen {
    fn of(file: &Result<Option<TrustedFile>, OwnerError>) -> Self {
        match file {
            Ok(Some(file)) => Self::File(file.stamp()),
            Ok(None) => Self::Missing,
            Err(error) => Self::Bad(error.clone()),
        }
    }
}
