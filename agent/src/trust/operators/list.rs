//! All operators of a node, from one or several files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dtx_policy::Operator;
use dtx_proto_types::key::Fingerprint;

use super::line::{LineError, OperatorLine};
use super::validity::Validity;

/// The keys that may ask this node for anything, by fingerprint.
#[derive(Debug, Clone, Default)]
pub struct Operators {
    keys: BTreeMap<Fingerprint, Known>,
}

/// A key that a file lists.
#[derive(Debug, Clone)]
pub struct Known {
    /// The key and its names.
    pub operator: Operator,
    /// When it holds.
    pub validity: Validity,
    /// For people.
    pub comment: String,
    /// Where it stands: `file:line`.
    pub place: String,
}

/// A file that cannot be used. None of its lines holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}:{line}: {problem}", path = .path.display())]
pub struct OperatorsError {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: LineProblem,
}

/// What is wrong with a line: in itself, or beside the others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineProblem {
    /// In itself.
    #[error("{0}")]
    Line(#[from] LineError),
    /// The key is there already.
    #[error(
        "the same key stands in {0}: keep one line and put all of its principals there, with \
         commas"
    )]
    Duplicate(String),
}

impl Operators {
    /// Adds the lines of a file, or none of them.
    ///
    /// # Errors
    ///
    /// The first line that is wrong.
    pub fn add(&mut self, path: &Path, text: &str) -> Result<(), OperatorsError> {
        let mut keys = self.keys.clone();
        for (index, line) in text.split('\n').enumerate() {
            let wrong = |problem| OperatorsError {
                path: path.to_owned(),
                line: index + 1,
                problem,
            };
            let Some(line) = OperatorLine::parse(line).map_err(|error| wrong(error.into()))? else {
                continue;
            };
            if let Some(known) = keys.get(&line.fingerprint) {
                return Err(wrong(LineProblem::Duplicate(known.place.clone())));
            }
            // A key for other purposes is understood, and no operator.
            if !line.covers_grants {
                continue;
            }
            let known = Known {
                operator: Operator::of_file(line.fingerprint, line.names),
                validity: line.validity,
                comment: line.comment,
                place: format!("{}:{}", path.display(), index + 1),
            };
            keys.insert(line.fingerprint, known);
        }
        self.keys = keys;
        Ok(())
    }

    /// The operator with this key, whether his line holds now or not.
    #[must_use]
    pub fn get(&self, fingerprint: Fingerprint) -> Option<&Known> {
        self.keys.get(&fingerprint)
    }

    /// Whether nobody has claimed this node yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// All keys, sorted by fingerprint.
    pub fn iter(&self) -> impl Iterator<Item = &Known> {
        self.keys.values()
    }
}
