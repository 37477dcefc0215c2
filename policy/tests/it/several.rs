//! Several rules, revocations, questions about paths, the built-in policy.

use std::time::Duration;

use dtx_policy::{Decision, Policy, Shell};

use crate::support::{Ask, operator, rule, with};

#[test]
fn several_rules_widen_and_the_smallest_id_is_told() {
    let text = r#"
version = 1
[[rule]]
id = "z"
who = ["file:alice"]
run = { shell = ["true"] }
as = ["bob"]
limits = { timeout = "60s", memory = "1GiB" }
[[rule]]
id = "b"
who = ["file:*"]
run = { shell = ["true|false"] }
as = ["bob"]
limits = { timeout = "5s", output = "1MiB", memory = "2GiB" }
[[rule]]
id = "a"
who = ["file:carol"]
run = { shell = "any" }
as = ["*"]
"#;
    let policy = Policy::parse(text).unwrap();
    let Decision::Allow(allowed) = Ask::shell("true").decide(&policy) else {
        panic!("allowed");
    };
    assert_eq!(allowed.rule, "b");
    assert_eq!(allowed.limits.timeout, Some(Duration::from_secs(60)));
    assert_eq!(allowed.limits.output, None);
    assert_eq!(allowed.limits.memory, Some(2 << 30));
    assert_eq!(allowed.shell, Shell::BinSh);
    // What one of them allows is enough, and what was asked for stays as it was.
    let longer = with(Ask::shell("true"), |ask| {
        ask.timeout = Some(Duration::from_secs(30));
    });
    let Decision::Allow(allowed) = longer.decide(&policy) else {
        panic!("allowed");
    };
    assert_eq!(allowed.rule, "z");
    assert_eq!(allowed.limits.timeout, Some(Duration::from_secs(30)));
    // The order of the rules means nothing.
    let mut parts: Vec<&str> = text.split("[[rule]]").collect();
    let head = parts.remove(0);
    parts.reverse();
    let reversed = format!("{head}[[rule]]{}", parts.join("[[rule]]"));
    let reversed = Policy::parse(&reversed).unwrap();
    assert_eq!(
        Ask::shell("true").decide(&reversed),
        Ask::shell("true").decide(&policy)
    );
    let carol = with(Ask::shell("anything"), |ask| {
        ask.operator = operator([3; 32], &["carol"]);
        ask.shell = Some("/bin/zsh".into());
    });
    let Decision::Allow(allowed) = carol.decide(&policy) else {
        panic!("allowed");
    };
    assert_eq!(allowed.shell, Shell::Path("/bin/zsh".into()));
}

#[test]
fn revocation_wins() {
    let key = dtx_proto_types::key::Fingerprint::from_bytes(crate::support::ALICE);
    for revoke in [
        format!("key = \"{key}\""),
        format!("key = \"key:{key}\""),
        format!("principal = \"key:{key}\""),
        "principal = \"file:alice\"".to_owned(),
    ] {
        let text = format!(
            "version = 1\n[[rule]]\nid = \"r\"\nwho = [\"file:*\"]\nas = [\"*\"]\n\
             run = {{ shell = \"any\" }}\n[[revoke]]\n{revoke}\n"
        );
        let policy = Policy::parse(&text).unwrap();
        let ask = Ask::shell("true");
        assert!(!ask.is_allowed(&policy), "{revoke}");
        assert!(ask.explain(&policy).refused.unwrap().contains("revoked"));
        let other = with(ask, |ask| ask.operator = operator([2; 32], &["bob"]));
        assert!(other.is_allowed(&policy), "{revoke}");
    }
}

