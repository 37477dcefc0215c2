//! Tables: who lands in which list.

use std::collections::{BTreeMap, BTreeSet};

use dtx_proto_types::id::InstanceId;
use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::node::NodeName;
use dtx_proto_types::version::VersionRange;

use super::{Inventory, Record, Sources, Unusable};
use crate::discovery::Heard;

const NOW: u64 = 1_800_000_000_000;
const HOUR: u64 = 3_600_000;

fn name(n: &str) -> NodeName {
    n.parse().unwrap()
}

fn key(n: u8) -> Fingerprint {
    Fingerprint::from_bytes([n; 32])
}

/// Node, key, address, hours ago.
type Cached = (&'static str, u8, &'static str, u64);
/// Node, key, instance, address.
type Answer = (&'static str, u8, u8, &'static str);

fn heard((node, fingerprint, instance, address): Answer) -> Heard {
    Heard {
        node: name(node),
        address: address.parse().unwrap(),
        fingerprint: key(fingerprint),
        instance: InstanceId::from_bytes([instance; 16]),
        versions: VersionRange::OURS,
        interface: "eth0".to_owned(),
    }
}

fn record((node, fingerprint, address, hours_ago): Cached) -> Record {
    Record {
        cluster: "c".to_owned(),
        node: name(node),
        fingerprint: key(fingerprint),
        addresses: vec![address.parse().unwrap()],
        seen_ms: NOW - hours_ago * HOUR,
    }
}

fn merge(pins: &[(&str, u8)], cached: &[Cached], answers: &[Answer]) -> Inventory {
    let mut pinned: BTreeMap<NodeName, BTreeSet<Fingerprint>> = BTreeMap::new();
    for (node, fingerprint) in pins {
        pinned
            .entry(name(node))
            .or_default()
            .insert(key(*fingerprint));
    }
    let cached: Vec<Record> = cached.iter().copied().map(record).collect();
    let heard: Vec<Heard> = answers.iter().copied().map(heard).collect();
    Inventory::merge(&Sources {
        pinned,
        cached: cached.iter().collect(),
        heard: &heard,
        now_ms: NOW,
    })
}

