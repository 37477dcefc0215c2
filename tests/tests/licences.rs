//! Every dependency comes from crates.io under a licence that suits MIT OR Apache-2.0.

use dtx_tests::workspace;

/// Licences that ask for no more than to be named. The same list stands in `deny.toml`.
const ALLOWED: [&str; 10] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "ISC",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "Zlib",
    "Unicode-3.0",
    "CC0-1.0",
    "0BSD",
];

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[test]
fn every_licence_is_allowed() {
    let metadata = workspace::metadata();
    let mut offenders = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let licence = package["license"].as_str().unwrap_or("none given");
        if !allows(licence) {
            offenders.push(format!("{}: {licence}", package["name"]));
        }
    }
    assert!(offenders.is_empty(), "{offenders:#?}");
}

#[test]
fn every_source_is_the_registry_or_this_workspace() {
    let lock = std::fs::read_to_string(workspace::root().join("Cargo.lock")).unwrap();
    let sources: Vec<&str> = lock
        .lines()
        .filter_map(|line| line.strip_prefix("source = "))
        .map(|source| source.trim_matches('"'))
        .collect();
    assert!(sources.len() > 50, "the lock file is read");
    for source in sources {
        assert_eq!(source, REGISTRY);
    }
    let metadata = workspace::metadata();
    for package in metadata["packages"].as_array().unwrap() {
        let manifest = package["manifest_path"].as_str().unwrap();
        let ours = manifest.starts_with(workspace::root().to_str().unwrap());
        assert_eq!(package["source"].is_null(), ours, "{manifest}");
    }
}

#[test]
fn cargo_deny_goes_by_the_same_list() {
    let text = std::fs::read_to_string(workspace::root().join("deny.toml")).unwrap();
    let (_, rest) = text.split_once("allow = [").unwrap();
    let (list, _) = rest.split_once(']').unwrap();
    let listed: Vec<&str> = list
        .lines()
        .map(|line| line.trim().trim_end_matches(',').trim_matches('"'))
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(listed, ALLOWED);
}

#[test]
fn expressions_are_understood() {
    for good in [
        "MIT",
        "MIT/Apache-2.0",
        "Unlicense OR MIT",
        "Apache-2.0 AND ISC",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
    ] {
        assert!(allows(good), "{good}");
    }
    for bad in [
        "",
        "GPL-3.0",
        "MPL-2.0",
        "MIT AND GPL-3.0",
        "(MIT OR Apache-2.0) AND OpenSSL",
        "none given",
    ] {
        assert!(!allows(bad), "{bad}");
    }
}

/// Whether an SPDX expression can be met with allowed licences: `AND` binds tighter than `OR`.
fn allows(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let spaced = expression.replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let allowed = either(&mut words);
    allowed && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn either(words: &mut Words<'_>) -> bool {
    let mut allowed = both(words);
    while words.next_if_eq(&"OR").is_some() {
        allowed |= both(words);
    }
    allowed
}

fn both(words: &mut Words<'_>) -> bool {
    let mut allowed = one(words);
    while words.next_if_eq(&"AND").is_some() {
        allowed &= one(words);
    }
    allowed
}

fn one(words: &mut Words<'_>) -> bool {
    if words.next_if_eq(&"(").is_some() {
        let allowed = either(words);
        return words.next() == Some(")") && allowed;
    }
    let mut licence = words.next().unwrap_or_default().to_owned();
    if words.next_if_eq(&"WITH").is_some() {
        licence = format!("{licence} WITH {}", words.next().unwrap_or_default());
    }
    ALLOWED.contains(&licence.as_str())
}
