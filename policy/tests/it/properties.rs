//! Properties over many policies and requests.

use std::collections::BTreeSet;

use dtx_policy::{Decision, Policy};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::support::{Ask, operator};

/// A rule in words, small enough for an independent reading.
#[derive(Debug, Clone)]
struct Words {
    who: Vec<&'static str>,
    users: Vec<&'static str>,
    env: Vec<&'static str>,
    env_any: bool,
    files: bool,
    names: Option<Vec<&'static str>>,
    shell: Vec<&'static str>,
    shell_any: bool,
    exec: Vec<&'static str>,
    control: bool,
    stdin: bool,
    timeout: Option<u64>,
}

/// A request in words.
#[derive(Debug, Clone)]
struct Question {
    names: Vec<&'static str>,
    node: &'static str,
    user: &'static str,
    env: Vec<&'static str>,
    what: usize,
    text: &'static str,
    stdin: bool,
    timeout: Option<u64>,
}

const PEOPLE: [&str; 4] = ["file:*", "file:alice", "file:bob", "@ops"];
const USERS: [&str; 4] = ["*", "{agent-user}", "root", "web"];
const VARIABLES: [&str; 3] = ["A", "B", "NCCL_X"];
const NODES: [&str; 3] = ["n1", "n2", "n3"];
const LINES: [&str; 3] = ["true", "id", "ls -l"];

fn words() -> impl Strategy<Value = Words> {
    let grants = (
        subsequence(LINES.to_vec(), 0..=2),
        prop::bool::weighted(0.2),
        subsequence(LINES.to_vec(), 0..=2),
        any::<bool>(),
        any::<bool>(),
    );
    (
        subsequence(PEOPLE.to_vec(), 1..=3),
        subsequence(USERS.to_vec(), 1..=3),
        subsequence(VARIABLES.to_vec(), 0..=3),
        (prop::bool::weighted(0.2), any::<bool>()),
        prop::option::of(subsequence(NODES.to_vec(), 1..=2)),
        grants,
        prop::option::of(1..100_u64),
    )
        .prop_map(
            |(who, users, env, (env_any, files), names, grants, timeout)| Words {
                who,
                users,
                env,
                env_any,
                files,
                names,
                shell: grants.0,
                shell_any: grants.1,
                exec: grants.2,
                control: grants.3,
                stdin: grants.4,
                timeout,
            },
        )
}

fn question() -> impl Strategy<Value = Question> {
    (
        subsequence(vec!["alice", "bob", "carol"], 0..=2),
        select(NODES.to_vec()),
        select(vec!["root", "web", "daemon", "other"]),
        subsequence(vec!["A", "B", "NCCL_X", "LD_PRELOAD"], 0..=2),
        0..3_usize,
        select(vec!["true", "id", "ls -l", "trueid", ""]),
        any::<bool>(),
        prop::option::of(1..100_u64),
    )
        .prop_map(
            |(names, node, user, env, what, text, stdin, timeout)| Question {
                names,
                node,
                user,
                env,
                what,
                text,
                stdin,
                timeout,
            },
        )
}

fn quoted(list: &[&str]) -> String {
    format!("{list:?}")
}

impl Words {
    fn text(&self, id: &str) -> String {
        let mut text = format!("[[rule]]\nid = {id:?}\nwho = {}\n", quoted(&self.who));
        text += &format!("as = {}\n", quoted(&self.users));
        text += &match self.env_any {
            true => "env = \"any\"\n".to_owned(),
            false => format!("env = {}\n", quoted(&self.env)),
        };
        if self.files {
            text += "files = \"any\"\n";
        }
        if let Some(names) = &self.names {
            text += &format!("on = {{ names = {} }}\n", quoted(names));
        }
        let shell = match self.shell_any {
            true => "\"any\"".to_owned(),
            false => quoted(&self.shell),
        };
        let exec: Vec<String> = self
            .exec
            .iter()
            .map(|word| format!("[\"/bin/x\", {word:?}]"))
            .collect();
        text += &format!(
            "run = {{ shell = {shell}, exec = [{}], control = {}, stdin = {} }}\n",
            exec.join(", "),
            self.control,
            self.stdin
        );
        if let Some(timeout) = self.timeout {
            text += &format!("limits = {{ timeout = {timeout} }}\n");
        }
        text
    }