/// The list in which `n1` lies, its addresses, and how many warnings there are.
fn place(inventory: &Inventory) -> (&'static str, Vec<String>, usize) {
    let n1 = name("n1");
    let lists = [
        ("here", &inventory.here),
        ("silent", &inventory.silent),
        ("new", &inventory.new),
    ];
    let mut found: Vec<(&'static str, Vec<String>)> = lists
        .into_iter()
        .filter_map(|(list, nodes)| {
            let addresses = nodes.get(&n1)?.addresses.iter().map(ToString::to_string);
            Some((list, addresses.collect()))
        })
        .collect();
    found.extend(inventory.unusable.get(&n1).map(|unusable| match unusable {
        Unusable::Contested(keys) => ("contested", vec![keys.len().to_string()]),
        Unusable::Cloned { agents, .. } => ("cloned", vec![agents.len().to_string()]),
    }));
    assert!(found.len() <= 1, "in several lists: {found:?}");
    let (list, addresses) = found.pop().unwrap_or(("none", Vec::new()));
    (list, addresses, inventory.warnings.len())
}

/// What is checked, pins, cache, answers, and the list with its addresses and warnings.
type Row = (
    &'static str,
    &'static [(&'static str, u8)],
    &'static [Cached],
    &'static [Answer],
    (&'static str, &'static [&'static str], usize),
);

const ONE_AGENT: &[Row] = &[
    ("nothing is known", &[], &[], &[], ("none", &[], 0)),
    (
        "new",
        &[],
        &[],
        &[("n1", 1, 1, "10.0.0.1:1")],
        ("new", &["10.0.0.1:1"], 0),
    ),
    (
        "an old address of one not pinned is nobody",
        &[],
        &[("n1", 1, "10.0.0.9:1", 1)],
        &[],
        ("none", &[], 0),
    ),
    (
        "pinned and here; the cache does not matter",
        &[("n1", 1)],
        &[("n1", 1, "10.0.0.9:1", 1)],
        &[("n1", 1, 1, "10.0.0.1:1")],
        ("here", &["10.0.0.1:1"], 0),
    ),
    (
        "pinned, seen within a day, silent",
        &[("n1", 1)],
        &[("n1", 1, "10.0.0.9:1", 24)],
        &[],
        ("silent", &["10.0.0.9:1"], 0),
    ),
    (
        "pinned, not seen for longer",
        &[("n1", 1)],
        &[("n1", 1, "10.0.0.9:1", 25)],
        &[],
        ("none", &[], 0),
    ),
    (
        "pinned, never seen",
        &[("n1", 1)],
        &[],
        &[],
        ("none", &[], 0),
    ),
    (
        "at several addresses, of several families",
        &[],
        &[],
        &[
            ("n1", 1, 1, "[fe80::1%2]:1"),
            ("n1", 1, 1, "10.0.0.1:1"),
            ("n1", 1, 1, "[2001:db8::1]:1"),
            ("n1", 1, 1, "192.168.0.1:1"),
        ],
        (
            "new",
            &[
                "10.0.0.1:1",
                "192.168.0.1:1",
                "[2001:db8::1]:1",
                "[fe80::1%2]:1",
            ],
            0,
        ),
    ),
    (
        "started anew while we asked",
        &[("n1", 1)],
        &[],
        &[
            ("n1", 1, 1, "10.0.0.1:1"),
            ("n1", 1, 2, "10.0.0.1:1"),
            ("n1", 1, 2, "192.168.0.1:1"),
        ],
        ("here", &["10.0.0.1:1", "192.168.0.1:1"], 0),
    ),
    (
        "any of several pinned keys",
        &[("n1", 1), ("n1", 2)],
        &[],
        &[("n1", 2, 1, "10.0.0.1:1")],
        ("here", &["10.0.0.1:1"], 0),
    ),
];

const SEVERAL_AGENTS: &[Row] = &[
    (
        "the pinned key wins",
        &[("n1", 1)],
        &[],
        &[("n1", 1, 1, "10.0.0.1:1"), ("n1", 2, 2, "10.0.0.2:1")],
        ("here", &["10.0.0.1:1"], 1),
    ),
    (
        "only another key answers: the cached address first, the truth by TLS",
        &[("n1", 1)],
        &[("n1", 1, "10.0.0.9:1", 1)],
        &[("n1", 2, 2, "10.0.0.2:1")],
        ("silent", &["10.0.0.9:1", "10.0.0.2:1"], 1),
    ),
    (
        "only another key answers, and no address is known",
        &[("n1", 1)],
        &[],
        &[("n1", 2, 2, "10.0.0.2:1")],
        ("silent", &["10.0.0.2:1"], 1),
    ),
    (
        "two keys, none pinned",
        &[],
        &[],
        &[("n1", 1, 1, "10.0.0.1:1"), ("n1", 2, 2, "10.0.0.2:1")],
        ("contested", &["2"], 0),
    ),
    (
        "a clone of a new node",
        &[],
        &[],
        &[("n1", 1, 1, "10.0.0.1:1"), ("n1", 1, 2, "10.0.0.2:1")],
        ("cloned", &["2"], 0),
    ),
    (
        "a clone of a pinned node",
        &[("n1", 1)],
        &[],
        &[("n1", 1, 1, "10.0.0.1:1"), ("n1", 1, 2, "10.0.0.2:1")],
        ("cloned", &["2"], 0),
    ),
    (
        "a clone on the same machine, on another port",
        &[("n1", 1)],
        &[],
        &[("n1", 1, 1, "10.0.0.1:1"), ("n1", 1, 2, "10.0.0.1:2")],
        ("cloned", &["2"], 0),
    ),
    (
        "a clone of the stranger does not hurt the pinned one",
        &[("n1", 1)],
        &[],
        &[
            ("n1", 1, 1, "10.0.0.1:1"),
            ("n1", 2, 2, "10.0.0.2:1"),
            ("n1", 2, 3, "10.0.0.3:1"),
        ],
        ("here", &["10.0.0.1:1"], 1),
    ),
    (
        "an address of yesterday is no clone",
        &[("n1", 1)],
        &[("n1", 1, "10.0.0.2:1", 1)],
        &[("n1", 1, 1, "10.0.0.1:1")],
        ("here", &["10.0.0.1:1"], 0),
    ),
    (
        "another name with the same key",
        &[("n1", 1)],
        &[],
        &[("n1", 1, 1, "10.0.0.1:1"), ("n2", 1, 2, "10.0.0.2:1")],
        ("here", &["10.0.0.1:1"], 1),
    ),
];

#[test]
fn every_node_in_its_list() {
    let rows = ONE_AGENT.iter().chain(SEVERAL_AGENTS);
    for (what, pins, cached, answers, (list, addresses, warnings)) in rows {
        let addresses: Vec<String> = addresses.iter().map(|text| (*text).to_owned()).collect();
        let inventory = merge(pins, cached, answers);
        assert_eq!(
            place(&inventory),
            (*list, addresses, *warnings),
            "{what}: {inventory:#?}"
        );
    }
}

#[test]
fn all_is_who_answered_and_who_was_seen() {
    let cached = [("n2", 2, "10.0.0.2:1", 3), ("n3", 3, "10.0.0.3:1", 99)];
    let pins = [("n1", 1), ("n2", 2), ("n3", 3)];
    let answers = [("n1", 1, 1, "10.0.0.1:1"), ("n4", 4, 4, "10.0.0.4:1")];
    let inventory = merge(&pins, &cached, &answers);
    let expected: Vec<&str> = inventory
        .expected()
        .map(|(node, _)| node.as_str())
        .collect();
    assert_eq!(expected, ["n1", "n2"]);
    assert_eq!(inventory.silent[&name("n2")].seen_ms, NOW - 3 * HOUR);
    assert_eq!(inventory.here[&name("n1")].seen_ms, NOW);
    assert!(inventory.new.contains_key(&name("n4")));
}

#[test]
fn what_is_unusable_says_who_and_where() {
    let answers = [
        ("n1", 1, 1, "10.0.0.1:1"),
        ("n1", 1, 2, "10.0.0.2:1"),
        ("n2", 3, 3, "10.0.0.3:1"),
        ("n2", 4, 4, "10.0.0.4:1"),
    ];
    let inventory = merge(&[], &[], &answers);
    let cloned = inventory.unusable[&name("n1")].to_string();
    for part in [
        "cloned image",
        "10.0.0.1:1",
        "10.0.0.2:1",
        "host_key",
        &key(1).to_string(),
    ] {
        assert!(cloned.contains(part), "{cloned}");
    }
    let contested = inventory.unusable[&name("n2")].to_string();
    for part in [
        "10.0.0.3:1",
        "10.0.0.4:1",
        &key(3).to_string(),
        &key(4).to_string(),
    ] {
        assert!(contested.contains(part), "{contested}");
    }
}