#[test]
fn paths_are_asked_about_and_the_answers_count() {
    let policy = rule(r#"run = { exec = [["/bin/cat", { path_under = "/srv/data" }]] }"#);
    let ask = Ask::exec(&["/bin/cat", "/srv/data/x"]);
    let Decision::NeedsPaths(questions) = ask.decide(&policy) else {
        panic!("it depends");
    };
    assert_eq!(questions.len(), 1);
    let question = questions.first().unwrap().clone();
    assert_eq!(
        (question.root.as_str(), question.path.as_str()),
        ("/srv/data", "/srv/data/x")
    );
    let answer = |answer: Result<(), String>| {
        with(ask.clone(), |ask| {
            drop(ask.paths.insert(question.clone(), answer));
        })
    };
    assert!(answer(Ok(())).is_allowed(&policy));
    let Decision::Deny(denial) = answer(Err("a link leads out".into())).decide(&policy) else {
        panic!("denied");
    };
    assert!(denial.text.contains("a link leads out"), "{}", denial.text);
    // What cannot be beneath by its text alone is not asked about.
    for path in [
        "/srv/data",
        "/srv/data/",
        "/srv/data/../../etc/shadow",
        "/srv/data/./x",
        "/srv/data//x",
        "/srv/database/x",
        "/etc/shadow",
        "srv/data/x",
        "-/srv/data/x",
        "/srv/data/x\n",
        "",
    ] {
        let ask = Ask::exec(&["/bin/cat", path]);
        assert!(matches!(ask.decide(&policy), Decision::Deny(_)), "{path:?}");
    }
    // An answer about another path does not count.
    let other = with(Ask::exec(&["/bin/cat", "/srv/data/y"]), |ask| {
        ask.paths.insert(question, Ok(()));
    });
    assert!(matches!(other.decide(&policy), Decision::NeedsPaths(_)));
}

#[test]
fn builtin() {
    let root = Policy::builtin(true);
    let user = Policy::builtin(false);
    let as_user = |name: &str| with(Ask::shell("id; id\n"), |ask| ask.user = name.into());
    assert!(as_user("root").is_allowed(&root));
    assert!(!as_user("root").is_allowed(&user));
    assert!(as_user("daemon").is_allowed(&user));
    for policy in [&root, &user] {
        for ask in [
            Ask::exec(&["id"]),
            Ask::script(3, &["-x"]),
            Ask::control(),
            with(Ask::shell("true"), |ask| {
                ask.stdin = true;
                ask.detach = true;
                ask.cwd = Some("/".into());
                ask.shell = Some("/bin/zsh".into());
                ask.env.insert("LD_PRELOAD".into(), "x".into());
            }),
        ] {
            let ask = with(ask, |ask| ask.user = "daemon".into());
            assert!(ask.is_allowed(policy), "{ask:?}");
        }
    }
    let Decision::Allow(allowed) = as_user("daemon").decide(&root) else {
        panic!("allowed");
    };
    assert_eq!(
        (allowed.rule.as_str(), allowed.shell),
        ("operators", Shell::Login)
    );
}

#[test]
fn denials_name_each_rule_for_the_operator_and_no_other() {
    let mut text = "version = 1\n".to_owned();
    for index in 0..200 {
        let who = if index % 2 == 0 {
            "file:alice"
        } else {
            "file:zoe"
        };
        text += &format!(
            "[[rule]]\nid = \"r{index:03}\"\nwho = [\"{who}\"]\nas = [\"bob\"]\n\
             run = {{ shell = [\"x{index}\"] }}\n"
        );
    }
    let policy = Policy::parse(&text).unwrap();
    let Decision::Deny(denial) = Ask::shell("id").decide(&policy) else {
        panic!("denied");
    };
    assert!(denial.text.contains("r000") && !denial.text.contains("r001"));
    assert!(denial.text.len() < 4100 && denial.text.contains("more rules"));
    assert!(!denial.text.contains('\n'));
    let explanation = Ask::shell("x3").explain(&policy);
    let report = &explanation.rules[3];
    assert_eq!(
        (report.id.as_str(), report.is_for_operator),
        ("r003", false)
    );
    assert_eq!(report.lacks.len(), 1);
    assert_eq!(report.lacks[0].key, "who");
    assert!(Ask::shell("x2").explain(&policy).rules[2].allows());
}