    /// An independent reading of the rule.
    fn allows(&self, asked: &Question) -> bool {
        let is = |name: &str| asked.names.contains(&name);
        let who = self.who.iter().any(|who| match *who {
            "file:*" => true,
            "file:alice" => is("alice"),
            "file:bob" => is("bob"),
            // The group has carol.
            _ => is("carol"),
        });
        let user = self.users.iter().any(|user| match *user {
            "*" => true,
            "{agent-user}" => asked.user == "daemon",
            name => asked.user == name,
        });
        let node = self
            .names
            .as_ref()
            .is_none_or(|names| names.contains(&asked.node));
        let env = self.env_any
            || asked
                .env
                .iter()
                .all(|name| self.env.contains(name) && *name != "LD_PRELOAD");
        let run = match asked.what {
            0 => self.shell_any || self.shell.contains(&asked.text),
            1 => self.exec.contains(&asked.text),
            _ => self.control,
        };
        let timeout = asked.what == 2
            || match (asked.timeout, self.timeout) {
                (Some(asked), Some(most)) => asked <= most,
                _ => true,
            };
        who && user && node && env && run && timeout && (!asked.stdin || self.stdin)
    }

    /// The rule with one entry less, in every way.
    fn narrower(&self) -> Vec<Self> {
        let mut all = Vec::new();
        let lists: [fn(&mut Self) -> &mut Vec<&'static str>; 5] = [
            |rule| &mut rule.who,
            |rule| &mut rule.users,
            |rule| &mut rule.env,
            |rule| &mut rule.shell,
            |rule| &mut rule.exec,
        ];
        for list in lists {
            for index in 0..list(&mut self.clone()).len() {
                let mut rule = self.clone();
                list(&mut rule).remove(index);
                all.push(rule);
            }
        }
        let flags: [fn(&mut Self) -> &mut bool; 5] = [
            |rule| &mut rule.env_any,
            |rule| &mut rule.files,
            |rule| &mut rule.shell_any,
            |rule| &mut rule.control,
            |rule| &mut rule.stdin,
        ];
        for flag in flags {
            let mut rule = self.clone();
            *flag(&mut rule) = false;
            all.push(rule);
        }
        all
    }
}

fn policy_text(rules: &[Words]) -> String {
    let mut text = "version = 1\n[groups]\nops = [\"file:carol\"]\n".to_owned();
    for (index, rule) in rules.iter().enumerate() {
        text += &rule.text(&format!("r{index}"));
    }
    text
}

