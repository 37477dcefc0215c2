//! What the architecture promises and the compiler does not check.

use std::collections::{BTreeMap, BTreeSet};

use dtx_tests::workspace;

/// Lines of a file beyond which it surely has a second noun in it.
const LINES_MAX: usize = 600;

/// What each crate may depend on, of this workspace.
const HOUSE: [(&str, &[&str]); 6] = [
    ("dtx-proto-types", &[]),
    ("dtx-policy", &["dtx-proto-types"]),
    ("dtx-client", &["dtx-proto-types"]),
    ("dtx-agent", &["dtx-policy", "dtx-proto-types"]),
    ("dtx-cli", &["dtx-client", "dtx-policy", "dtx-proto-types"]),
    (
        "dtx-tests",
        &[
            "dtx-agent",
            "dtx-cli",
            "dtx-client",
            "dtx-policy",
            "dtx-proto-types",
        ],
    ),
];

/// Crates that do no I/O: nothing that opens sockets, files or clocks for them.
const PURE: [&str; 2] = ["dtx-proto-types", "dtx-policy"];
const WORLDLY: [&str; 8] = [
    "tokio",
    "tokio-rustls",
    "rustls",
    "nix",
    "socket2",
    "if-addrs",
    "tempfile",
    "libc",
];

#[test]
fn crates_depend_in_one_direction() {
    let metadata = workspace::metadata();
    let mut seen = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        if package["source"].is_null() {
            let name = package["name"].as_str().unwrap();
            let normal: BTreeSet<&str> = package["dependencies"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|dependency| dependency["kind"].is_null())
                .map(|dependency| dependency["name"].as_str().unwrap())
                .collect();
            seen.insert(name.to_owned(), normal);
        }
    }
    let house: BTreeMap<&str, &[&str]> = HOUSE.into_iter().collect();
    for (name, dependencies) in &seen {
        let allowed = house
            .get(name.as_str())
            .unwrap_or_else(|| panic!("{name} has no room in the house: see tidy.rs"));
        for dependency in dependencies.iter().filter(|name| name.starts_with("dtx-")) {
            assert!(
                allowed.contains(dependency),
                "{name} depends on {dependency}"
            );
        }
        if PURE.contains(&name.as_str()) {
            for worldly in WORLDLY {
                assert!(
                    !dependencies.contains(worldly),
                    "{name} depends on {worldly}"
                );
            }
        }
    }
}

#[test]
fn pure_crates_neither_ask_the_time_nor_touch_the_world() {
    // `tokio_util::codec` needs no runtime and stays.
    const FORBIDDEN: [&str; 8] = [
        "SystemTime::now",
        "Instant::now",
        "std::fs",
        "std::net::TcpStream",
        "std::process::Command",
        "std::env::var",
        "std::thread",
        "tokio::",
    ];
    for name in ["proto-types", "policy"] {
        each_line(&format!("{name}/src/"), |place, line| {
            for word in FORBIDDEN {
                assert!(!line.contains(word), "{place}: {word}");
            }
        });
    }
}

#[test]
fn unsafe_code_has_one_room() {
    each_line("", |place, line| {
        let code = line.split("//").next().unwrap_or_default();
        let here = place.starts_with("agent/src/sys.rs:") || place.contains("tests/tidy.rs:");
        let is_unsafe =
            code.contains("unsafe {") || code.contains("unsafe fn") || code.contains("unsafe impl");
        assert!(!is_unsafe || here, "{place}: {line}");
    });
}

#[test]
fn files_are_of_a_size_to_be_read() {
    for path in workspace::files(".rs") {
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= LINES_MAX, "{}: {lines} lines", path.display());
    }
}

#[test]
fn nothing_is_left_for_later_and_no_machine_is_named() {
    // Written apart, so that this file does not find itself.
    let later = ["todo", "unimplemented"].map(|name| format!("{name}!("));
    let marks = [["TO", "DO"], ["FIX", "ME"], ["XX", "X:"]].map(|parts| parts.concat());
    let machines = [
        ["/wo", "rk/"],
        ["/tmp/", "targets"],
        ["index.crates", ".io-"],
    ]
    .map(|parts| parts.concat());
    each_text_line(|place, line| {
        for word in later.iter().chain(&marks).chain(&machines) {
            assert!(!line.contains(word.as_str()), "{place}: {line}");
        }
    });
}

#[test]
fn modules_with_files_of_their_own_are_directories() {
    for path in workspace::files(".rs") {
        let beside = path.with_extension("");
        let root = path.ends_with("main.rs") || path.ends_with("lib.rs");
        // Test programs of several files have a directory with `main.rs`.
        assert!(!beside.is_dir() || root, "{}: use mod.rs", path.display());
    }
}

fn each_line(under: &str, mut check: impl FnMut(&str, &str)) {
    let files = workspace::files(".rs");
    assert!(files.len() > 50, "the tree is read");
    for path in files {
        let relative = path.strip_prefix(workspace::root()).unwrap();
        let relative = relative.to_str().unwrap();
        if !relative.starts_with(under) {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        // What a crate's own tests do is another matter.
        let product = text
            .split("#[cfg(test)]\nmod tests {")
            .next()
            .unwrap_or_default();
        for (number, line) in product.lines().enumerate() {
            check(&format!("{relative}:{}", number + 1), line);
        }
    }
}

fn each_text_line(mut check: impl FnMut(&str, &str)) {
    for ending in [".rs", ".toml", ".md", ".sh", ".txt"] {
        for path in workspace::files(ending) {
            let text = std::fs::read_to_string(&path).unwrap();
            for (number, line) in text.lines().enumerate() {
                check(&format!("{}:{}", path.display(), number + 1), line);
            }
        }
    }
}
