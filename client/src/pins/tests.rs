//! The store on a real directory.

use std::path::{Path, PathBuf};

use dtx_proto_types::key::Ed25519Key;
use dtx_proto_types::node::NodeName;
use tempfile::TempDir;

use super::{Check, KnownNodes, NewPin, PinsError};
use crate::hint::Hint;
use crate::state::StateDir;

struct Place {
    _dir: TempDir,
    state: StateDir,
    system: PathBuf,
}

impl Place {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        Self {
            state: StateDir::new(dir.path().join("state/dtx")),
            system: dir.path().join("system"),
            _dir: dir,
        }
    }

    fn load(&self) -> KnownNodes {
        KnownNodes::load(&self.state, &self.system).unwrap()
    }
}

fn name(text: &str) -> NodeName {
    text.parse().unwrap()
}

fn key(n: u8) -> Ed25519Key {
    Ed25519Key::from_bytes([n; 32])
}

fn pin(selected: &str, node: &str, n: u8) -> NewPin {
    NewPin {
        selected: name(selected),
        node: name(node),
        key: key(n),
    }
}

fn check(known: &KnownNodes, selected: &str, node: &str, n: u8) -> Check {
    known.check("c", &name(selected), (&name(node), key(n).fingerprint()))
}

#[test]
fn what_a_key_is_checked_against() {
    let place = Place::new();
    let mut known = place.load();
    assert!(known.is_first_use("c"));
    assert_eq!(check(&known, "n7", "n7", 7), Check::New);
    known
        .pin("c", &[pin("n7", "n7", 7), pin("10.0.0.8", "n8", 8)])
        .unwrap();
    assert!(!known.is_first_use("c") && known.is_first_use("d"));
    assert_eq!(known.alias("c", &name("10.0.0.8")), Some(&name("n8")));
    assert_eq!(known.alias("c", &name("10.0.0.9")), None);
    let nodes = known.nodes("c");
    assert_eq!(
        nodes.into_keys().collect::<Vec<_>>(),
        [name("n7"), name("n8")]
    );
    for known in [&known, &place.load()] {
        for (selected, node, n, expected) in [
            ("n7", "n7", 7, Some(Check::Match)),
            ("n8", "n8", 8, Some(Check::Match)),
            ("10.0.0.8", "n8", 8, Some(Check::Match)),
            ("10.0.0.7", "n7", 7, Some(Check::NewAlias)),
            ("n9", "n9", 7, Some(Check::New)),
            // Another key, behind its own name or an alias.
            ("n7", "n7", 8, None),
            ("10.0.0.7", "n7", 8, None),
            ("10.0.0.8", "n8", 9, None),
            // The alias leads to another node, though its key is known.
            ("10.0.0.8", "n7", 7, None),
            ("10.0.0.8", "n9", 9, None),
        ] {
            let found = check(known, selected, node, n);
            match expected {
                Some(expected) => assert_eq!(found, expected, "{selected} {node} {n}"),
                None => assert!(matches!(found, Check::Changed(_)), "{selected} {node} {n}"),
            }
        }
        let elsewhere = known.check("d", &name("n7"), (&name("n7"), key(1).fingerprint()));
        assert_eq!(elsewhere, Check::New);
    }
}

#[test]
fn a_changed_key_says_all_that_one_must_know() {
    let place = Place::new();
    let mut known = place.load();
    known
        .pin("c", &[pin("n6", "n6", 6), pin("n7", "n7", 7)])
        .unwrap();
    let Check::Changed(changed) = check(&known, "n7", "n7", 8) else {
        panic!("it has changed");
    };
    let text = changed.to_string();
    let at = format!("{}:2 ", place.state.path().join("known_nodes").display());
    for part in [
        at,
        key(7).fingerprint().to_string(),
        key(8).fingerprint().to_string(),
    ] {
        assert!(text.contains(&part), "{text}");
    }
    assert!(text.ends_with("`dtx keys forget n7`"), "{text}");
    assert!(changed.hints()[0].contains("`dtx-agent check`"));
    // Nor does it become known by pinning.
    let error = known
        .pin("c", &[pin("n9", "n9", 9), pin("n7", "n7", 8)])
        .unwrap_err();
    assert!(matches!(error, PinsError::Changed(_)), "{error}");
    assert_eq!(check(&known, "n9", "n9", 9), Check::New);
}