impl Question {
    fn ask(&self) -> Ask {
        let mut ask = match self.what {
            0 => Ask::shell(self.text),
            1 => Ask::exec(&["/bin/x", self.text]),
            _ => Ask::control(),
        };
        ask.operator = operator([7; 32], &self.names);
        ask.node = self.node.parse().unwrap();
        ask.user = self.user.into();
        ask.env = self
            .env
            .iter()
            .map(|&name| (name.into(), "v".into()))
            .collect();
        ask.stdin = self.stdin;
        ask.timeout = self.timeout.map(std::time::Duration::from_secs);
        ask
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// The decision is what an independent reading of each rule says, whatever their order.
    #[test]
    fn as_the_oracle(
        rules in prop::collection::vec(words(), 0..4),
        questions in prop::collection::vec(question(), 32),
    ) {
        let text = policy_text(&rules);
        let policy = Policy::parse(&text).unwrap();
        for question in &questions {
            let first = rules.iter().position(|rule| rule.allows(question));
            match question.ask().decide(&policy) {
                Decision::Allow(allowed) => {
                    prop_assert_eq!(Some(allowed.rule), first.map(|at| format!("r{at}")));
                    let widest = rules.iter().filter(|rule| rule.allows(question))
                        .try_fold(0, |most, rule| Some(rule.timeout?.max(most)));
                    let expected = question.timeout.or(widest);
                    let got = allowed.limits.timeout.map(|timeout| timeout.as_secs());
                    prop_assert_eq!(got, expected);
                }
                Decision::Deny(denial) => {
                    prop_assert_eq!(first, None, "{}\n{:?}", denial.text, question);
                }
                Decision::NeedsPaths(_) => prop_assert!(false, "no rule asks about paths"),
            }
        }
    }

    /// Taking any entry away never allows more; an emptied list may make the file invalid, which
    /// allows nothing.
    #[test]
    fn less_is_never_more(
        rules in prop::collection::vec(words(), 1..3),
        questions in prop::collection::vec(question(), 16),
    ) {
        let wide = Policy::parse(&policy_text(&rules)).unwrap();
        for index in 0..rules.len() {
            for narrower in rules[index].narrower() {
                let mut rules = rules.clone();
                rules[index] = narrower;
                let Ok(narrow) = Policy::parse(&policy_text(&rules)) else {
                    continue;
                };
                for question in &questions {
                    let ask = question.ask();
                    prop_assert!(!ask.is_allowed(&narrow) || ask.is_allowed(&wide));
                }
            }
        }
    }

    /// Any text is a policy or an error, never a panic.
    #[test]
    fn any_text(text in "\\PC{0,200}|(\\[\\[?|\\]\\]?|[a-z_]+ ?= ?|\"|'|\\{|\\}|,|\n|[0-9]){0,40}") {
        if let Err(error) = Policy::parse(&text) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}

const STRICT: &str = r#"version = 1
[groups]
sre = ["file:alice"]
[[rule]]
id = "hello"
who = ["@sre"]
on = { names = ["web[01-20]"], labels = { rack = "r1" } }
run = { shell = ['echo [a-z]+'], exec = [["/bin/ls", { one_of = ["a", "b"] }, { int = [1, 9] }]], stdin = false }
as = ["nobody"]
env = ["NCCL_DEBUG"]
limits = { timeout = "60s", concurrent = 2 }
[[revoke]]
principal = "file:mallory"
"#;

/// Damage to a file, one character at a time: it is refused, or it still means what is written
/// there. Nothing that names neither the right operator nor a granted command gets in by accident.
#[test]
fn damaged_files_never_open_the_door() {
    let intruder = || {
        let mut ask = Ask::shell("rm -rf /");
        ask.user = "root".into();
        ask.operator = operator([9; 32], &["mallory"]);
        ask
    };
    let stranger = || {
        let mut ask = Ask::exec(&["/bin/sh", "-c", "id"]);
        ask.user = "root".into();
        ask.operator = operator([8; 32], &["eve"]);
        ask
    };
    let characters: Vec<char> = STRICT.chars().collect();
    let mut texts = BTreeSet::new();
    for at in 0..characters.len() {
        let mut without = characters.clone();
        without.remove(at);
        texts.insert(without.iter().collect::<String>());
        for other in ['*', '"', ']', '#'] {
            let mut replaced = characters.clone();
            replaced[at] = other;
            texts.insert(replaced.into_iter().collect());
        }
        texts.insert(characters[..at].iter().collect());
    }
    assert!(texts.len() > 500);
    let (mut refused, mut parsed) = (0, 0);
    for text in &texts {
        match Policy::parse(text) {
            Err(_) => refused += 1,
            Ok(policy) => {
                parsed += 1;
                for ask in [intruder(), stranger()] {
                    assert!(!ask.is_allowed(&policy), "{ask:?}\n{text}");
                }
            }
        }
    }
    assert!(
        refused > 500 && parsed > 100,
        "{refused} refused, {parsed} parsed"
    );
}
