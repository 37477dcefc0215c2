//! Patterns of argument lists: one item for each argument, nothing across them.

use std::collections::{BTreeMap, BTreeSet};

use crate::pattern::{self, Pattern};

/// An allowed argument list: a program, then an item for each argument.
#[derive(Debug, Clone)]
pub(crate) struct ArgvPattern {
    /// The program's absolute path, literally.
    pub(crate) program: String,
    /// The arguments, in order.
    pub(crate) items: Vec<Item>,
    /// What may follow them.
    pub(crate) rest: Option<Rest>,
}

/// What one argument may be.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    /// Exactly this.
    Literal(String),
    /// Anything that fits; never beginning with `-`, never with a control byte.
    Value(Value),
}

/// What a caller may choose.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// One of these.
    OneOf(BTreeSet<String>),
    /// A decimal number between these, both included, written as a number is written.
    Int(u64, u64),
    /// All of it matches.
    Re(Pattern),
    /// An absolute path beneath this directory, which the node has to look at.
    PathUnder(String),
}

/// Any number of further arguments of one form.
#[derive(Debug, Clone)]
pub(crate) struct Rest {
    pub(crate) value: Value,
    pub(crate) max: usize,
}

/// A path that a request named, and the directory that a rule keeps it beneath. Whether it is
/// there only the node can say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PathQuestion {
    /// The directory of the rule: absolute.
    pub root: String,
    /// The path of the request: absolute, textually beneath `root`, without `.`, `..` or empty
    /// components.
    pub path: String,
}

/// What the node said about the paths it was asked about: `Ok` if the path resolves beneath its
/// root without a symbolic link leading out, and no directory on the way is writable by anyone
/// but root; otherwise why not, in words.
pub type PathAnswers = BTreeMap<PathQuestion, Result<(), String>>;

/// How an argument list stands to a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fit {
    Yes,
    /// If the node says yes to these.
    Depends(BTreeSet<PathQuestion>),
    No(String),
}

impl ArgvPattern {
    /// Compares an argument list, program first.
    pub(crate) fn fit(&self, argv: &[String], answers: &PathAnswers) -> Fit {
        let Some((program, arguments)) = argv.split_first() else {
            return Fit::No("there is no program".to_owned());
        };
        if *program != self.program {
            return Fit::No(format!("the program is not {}", self.program));
        }
        let most = self.items.len() + self.rest.as_ref().map_or(0, |rest| rest.max);
        if arguments.len() < self.items.len() || arguments.len() > most {
            return Fit::No(format!(
                "{} takes {} arguments here, not {}",
                self.program,
                span(self.items.len(), most),
                arguments.len(),
            ));
        }
        let mut questions = BTreeSet::new();
        for (index, argument) in arguments.iter().enumerate() {
            let fit = match (self.items.get(index), &self.rest) {
                (Some(item), _) => item.fit(argument, answers),
                (None, Some(rest)) => rest.value.fit(argument, answers),
                (None, None) => Fit::No("too many arguments".to_owned()),
            };
            match fit {
                Fit::Yes => {}
                Fit::Depends(more) => questions.extend(more),
                Fit::No(why) => {
                    return Fit::No(format!("argument {} of {} {why}", index + 1, self.program));
                }
            }
        }
        if questions.is_empty() {
            Fit::Yes
        } else {
            Fit::Depends(questions)
        }
    }
}

fn span(least: usize, most: usize) -> String {
    if least == most {
        least.to_string()
    } else {
        format!("{least} to {most}")
    }
}

impl Item {
    fn fit(&self, argument: &str, answers: &PathAnswers) -> Fit {
        match self {
            Self::Literal(literal) if literal == argument => Fit::Yes,
            Self::Literal(literal) => Fit::No(format!("is not {literal:?}")),
            Self::Value(value) => value.fit(argument, answers),
        }
    }
}

impl Value {
    fn fit(&self, argument: &str, answers: &PathAnswers) -> Fit {
        if argument.starts_with('-') {
            return Fit::No("begins with `-`".to_owned());
        }
        if pattern::has_control_bytes(argument) {
            return Fit::No("holds a control byte".to_owned());
        }
        match self {
            Self::OneOf(values) => yes_or(values.contains(argument), || {
                let values: Vec<&str> = values.iter().map(String::as_str).collect();
                format!("is none of {}", values.join(", "))
            }),
            Self::Int(low, high) => yes_or(is_int(argument, *low, *high), || {
                format!("is not a number from {low} to {high}")
            }),
            Self::Re(pattern) => yes_or(pattern.matches(argument), || {
                format!("does not match {}", pattern.source())
            }),
            Self::PathUnder(root) => path_fit(root, argument, answers),
        }
    }
}

fn yes_or(yes: bool, why: impl FnOnce() -> String) -> Fit {
    if yes { Fit::Yes } else { Fit::No(why()) }
}

/// Only the one way to write a number: `007` and `+7` mean something else to some programs.
fn is_int(text: &str, low: u64, high: u64) -> bool {
    text.parse::<u64>()
        .is_ok_and(|value| value.to_string() == text && (low..=high).contains(&value))
}

fn path_fit(root: &str, path: &str, answers: &PathAnswers) -> Fit {
    if path.len() > pattern::TEXT_MAX || !is_beneath(root, path) {
        return Fit::No(format!("is no plain path beneath {root}"));
    }
    let question = PathQuestion {
        root: root.to_owned(),
        path: path.to_owned(),
    };
    match answers.get(&question) {
        None => Fit::Depends(BTreeSet::from([question])),
        Some(Ok(())) => Fit::Yes,
        Some(Err(why)) => Fit::No(format!("is not beneath {root}: {why}")),
    }
}

fn is_beneath(root: &str, path: &str) -> bool {
    let inside = if root == "/" {
        path.strip_prefix('/')
    } else {
        path.strip_prefix(root).and_then(|p| p.strip_prefix('/'))
    };
    inside.is_some_and(|inside| inside.split('/').all(is_component))
}

fn is_component(component: &str) -> bool {
    !matches!(component, "" | "." | "..")
}

/// Whether a policy may name this path: absolute, and without `.`, `..`, empty components or
/// control bytes.
pub(crate) fn is_plain_path(path: &str) -> bool {
    !pattern::has_control_bytes(path) && (path == "/" || is_beneath("/", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_form() {
        for good in ["0", "7", "100"] {
            assert!(is_int(good, 0, 100), "{good}");
        }
        for bad in [
            "",
            "101",
            "007",
            "+7",
            "-1",
            "7 ",
            "0x7",
            "1e1",
            "٣",
            "99999999999999999999",
        ] {
            assert!(!is_int(bad, 0, 100), "{bad:?}");
        }
    }

    #[test]
    fn paths_beneath() {
        for good in ["/data/x", "/data/x/y", "/data/...", "/data/-x"] {
            assert!(is_beneath("/data", good), "{good}");
        }
        for bad in [
            "/data",
            "/data/",
            "/database",
            "/data//x",
            "/data/./x",
            "/data/../etc",
            "/data/x/..",
            "/data/x/",
            "data/x",
            "/etc",
            "",
        ] {
            assert!(!is_beneath("/data", bad), "{bad:?}");
        }
        assert!(is_beneath("/", "/x") && !is_beneath("/", "/"));
        assert!(is_plain_path("/") && is_plain_path("/a/b") && !is_plain_path("/a\n"));
        assert!(!is_plain_path("a") && !is_plain_path("/a/") && !is_plain_path("/../a"));
    }
}
