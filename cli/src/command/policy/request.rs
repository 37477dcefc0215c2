//! The request that is to be explained.

use std::collections::{BTreeMap, BTreeSet};

use dtx_policy::{Action, Operator, Principal, Request};
use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::limits::GRANT_LIFE;

use crate::args::ExplainArgs;
use crate::error::{Failure, Kind};

/// Everything that a request borrows.
#[derive(Debug)]
pub(super) struct Asked {
    operator: Operator,
    user: String,
    env: BTreeMap<String, String>,
    cwd: Option<String>,
    shell: Option<String>,
    stdin: bool,
    what: What,
}

#[derive(Debug)]
enum What {
    Shell(String),
    Exec(Vec<String>),
    Script([u8; 32], Vec<String>),
}

impl Asked {
    /// Reads what was typed.
    ///
    /// # Errors
    ///
    /// If there is no command, or somebody is no principal.
    pub(super) fn new(args: &ExplainArgs, user: String) -> Result<Self, Failure> {
        let env = args.env.iter();
        Ok(Self {
            operator: operator(&args.who)?,
            user,
            env: env.map(|v| (v.name.clone(), v.value.clone())).collect(),
            cwd: args.cwd.clone(),
            shell: args.shell.clone(),
            stdin: args.stdin,
            what: what(args)?,
        })
    }

    /// The request.
    pub(super) fn request(&self) -> Request<'_> {
        Request {
            operator: &self.operator,
            action: match &self.what {
                What::Shell(line) => Action::Shell(line),
                What::Exec(words) => Action::Exec(words),
                What::Script(sha256, args) => Action::Script {
                    sha256: *sha256,
                    args,
                },
            },
            user: &self.user,
            env: &self.env,
            cwd: self.cwd.as_deref(),
            shell: self.shell.as_deref(),
            stdin: self.stdin,
            detach: false,
            timeout: None,
            output: None,
            grant_life: GRANT_LIFE,
        }
    }
}

fn what(args: &ExplainArgs) -> Result<What, Failure> {
    if let Some(path) = &args.script {
        let name = path.display();
        let text = std::fs::read(path).map_err(|error| {
            Failure::new(Kind::Usage, format!("{name} cannot be read: {error}"))
        })?;
        let digest = ring::digest::digest(&ring::digest::SHA256, &text);
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest.as_ref());
        return Ok(What::Script(sha256, args.words.clone()));
    }
    if args.words.is_empty() {
        return Err(Failure::new(Kind::Usage, "no command is given"));
    }
    Ok(if args.exec {
        What::Exec(args.words.clone())
    } else {
        What::Shell(args.words.join(" "))
    })
}

/// One operator with all of these names, as an operators file would make him.
fn operator(who: &[String]) -> Result<Operator, Failure> {
    let mut names = BTreeSet::new();
    let mut key = None;
    for text in who {
        let principal: Principal = text
            .parse()
            .map_err(|error| Failure::new(Kind::Usage, format!("--who {text}: {error}")))?;
        match principal {
            Principal::File(name) => {
                names.insert(name);
            }
            Principal::Key(fingerprint) => {
                if key.replace(fingerprint).is_some() {
                    let text = "an operator has one key; --who names two";
                    return Err(Failure::new(Kind::Usage, text));
                }
            }
        }
    }
    // No key has this fingerprint, so no rule for a key holds for a name alone.
    let key = key.unwrap_or(Fingerprint::from_bytes([0; 32]));
    Ok(Operator::of_file(key, names))
}
