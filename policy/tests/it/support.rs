//! A request that owns its parts, with everything at its most harmless.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dtx_policy::{
    Action, Decision, Explanation, Facts, Node, Operator, PathAnswers, Policy, Request,
};
use dtx_proto_types::job::Control;
use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::node::NodeName;

#[derive(Debug, Clone)]
pub(crate) enum What {
    Shell(String),
    Exec(Vec<String>),
    Script([u8; 32], Vec<String>),
    Control,
}

#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) operator: Operator,
    pub(crate) what: What,
    pub(crate) user: String,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) cwd: Option<String>,
    pub(crate) shell: Option<String>,
    pub(crate) stdin: bool,
    pub(crate) detach: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) output: Option<u64>,
    pub(crate) grant_life: Duration,
    pub(crate) node: NodeName,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) running: BTreeMap<String, u32>,
    pub(crate) paths: PathAnswers,
}

pub(crate) const ALICE: [u8; 32] = [1; 32];

pub(crate) fn operator(key: [u8; 32], names: &[&str]) -> Operator {
    let names: BTreeSet<_> = names.iter().map(|name| name.parse().unwrap()).collect();
    Operator::of_file(Fingerprint::from_bytes(key), names)
}

impl Ask {
    pub(crate) fn new(what: What) -> Self {
        Self {
            operator: operator(ALICE, &["alice"]),
            what,
            user: "bob".into(),
            env: BTreeMap::new(),
            cwd: None,
            shell: None,
            stdin: false,
            detach: false,
            timeout: None,
            output: None,
            grant_life: Duration::from_secs(600),
            node: "web05".parse().unwrap(),
            labels: BTreeMap::from([("rack".into(), "r1".into())]),
            running: BTreeMap::new(),
            paths: PathAnswers::new(),
        }
    }

    pub(crate) fn shell(line: &str) -> Self {
        Self::new(What::Shell(line.into()))
    }

    pub(crate) fn exec(argv: &[&str]) -> Self {
        Self::new(What::Exec(argv.iter().map(|&word| word.into()).collect()))
    }

    pub(crate) fn script(digest: u8, args: &[&str]) -> Self {
        let args = args.iter().map(|&word| word.into()).collect();
        Self::new(What::Script([digest; 32], args))
    }

    pub(crate) fn control() -> Self {
        Self::new(What::Control)
    }

    fn with<T>(&self, use_it: impl FnOnce(&Request<'_>, &Node<'_>, &Facts<'_>) -> T) -> T {
        let action = match &self.what {
            What::Shell(line) => Action::Shell(line),
            What::Exec(argv) => Action::Exec(argv),
            What::Script(sha256, args) => Action::Script {
                sha256: *sha256,
                args,
            },
            What::Control => Action::Control(Control::Cancel),
        };
        let request = Request {
            operator: &self.operator,
            action,
            user: &self.user,
            env: &self.env,
            cwd: self.cwd.as_deref(),
            shell: self.shell.as_deref(),
            stdin: self.stdin,
            detach: self.detach,
            timeout: self.timeout,
            output: self.output,
            grant_life: self.grant_life,
        };
        let node = Node {
            name: &self.node,
            labels: &self.labels,
            agent_user: "daemon",
            max_grant: Duration::from_secs(900),
        };
        let facts = Facts {
            running: &self.running,
            paths: &self.paths,
        };
        use_it(&request, &node, &facts)
    }

    pub(crate) fn decide(&self, policy: &Policy) -> Decision {
        self.with(|request, node, facts| policy.decide(request, node, facts))
    }

    pub(crate) fn explain(&self, policy: &Policy) -> Explanation {
        self.with(|request, node, facts| policy.explain(request, node, facts))
    }

    pub(crate) fn is_allowed(&self, policy: &Policy) -> bool {
        matches!(self.decide(policy), Decision::Allow(_))
    }
}

/// A policy of one rule for everybody, with these further keys.
pub(crate) fn rule(keys: &str) -> Policy {
    let who = if keys.contains("who =") {
        ""
    } else {
        "who = [\"file:*\"]\n"
    };
    let users = if keys.contains("as =") {
        ""
    } else {
        "as = [\"bob\"]\n"
    };
    let text = format!("version = 1\n[[rule]]\nid = \"r\"\n{who}{users}{keys}\n");
    Policy::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A request, changed.
pub(crate) fn with(mut ask: Ask, change: impl FnOnce(&mut Ask)) -> Ask {
    change(&mut ask);
    ask
}

/// A rule, a request that it denies with a word of the reason, and the twin that it allows.
pub(crate) fn check(kind: &str, keys: &str, rows: &[(Ask, &str, Ask)]) {
    let policy = rule(keys);
    for (denied, reason, allowed) in rows {
        match denied.decide(&policy) {
            Decision::Deny(denial) => assert!(
                denial.text.contains(reason),
                "{kind}: {denied:?}\nis denied by {keys}\nwith other words: {}",
                denial.text
            ),
            other => panic!("{kind}: {denied:?}\nshould be denied by {keys}: {other:?}"),
        }
        match allowed.decide(&policy) {
            Decision::Allow(decision) => assert_eq!(decision.rule, "r"),
            other => panic!("{kind}: {allowed:?}\nshould be allowed by {keys}: {other:?}"),
        }
    }
}
