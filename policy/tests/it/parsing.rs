//! What a policy file may say, and where it is wrong otherwise.

use dtx_policy::Policy;

const HEAD: &str = "version = 1\n[groups]\nsre = [\"file:alice\"]\n[[rule]]\n";

fn whole(keys: &str) -> String {
    format!("{HEAD}id = \"r\"\nwho = [\"file:*\"]\nas = [\"bob\"]\n{keys}\n")
}

#[test]
fn the_example_of_the_documentation() {
    let text = r#"
version = 1
[groups]
sre = ["file:alice@example.org", "key:SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]
[[rule]]
id = "hello"
who = ["@sre"]
run = { shell = ['echo [a-z]+ >> /tmp/hello\.txt'] }
as = ["nobody"]
[[rule]]
id = "web-restart"
who = ["@sre"]
on = { names = ["web[01-20]"], labels = { rack = "r1" } }
run = { exec = [["/usr/bin/systemctl", "restart", { one_of = ["nginx.service", "php-fpm.service"] }]] }
as = ["root"]
limits = { timeout = "60s", output = "4MiB", concurrent = 2 }
max_grant = "1h"
[[rule]]
id = "everything-else"
who = ["file:root@ops", "key:SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]
as = ["*", "{agent-user}"]
env = "any"
files = "any"
[rule.run]
shell = "any"
exec = [["/bin/x", { int = [0, 9] }, { rest = { path_under = "/srv" }, max = 3 }]]
script = ["sha256:aAaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]
cwd = ["/srv"]
control = true
stdin = true
detach = false
[rule.limits]
timeout = 60
memory = "1GiB"
procs = 100
[[revoke]]
key = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
[[revoke]]
principal = "file:mallory"
"#;
    let policy = Policy::parse(text).unwrap_or_else(|error| panic!("{error}"));
    let ids: Vec<&str> = policy.rule_ids().collect();
    assert_eq!(ids, ["everything-else", "hello", "web-restart"]);
    assert_eq!(Policy::parse("version = 1").unwrap().rule_ids().count(), 0);
}

/// Keys of a rule, and words of what is wrong with them.
const RULES: &[(&str, &str)] = &[
    ("rnu = {}", "unknown key `rnu`; did you mean `run`?"),
    (
        "deny = [\"bob\"]",
        "unknown key `deny`; known here: id, who",
    ),
    ("require = \"sk\"", "unknown key `require`"),
    ("run = {}", "it grants nothing"),
    ("run = { task = \"any\" }", "unknown key `task`"),
    ("run = { shel = \"any\" }", "did you mean `shell`?"),
    ("run = { shell = \"all\" }", "if not \"any\", is a list"),
    ("run = { shell = true }", "is a list"),
    ("run = { shell = [\"any\"] }", "stands alone"),
    ("run = { shell = [1] }", "in quotes"),
    ("run = { shell = [\"\"] }", "cannot be empty"),
    ("run = { shell = ['('] }", "not a regular expression"),
    ("run = { shell = ['a)|(?:.*'] }", "not a regular expression"),
    ("run = { shell = ['(?x) a # b'] }", "does not end"),
    (
        "run = { shell = ['((a{100}){100}){100}'] }",
        "not a regular expression",
    ),
    ("run = { exec = [\"/bin/ls\"] }", "a command is a list"),
    ("run = { exec = [[]] }", "a program is missing"),
    ("run = { exec = [[\"ls\"]] }", "absolute path"),
    ("run = { exec = [[\"/bin/../ls\"]] }", "absolute path"),
    ("run = { exec = [[\"/bin/\"]] }", "absolute path"),
    ("run = { exec = [[{ re = \".*\" }]] }", "literal path"),
    ("run = { exec = [[\"/bin/ls\", 1]] }", "is a table"),
    ("run = { exec = [[\"/bin/ls\", {}]] }", "one of { one_of }"),
    (
        "run = { exec = [[\"/bin/ls\", { re = \"a\", int = [1, 2] }]] }",
        "one of { one_of }",
    ),
    (
        "run = { exec = [[\"/bin/ls\", { one_off = [] }]] }",
        "did you mean `one_of`?",
    ),
    (
        "run = { exec = [[\"/bin/ls\", { one_of = [] }]] }",
        "is empty",
    ),
    (
        "run = { exec = [[\"/bin/ls\", { one_of = [\"-l\"] }]] }",
        "cannot begin with `-`",
    ),
    (
        "run = { exec = [[\"/bin/ls\", { one_of = [\"a\", \"a\"] }]] }",
        "listed twice",
    ),
    (
        "run = { exec = [[\"/bin/ls\", { int = [2, 1] }]] }",
        "[lowest, highest]",
    ),
    (
        "run = { exec = [[\"/bin/ls\", { int = [-1, 1] }]] }",
        "[lowest, highest]",
    ),
    (
        "run = { exec = [[\"/bin/ls\", { int = [1] }]] }",
        "[lowest, highest]",
    ),
    (
        "run = { exec = [[\"/bin/ls\", { path_under = \"srv\" }]] }",
        "absolute",
    ),
    (
        "run = { exec = [[\"/bin/ls\", { path_under = \"/srv/..\" }]] }",
        "absolute",
    ),
    (
        "run = { exec = [[\"/bin/ls\", { rest = { re = \"a\" } }]] }",
        "belong together",
    ),
    (
        "run = { exec = [[\"/bin/ls\", { max = 1 }]] }",
        "belong together",
    ),
    (
        "run = { exec = [[\"/bin/ls\", { rest = \"a\", max = 1 }]] }",
        "`rest` is",
    ),
    (
        "run = { exec = [[\"/bin/ls\", { rest = { re = \"a\" }, max = 0 }]] }",
        "at least 1",
    ),
    (
        "run = { exec = [[\"/bin/ls\", { rest = { re = \"a\" }, max = 9999 }]] }",
        "at most",
    ),
    (
        "run = { exec = [[\"/bin/ls\", { rest = { re = \"a\" }, max = 2 }, \"x\"]] }",
        "nothing can follow",
    ),
    ("run = { script = [\"md5:aa\"] }", "sha256"),
    ("run = { script = [\"sha256:aa\"] }", "sha256"),
    ("run = { cwd = [\"tmp\"] }", "absolute path"),
    ("run = { stdin = \"yes\" }", "`true` or `false`"),
    ("run = { control = 1 }", "`true` or `false`"),
    ("files = [\"/srv\"]", "`files` is \"any\""),
    (
        "run = { shell = \"any\" }\nenv = [\"LD_PRELOAD\"]",
        "decides which code runs",
    ),
    (
        "run = { shell = \"any\" }\nenv = [\"BASH_ENV\"]",
        "decides which code runs",
    ),
    (
        "run = { shell = \"any\" }\nenv = [\"PATH\"]",
        "decides which code runs",
    ),
    (
        "run = { shell = \"any\" }\nenv = [\"NCCL_*\"]",
        "there are no patterns",
    ),
    (
        "run = { shell = \"any\" }\nenv = [\"A=B\"]",
        "there are no patterns",
    ),
    (
        "run = { shell = \"any\" }\nenv = [\"DTX_RANK\"]",
        "set by the agent",
    ),
    ("run = { shell = \"any\" }\nenv = \"all\"", "is a list"),
    ("run = { shell = \"any\" }\non = {}", "leave it out"),
    ("run = { shell = \"any\" }\non = { names = [] }", "is empty"),
    (
        "run = { shell = \"any\" }\non = { names = [\"n[1-\"] }",
        "never closed",
    ),
    (
        "run = { shell = \"any\" }\non = { names = [\"@web\"] }",
        "not available here",
    ),
    (
        "run = { shell = \"any\" }\non = { names = \"web\" }",
        "is a list",
    ),
    (
        "run = { shell = \"any\" }\non = { labels = {} }",
        "is empty",
    ),
    (
        "run = { shell = \"any\" }\non = { labels = { rack = 1 } }",
        "in quotes",
    ),
    (
        "run = { shell = \"any\" }\non = { node = [\"a\"] }",
        "unknown key `node`",
    ),
    (
        "run = { shell = \"any\" }\nlimits = { timeout = \"soon\" }",
        "soon",
    ),
    (
        "run = { shell = \"any\" }\nlimits = { timeout = 0 }",
        "more than nothing",
    ),
    (
        "run = { shell = \"any\" }\nlimits = { output = \"-1\" }",
        "-1",
    ),
    (
        "run = { shell = \"any\" }\nlimits = { output = 0 }",
        "more than nothing",
    ),
    (
        "run = { shell = \"any\" }\nlimits = { concurrent = 0 }",
        "at least 1",
    ),
    (
        "run = { shell = \"any\" }\nlimits = { concurrent = 4294967296 }",
        "too large",
    ),
    (
        "run = { shell = \"any\" }\nlimits = { cpu = 1 }",
        "unknown key `cpu`",
    ),
    (
        "run = { shell = \"any\" }\nmax_grant = \"0s\"",
        "more than nothing",
    ),
];

#[test]
fn errors_of_rules_have_their_place_and_say_what_to_do() {
    for (keys, words) in RULES {
        let text = whole(keys);
        let error = Policy::parse(&text).expect_err(keys).to_string();
        assert!(error.contains(words), "{keys}\n{error}");
        let line = error
            .split("line ")
            .nth(1)
            .unwrap()
            .split(',')
            .next()
            .unwrap();
        let line: usize = line.parse().unwrap();
        assert!((4..=9).contains(&line) && error.contains('^'), "{error}");
    }
}

/// Files, and words of what is wrong with them.
const FILES: &[(&str, &str)] = &[
    ("", "`version` is missing"),
    ("version = 2", "version 1"),
    ("version = \"1\"", "whole number"),
    ("version = 1\nversion = 1", "duplicate key"),
    ("version = 1\nrules = []", "did you mean `rule`?"),
    ("version = 1\n[rule]\nid = \"a\"", "double brackets"),
    ("version = 1\nrule = 1", "is a list"),
    ("version = 1\n[[rule]\n", "line 2"),
    ("version = 1\n\0", "line 2"),
    (
        "version = 1\n[groups]\nsre = [\"file:*\"]",
        "only stand in `who`",
    ),
    ("version = 1\n[groups]\nsre = [\"@other\"]", "file:NAME"),
    ("version = 1\n[groups]\nsre = \"file:a\"", "is a list"),
    ("version = 1\n[groups]\n\"a b\" = []", "a group's name"),
    (
        "version = 1\n[groups]\nsre = [\"file:a\", \"file:a\"]",
        "listed twice",
    ),
    ("version = 1\n[[revoke]]\n", "either"),
    ("version = 1\n[[revoke]]\nkey = \"alice\"", "fingerprint"),
    (
        "version = 1\n[[revoke]]\nprincipal = \"file:*\"",
        "name one",
    ),
    (
        "version = 1\n[[revoke]]\nuser = \"alice\"",
        "unknown key `user`",
    ),
    (
        "version = 1\n[[revoke]]\nprincipal = \"file:a\"\nkey = \"x\"",
        "either",
    ),
];

const GOOD: &str = "version = 1\n[groups]\nsre = []\n[[rule]]\nid = \"a\"\nwho = [\"file:*\"]\n\
                    as = [\"b\"]\nrun = { shell = \"any\" }\nlimits = { procs = 1 }\n";

/// What to replace in a good file by what, and words of what is wrong then.
const CHANGES: &[(&str, &str, &str)] = &[
    ("id = \"a\"\n", "", "`id` is missing"),
    ("who = [\"file:*\"]\n", "", "`who` is missing"),
    ("as = [\"b\"]\n", "", "`as` is missing"),
    (
        "run = { shell = \"any\" }\n",
        "",
        "neither `run` nor `files`",
    ),
    ("\"a\"", "\"\"", "an id is"),
    ("\"a\"", "\"a b\"", "an id is"),
    ("\"a\"", "\"(own job)\"", "an id is"),
    ("\"file:*\"", "", "`who` is empty"),
    ("file:*", "*", "names everyone"),
    ("file:*", "key:*", "names everyone"),
    ("file:*", "alice", "file:NAME"),
    ("file:*", "ssh:alice", "file:NAME"),
    ("file:*", "file:al*", "cannot be in a principal"),
    ("file:*", "!file:al", "file:NAME"),
    ("file:*", "key:SHA256:x", "fingerprint"),
    ("file:*", "@ops", "no group `ops`"),
    ("file:*", "@srs", "did you mean `@sre`?"),
    ("[\"b\"]", "[]", "`as` is empty"),
    ("[\"b\"]", "[\"0\"]", "is a number"),
    ("[\"b\"]", "[\"-1\"]", "is a number"),
    ("[\"b\"]", "[\"b*\"]", "cannot be a user"),
    ("[\"b\"]", "[\"{user}\"]", "cannot be a user"),
    ("[\"b\"]", "[\"root\"]", "cannot bind root"),
];

#[test]
fn errors_of_the_rest() {
    assert!(Policy::parse(GOOD).is_ok());
    let changed = CHANGES
        .iter()
        .map(|(from, to, words)| (GOOD.replacen(from, to, 1), words));
    let files = FILES
        .iter()
        .map(|(text, words)| ((*text).to_owned(), words));
    for (text, words) in changed.chain(files) {
        let error = Policy::parse(&text).expect_err(&text).to_string();
        assert!(error.contains(words), "{text}\n{error}");
    }
    let (_, rule) = GOOD.split_once("[[rule]]").unwrap();
    let error = Policy::parse(&format!("{GOOD}[[rule]]{rule}")).unwrap_err();
    assert_eq!(error.message(), "two rules have the id `a`");
    assert!(error.line() >= 9, "the second one is wrong: {error}");
}

#[test]
fn a_message_as_it_is_shown() {
    let text = whole("rnu = {}");
    assert_eq!(
        Policy::parse(&text).unwrap_err().to_string(),
        "line 8, column 1: unknown key `rnu`; did you mean `run`?\n  |\n8 | rnu = {}\n  | ^^^"
    );
}

#[test]
fn nesting_is_bounded() {
    let deep = format!(
        "version = 1\nrule = {}{}",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    assert!(Policy::parse(&deep).is_err());
}