#[test]
fn forgetting_is_the_way_back() {
    let place = Place::new();
    let mut known = place.load();
    let system = format!("c n1 {}\n", key(1).fingerprint());
    std::fs::write(&place.system, system).unwrap();
    known
        .pin("c", &[pin("10.0.0.7", "n7", 7), pin("n8", "n8", 8)])
        .unwrap();
    known.pin("d", &[pin("n7", "n7", 7)]).unwrap();
    assert_eq!(check(&known, "n1", "n1", 1), Check::Match, "the system's");
    let named = ["n1", "n7", "n5"].map(name).into();
    let forgotten = known.forget("c", &named).unwrap();
    assert_eq!(forgotten.nodes, [name("n7")].into());
    assert_eq!(forgotten.kept, [(name("n1"), place.system.clone(), 1)]);
    assert_eq!(check(&known, "n7", "n7", 9), Check::New);
    assert_eq!(
        check(&known, "10.0.0.7", "n7", 9),
        Check::New,
        "with its alias"
    );
    assert_eq!(check(&known, "n8", "n8", 8), Check::Match);
    assert!(!known.is_first_use("d"));
    // An alias alone can be forgotten too.
    known.pin("c", &[pin("web", "n8", 8)]).unwrap();
    known.forget("c", &[name("web")].into()).unwrap();
    assert_eq!(check(&known, "web", "n8", 8), Check::NewAlias);
}

#[test]
fn a_node_may_have_several_keys_by_hand() {
    let place = Place::new();
    let (one, two) = (key(1).fingerprint(), key(2).fingerprint());
    std::fs::write(&place.system, format!("c n1 {one}\nc n1 {two}\n")).unwrap();
    let known = place.load();
    assert_eq!(check(&known, "n1", "n1", 1), Check::Match);
    assert_eq!(check(&known, "n1", "n1", 2), Check::Match);
    let Check::Changed(changed) = check(&known, "n1", "n1", 3) else {
        panic!("it has changed");
    };
    let text = changed.to_string();
    assert!(text.contains("correct line 1"), "{text}");
}

#[test]
fn the_way_back_names_what_is_to_be_forgotten() {
    let place = Place::new();
    let mut known = place.load();
    known
        .pin("c", &[pin("10.0.0.7", "n7", 7), pin("n8", "n8", 8)])
        .unwrap();
    for (selected, node, n, forget) in [
        ("n7", "n7", 9, "n7"),
        // Behind its address it is n7 that has another key.
        ("10.0.0.7", "n7", 9, "n7"),
        // The address leads to another node now, which is as it was.
        ("10.0.0.7", "n8", 8, "10.0.0.7"),
    ] {
        let Check::Changed(changed) = check(&known, selected, node, n) else {
            panic!("{selected} has changed");
        };
        let text = changed.to_string();
        let command = format!("`dtx keys forget {forget}`");
        assert!(text.ends_with(&command), "{text}");
        known.forget("c", &[name(forget)].into()).unwrap();
        let after = check(&known, selected, node, n);
        assert!(!matches!(after, Check::Changed(_)), "{selected} {node}");
        known = {
            let mut known = place.load();
            let all = ["n7", "n8"].map(name).into();
            known.forget("c", &all).unwrap();
            known
                .pin("c", &[pin("10.0.0.7", "n7", 7), pin("n8", "n8", 8)])
                .unwrap();
            known
        };
    }
}

#[test]
fn a_bad_line_is_named_and_nothing_is_believed() {
    let place = Place::new();
    std::fs::write(&place.system, "# fine\nc n1\n").unwrap();
    let error = KnownNodes::load(&place.state, &place.system).unwrap_err();
    assert!(error.to_string().contains("system:2: "), "{error}");
    // A directory where a file should be.
    let error = KnownNodes::load(&place.state, Path::new("/")).unwrap_err();
    assert!(error.to_string().starts_with("cannot read /: "), "{error}");
    for wrong in ["", "a b", "#c"] {
        let error = Place::new().load().pin(wrong, &[]).unwrap_err();
        assert!(matches!(error, PinsError::Cluster(_)), "{error}");
    }
}

#[test]
fn writers_at_once_lose_nothing() {
    let place = Place::new();
    std::thread::scope(|scope| {
        for thread in 0..8_u8 {
            let place = &place;
            scope.spawn(move || {
                let mut known = place.load();
                for n in 0..10 {
                    let node = format!("n{thread}-{n}");
                    known.pin("c", &[pin(&node, &node, thread)]).unwrap();
                }
                let own = format!("n{thread}-0");
                known.forget("c", &[name(&own)].into()).unwrap();
            });
        }
    });
    assert_eq!(place.load().nodes("c").len(), 72);
    let path = place.state.path().join("known_nodes");
    let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}
