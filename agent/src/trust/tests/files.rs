//! The operators and policy files, as they change.

use dtx_proto_types::message::RefusalCode as Code;

use super::fixture::{Lab, assert_refused, key, line, signed_grant};
use crate::trust::SightLog;

const RULE: &str = "version = 1\n[[rule]]\nid = \"r\"\nwho = [\"file:alice\"]\n\
                    as = [\"bob\"]\nrun = { shell = [\"true\"] }\n";

#[test]
fn an_unclaimed_node_says_how_to_claim_it() {
    let mut lab = Lab::new();
    let opened = lab.open().unwrap();
    for text in ["", "# nobody yet\n\n"] {
        lab.write("operators", text);
        assert_refused(lab.open(), Code::Unclaimed, &line(&lab.alice));
        assert_refused(lab.trust.recheck(&opened), Code::Unclaimed, "operators");
    }
    std::fs::remove_file(lab.path("operators")).unwrap();
    let file = lab.path("operators").display().to_string();
    assert_refused(lab.open(), Code::Unclaimed, &file);
    let job = lab.sign(&lab.shell("true"));
    assert_refused(lab.run(&opened, &job), Code::Unclaimed, "claimed");
    let (good, report) = lab.trust.report();
    assert!(good && report[0].contains("none"), "{report:?}");
}

#[test]
fn an_unknown_key_costs_no_mathematics_and_is_told_what_to_do() {
    let mut lab = Lab::new();
    let mallory = key(9);
    let mut grant = lab.grant();
    grant.operator = mallory.public().fingerprint();
    let mut signed = signed_grant(&mallory, &grant);
    assert_refused(
        lab.open_with(&signed),
        Code::UnknownOperator,
        &line(&mallory),
    );
    // With a signature that does not hold the answer is the same: nobody checked.
    signed.payload[0] ^= 1;
    assert_refused(
        lab.open_with(&signed),
        Code::UnknownOperator,
        "echo 'ssh-ed25519",
    );
    assert!(lab.log.sights.is_empty());
}

#[test]
fn files_are_read_when_they_change_and_only_as_a_whole() {
    let mut lab = Lab::new();
    let session = lab.open().unwrap();
    let job = |lab: &mut Lab, command: &str| {
        let job = lab.sign(&lab.shell(command));
        lab.run(&session, &job).map(drop)
    };
    assert_eq!(job(&mut lab, "id"), Ok(()));
    lab.write("policy.toml", RULE);
    assert_refused(job(&mut lab, "id"), Code::Denied, "run.shell");
    assert_eq!(job(&mut lab, "true"), Ok(()));
    // One bad line and nothing holds any more.
    lab.write("policy.toml", &format!("{RULE}evn = \"any\"\n"));
    assert_refused(
        job(&mut lab, "true"),
        Code::BrokenPolicy,
        "did you mean `env`?",
    );
    assert_refused(lab.open(), Code::BrokenPolicy, "policy.toml");
    assert!(!lab.trust.report().0);
    lab.write("policy.toml", RULE);
    assert_eq!(job(&mut lab, "true"), Ok(()));
    let operators = format!("alice {}\n", line(&lab.alice));
    lab.write(
        "operators",
        &format!("{operators}restrict {}\n", line(&key(8))),
    );
    assert_refused(job(&mut lab, "true"), Code::BrokenPolicy, "operators:2");
    lab.write("operators", &operators);
    assert_eq!(job(&mut lab, "true"), Ok(()));
    // Renamed: `file:alice` of the policy is somebody else now.
    lab.write("policy.toml", RULE);
    lab.write("operators", &format!("carol {}\n", line(&lab.alice)));
    assert_refused(job(&mut lab, "true"), Code::Denied, "file:carol");
}

#[test]
fn a_policy_that_vanishes_allows_nothing() {
    let mut lab = Lab::new();
    let session = lab.open().unwrap();
    let job = |lab: &mut Lab| {
        let job = lab.sign(&lab.shell("id"));
        lab.run(&session, &job).map(drop)
    };
    let (path, away) = (lab.path("policy.toml"), lab.path("away"));
    assert_eq!(job(&mut lab), Ok(()), "there is none yet");
    lab.write("policy.toml", RULE);
    assert_refused(job(&mut lab), Code::Denied, "run.shell");
    std::fs::rename(&path, &away).unwrap();
    assert_refused(job(&mut lab), Code::BrokenPolicy, "put it back");
    assert_refused(job(&mut lab), Code::BrokenPolicy, "SIGHUP");
    assert_refused(lab.open(), Code::BrokenPolicy, "policy.toml");
    assert!(!lab.trust.report().0);
    std::fs::rename(&away, &path).unwrap();
    assert_refused(job(&mut lab), Code::Denied, "run.shell");
    // On purpose.
    std::fs::remove_file(&path).unwrap();
    assert_refused(job(&mut lab), Code::BrokenPolicy, "is gone");
    lab.trust.reload();
    assert_eq!(job(&mut lab), Ok(()));
    // One that could not be believed was a policy all the same.
    std::fs::create_dir(&path).unwrap();
    assert_refused(job(&mut lab), Code::BrokenPolicy, "not a regular file");
    std::fs::remove_dir(&path).unwrap();
    assert_refused(job(&mut lab), Code::BrokenPolicy, "is gone");
}

