//! Which nodes are meant: from what was typed to node sets, before anyone is asked.

use std::io::Read;
use std::path::Path;

use dtx_client::cluster::Targets;
use dtx_proto_types::node::NodeSet;

use crate::args::TargetArgs;
use crate::error::{Failure, Kind};
use crate::settings::Environment;

/// Which nodes are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    /// `--all`, or these in their order.
    pub(super) targets: Targets,
    /// And not these.
    pub(super) excluded: NodeSet,
}

impl Chosen {
    /// Reads selectors, files and variables.
    ///
    /// # Errors
    ///
    /// If nothing is named, something is no node set, a file cannot be read, or nothing is left.
    pub(super) fn resolve(
        args: &TargetArgs,
        environment: &Environment,
        stdin: &mut dyn Read,
    ) -> Result<Self, Failure> {
        let excluded = selectors(&args.exclude, stdin)?;
        if args.all {
            let targets = Targets::All;
            return Ok(Self { targets, excluded });
        }
        let mut named = selectors(&args.nodes, stdin)?;
        for path in &args.hostfile {
            extend(&mut named, &hostfile(path)?);
        }
        let given = !args.nodes.is_empty() || !args.hostfile.is_empty();
        if !given {
            named = match (environment.get("DTX_NODES"), environment.path("WCOLL")) {
                (Some(text), _) => parse(text)?,
                (None, Some(path)) => hostfile(&path)?,
                (None, None) => return Err(nothing_named()),
            };
        }
        let kept = named.difference(&excluded);
        if kept.is_empty() {
            let text = if named.is_empty() {
                "the selection is empty: no node is named".to_owned()
            } else {
                format!("the selection is empty: {} is excluded", named.fold())
            };
            return Err(Failure::new(Kind::Target, text));
        }
        Ok(Self {
            targets: Targets::nodes(kept.iter().cloned()),
            excluded,
        })
    }
}

fn nothing_named() -> Failure {
    Failure::new(Kind::Target, "no node is named")
        .hint("every node that answers: `--all`")
        .hint("some of them: `-w n[01-16]`, or set DTX_NODES")
}

/// A node set as it was typed.
pub(super) fn parse(text: &str) -> Result<NodeSet, Failure> {
    NodeSet::parse(text).map_err(|error| Failure::node_set(text, error))
}

/// Several of them, in their order; `-` stands for standard input.
pub(super) fn selectors(texts: &[String], stdin: &mut dyn Read) -> Result<NodeSet, Failure> {
    let mut all = NodeSet::default();
    for text in texts {
        if text == "-" {
            let mut typed = String::new();
            stdin.read_to_string(&mut typed).map_err(|error| {
                Failure::new(
                    Kind::Target,
                    format!("standard input cannot be read: {error}"),
                )
            })?;
            extend(&mut all, &words(&typed, "standard input")?);
        } else {
            extend(&mut all, &parse(text)?);
        }
    }
    Ok(all)
}

fn hostfile(path: &Path) -> Result<NodeSet, Failure> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(Kind::Target, format!("{name} cannot be read: {error}")))?;
    words(&text, &name)
}

/// Node sets separated by white space; `#` begins a comment.
fn words(text: &str, origin: &str) -> Result<NodeSet, Failure> {
    let mut all = NodeSet::default();
    for (line, number) in text.lines().zip(1..) {
        let content = line.split('#').next().unwrap_or_default();
        for word in content.split_whitespace() {
            let set = NodeSet::parse(word).map_err(|error| {
                Failure::node_set(word, error).at(&format!("{origin}, line {number}"))
            })?;
            extend(&mut all, &set);
        }
    }
    Ok(all)
}

fn extend(all: &mut NodeSet, more: &NodeSet) {
    for node in more {
        all.push(node.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(nodes: &[&str], exclude: &[&str]) -> TargetArgs {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        TargetArgs {
            nodes: owned(nodes),
            exclude: owned(exclude),
            ..TargetArgs::default()
        }
    }

    fn names(chosen: Chosen) -> String {
        match chosen.targets {
            Targets::All => "all".to_owned(),
            Targets::Nodes(nodes) => {
                let names: Vec<_> = nodes.iter().map(|node| node.as_str()).collect();
                names.join(" ")
            }
        }
    }

    #[test]
    fn which_nodes_are_meant() {
        let empty = Environment::default();
        let nodes = Environment::new([("DTX_NODES", "e[1-2]"), ("WCOLL", "/nonexistent")]);
        let stdin = "b2 b1,b[2-3]\n# c1\nd1 # d2\n";
        for (args, environment, expected) in [
            (args(&["n3,n[1-2]"], &[]), &empty, "n3 n1 n2"),
            (args(&["n3", "n[1-4]"], &[]), &empty, "n3 n1 n2 n4"),
            (args(&["n[1-4]"], &["n[2-3]"]), &empty, "n1 n4"),
            (args(&["n1", "-"], &["b3"]), &empty, "n1 b2 b1 d1"),
            (args(&[], &[]), &nodes, "e1 e2"),
            (args(&["n1"], &[]), &nodes, "n1"),
            (args(&[], &["e1"]), &nodes, "e2"),
        ] {
            let chosen = Chosen::resolve(&args, environment, &mut stdin.as_bytes()).unwrap();
            assert_eq!(names(chosen), expected);
        }
        let all = TargetArgs {
            all: true,
            ..args(&[], &["n1"])
        };
        let chosen = Chosen::resolve(&all, &nodes, &mut &b""[..]).unwrap();
        assert_eq!(chosen.excluded.fold(), "n1");
        assert_eq!(names(chosen), "all");
    }

    #[test]
    fn an_empty_selection_selects_nothing() {
        let environment = Environment::default();
        for args in [
            args(&[], &[]),
            args(&["n1"], &["n1"]),
            args(&["n[1-2"], &[]),
            args(&["-"], &[]),
            args(&["@gpu"], &[]),
            args(&["n1"], &["-w"]),
            TargetArgs {
                hostfile: vec!["/nonexistent".into()],
                ..TargetArgs::default()
            },
        ] {
            let failure = Chosen::resolve(&args, &environment, &mut &b"# none\n"[..]).unwrap_err();
            assert_eq!(failure.exit_code(), 2, "{args:?}");
        }
    }

    #[test]
    fn files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hosts");
        std::fs::write(&path, "# rack 1\nn[1-2]\n\nn9 n3\n").unwrap();
        let args = TargetArgs {
            hostfile: vec![path.clone()],
            ..args(&["n0"], &[])
        };
        let environment = Environment::default();
        let chosen = Chosen::resolve(&args, &environment, &mut &b""[..]).unwrap();
        assert_eq!(names(chosen), "n0 n1 n2 n9 n3");
        std::fs::write(&path, "n1\nn[2\n").unwrap();
        let failure = Chosen::resolve(&args, &environment, &mut &b""[..]).unwrap_err();
        let mut told = Vec::new();
        failure.render(&mut told, crate::terminal::Terminal::none().stderr);
        let told = String::from_utf8(told).unwrap();
        assert!(told.contains("line 2"), "{told}");
    }
}
