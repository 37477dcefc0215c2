//! Resource limits of jobs, by the names of `setrlimit(2)` without `RLIMIT_`.

use nix::sys::resource::Resource;

/// One limit for every job's processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessLimit {
    /// Its name in configuration.
    pub name: &'static str,
    /// What it limits.
    pub resource: Resource,
    /// Soft and hard value; `None` is unlimited.
    pub value: Option<u64>,
}

/// The limits that can be configured.
const KNOWN: [(&str, Resource); 8] = [
    ("as", Resource::RLIMIT_AS),
    ("core", Resource::RLIMIT_CORE),
    ("cpu", Resource::RLIMIT_CPU),
    ("fsize", Resource::RLIMIT_FSIZE),
    ("memlock", Resource::RLIMIT_MEMLOCK),
    ("nofile", Resource::RLIMIT_NOFILE),
    ("nproc", Resource::RLIMIT_NPROC),
    ("stack", Resource::RLIMIT_STACK),
];

impl ProcessLimit {
    /// The names that can be configured.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KNOWN.iter().map(|(name, _)| *name)
    }

    /// The limit called `name`, if there is one.
    #[must_use]
    pub fn new(name: &str, value: Option<u64>) -> Option<Self> {
        let (name, resource) = KNOWN.iter().find(|(known, _)| *known == name)?;
        Some(Self {
            name,
            resource: *resource,
            value,
        })
    }
}

impl std::fmt::Display for ProcessLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.value {
            Some(value) => write!(f, "{} = {value}", self.name),
            None => write!(f, "{} = \"unlimited\"", self.name),
        }
    }
}