#[test]
fn a_policy_behind_a_dangling_link_allows_nothing() {
    for target in ["none", "no/such/directory"] {
        let mut lab = Lab::new();
        std::os::unix::fs::symlink(target, lab.path("policy.toml")).unwrap();
        for _ in 0..2 {
            assert_refused(lab.open(), Code::BrokenPolicy, "symbolic link");
            // Nobody can have meant the built-in one.
            lab.trust.reload();
        }
    }
    // A directory that is elsewhere, and not mounted.
    let mut lab = Lab::with(|config| {
        config.policy = config.operators[0].with_file_name("etc/policy.toml");
    });
    std::fs::create_dir(lab.path("mounted")).unwrap();
    std::os::unix::fs::symlink("mounted", lab.path("etc")).unwrap();
    assert_refused(lab.open(), Code::BrokenPolicy, "mounted/policy.toml");
    lab.write("mounted/policy.toml", RULE);
    assert!(lab.open().is_ok());
}

#[test]
fn a_removed_or_revoked_operator_has_no_say_any_more() {
    let mut lab = Lab::new();
    let session = lab.open().unwrap();
    let job = lab.sign(&lab.shell("true"));
    assert!(lab.trust.recheck(&session).is_ok());
    lab.write("operators", &format!("bob {}\n", line(&key(8))));
    for result in [
        lab.trust.recheck(&session),
        lab.run(&session, &job).map(drop),
    ] {
        assert_refused(result, Code::UnknownOperator, "no longer");
    }
    lab.write("operators", &format!("alice {}\n", line(&lab.alice)));
    let all = "[[rule]]\nid = \"r\"\nwho = [\"file:*\"]\nas = [\"*\"]\nrun = { shell = \"any\" }\n";
    for revoke in [
        "principal = \"file:alice\"".to_owned(),
        format!("key = \"{}\"", lab.alice.public().fingerprint()),
    ] {
        lab.write(
            "policy.toml",
            &format!("version = 1\n{all}[[revoke]]\n{revoke}\n"),
        );
        for result in [
            lab.trust.recheck(&session),
            lab.run(&session, &job).map(drop),
            lab.open().map(drop),
        ] {
            assert_refused(result, Code::UnknownOperator, "is revoked");
        }
    }
    assert!(lab.trust.report().1[0].contains("revoked"));
}

#[test]
fn a_named_policy_has_to_be_there() {
    let mut lab = Lab::with(|config| config.explicit_policy = true);
    assert_refused(lab.open(), Code::BrokenPolicy, "does not exist");
    lab.write("policy.toml", RULE);
    assert!(lab.open().is_ok());
}

#[test]
fn several_files_of_operators() {
    let mut lab = Lab::with(|config| {
        let more = config.operators[0].with_file_name("more");
        config.operators.push(more);
    });
    let bob = key(8);
    let mut grant = lab.grant();
    grant.operator = bob.public().fingerprint();
    let of_bob = signed_grant(&bob, &grant);
    assert_refused(lab.open_with(&of_bob), Code::UnknownOperator, "not known");
    lab.write("more", &line(&bob));
    assert_eq!(
        lab.open_with(&of_bob).unwrap().label(),
        format!("key:{}", bob.public().fingerprint())
    );
    assert_eq!(lab.open().unwrap().label(), "file:alice");
    lab.write("more", &line(&lab.alice));
    assert_refused(lab.open(), Code::BrokenPolicy, "the same key stands in");
}

#[test]
fn times_of_a_line_are_honoured() {
    use dtx_proto_types::message::Refusal;
    let mut lab = Lab::new();
    let now = crate::trust::utc(super::fixture::NOW);
    let year: u32 = now[..4].parse().unwrap();
    let mut open = |option: &str, year: u32| -> Result<(), Refusal> {
        lab.write(
            "operators",
            &format!("alice {option}=\"{year}0101Z\" {}\n", line(&lab.alice)),
        );
        lab.open().map(drop)
    };
    assert!(open("valid-before", year + 1).is_ok());
    assert_refused(
        open("valid-before", year),
        Code::UnknownOperator,
        "valid until",
    );
    assert!(open("valid-after", year).is_ok());
    assert_refused(
        open("valid-after", year + 1),
        Code::UnknownOperator,
        "valid from",
    );
}

#[test]
fn a_log_that_is_full_opens_sessions_all_the_same() {
    let mut lab = Lab::new();
    lab.log.full = true;
    assert!(lab.open().is_ok());
    let sight = crate::trust::GrantSight {
        nonce: [0; 16],
        operator: None,
        issued_ms: 0,
        boot_ms: 0,
    };
    assert!(lab.log.record_sight(&sight).is_err());
}
