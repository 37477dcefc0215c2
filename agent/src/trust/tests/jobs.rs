//! What an authorized job says to those who start it.

use std::collections::BTreeMap;
use std::time::Duration;

use dtx_policy::{PathAnswers, Shell};
use dtx_proto_types::id::JobId;
use dtx_proto_types::job::{Body, Control, JobLimits, Stdin};
use dtx_proto_types::message::RefusalCode as Code;

use super::fixture::{Lab, assert_refused, key};
use crate::trust::{JobOwner, NotYet, OWN_JOB};

#[test]
fn by_the_built_in_policy() {
    let mut lab = Lab::new();
    let mut spec = lab.shell("id; %h %n %u %%");
    spec.subst = true;
    spec.stdin = Stdin::Streamed;
    spec.limits = JobLimits {
        timeout_ms: Some(5000),
        output_bytes: Some(7),
    };
    let job = lab.run_spec(&spec).unwrap();
    assert_eq!(*job.body(), Body::Shell("id; n1 7 bob %".into()));
    assert_eq!(job.spec(), &spec);
    assert_eq!(
        (job.rank(), job.node().as_str(), job.user()),
        (7, "n1", "bob")
    );
    assert_eq!((job.rule(), job.shell()), ("operators", &Shell::Login));
    assert_eq!(job.timeout(), Some(Duration::from_secs(5)));
    assert_eq!(
        (job.output_bytes(), job.memory(), job.procs()),
        (Some(7), None, None)
    );
    assert_eq!(job.stdin(), Stdin::Streamed);
    let argv = |words: &[&str]| Body::Argv(words.iter().map(|&word| word.into()).collect());
    let mut spec = lab.spec(argv(&["echo", "%h", "%n"]));
    assert_eq!(
        *lab.run_spec(&spec).unwrap().body(),
        argv(&["echo", "%h", "%n"])
    );
    spec.subst = true;
    assert_eq!(
        *lab.run_spec(&spec).unwrap().body(),
        argv(&["echo", "n1", "7"])
    );
    let script = |arg: &str| Body::Script {
        text: b"#!/bin/sh\necho %h".to_vec(),
        args: vec![arg.into()],
    };
    spec.body = script("%u");
    assert_eq!(*lab.run_spec(&spec).unwrap().body(), script("bob"));
}

#[test]
fn substitution_happens_before_policy_looks_and_is_bounded() {
    let mut lab = Lab::new();
    lab.write(
        "policy.toml",
        "version = 1\n[[rule]]\nid = \"r\"\nwho = [\"file:*\"]\nas = [\"bob\"]\n\
         run = { shell = [\"echo n1 [0-9]\"], exec = [[\"/bin/x\", \"n1\"]] }\n\
         limits = { timeout = \"60s\", output = \"1MiB\", memory = \"1GiB\", procs = 9 }\n",
    );
    let mut spec = lab.shell("echo %h %n");
    assert_refused(lab.run_spec(&spec), Code::Denied, "run.shell");
    spec.subst = true;
    let job = lab.run_spec(&spec).unwrap();
    assert_eq!(*job.body(), Body::Shell("echo n1 7".into()));
    assert_eq!((job.rule(), job.shell()), ("r", &Shell::BinSh));
    assert_eq!(job.timeout(), Some(Duration::from_secs(60)));
    assert_eq!(job.output_bytes(), Some(1 << 20));
    assert_eq!((job.memory(), job.procs()), (Some(1 << 30), Some(9)));
    // A user that is none does not get in by substitution either.
    spec.run_as = "bob;id".into();
    assert_refused(lab.run_spec(&spec), Code::Denied, "cannot be a user");
    for body in [
        Body::Shell("%u".repeat(200_000)),
        Body::Argv(vec!["%u%u%u".into(); 2000]),
    ] {
        let mut spec = lab.spec(body);
        spec.run_as = "b".repeat(250);
        spec.subst = true;
        assert_refused(lab.run_spec(&spec), Code::Invalid, "after substitution");
    }
}

#[test]
fn control_needs_no_rule_for_ones_own_job() {
    let mut lab = Lab::new();
    let spec = lab.spec(Body::Control {
        job: JobId::from_bytes([9; 16]),
        action: Control::Cancel,
    });
    let job = lab.sign(&spec);
    let owner = |seed: u8, user: &str| JobOwner {
        fingerprint: key(seed).public().fingerprint(),
        user: user.into(),
    };
    let session = lab.open().unwrap();
    let rule = |run: &str| {
        format!(
            "version = 1\n[[rule]]\nid = \"r\"\nwho = [\"file:*\"]\nas = [\"bob\"]\nrun = {run}\n"
        )
    };
    lab.write("policy.toml", &rule("{ shell = [\"true\"] }"));
    // Her own, whoever it runs as.
    let own = lab
        .run_owned(&session, &job, Some(&owner(1, "root")))
        .unwrap();
    assert_eq!(own.rule(), OWN_JOB);
    for target in [Some(owner(8, "bob")), None] {
        let result = lab.run_owned(&session, &job, target.as_ref());
        assert_refused(result, Code::Denied, "run.control");
    }
    lab.write("policy.toml", &rule("{ control = true }"));
    let others = lab
        .run_owned(&session, &job, Some(&owner(8, "bob")))
        .unwrap();
    assert_eq!(others.rule(), "r");
    // The user who counts is the one that the job in question runs as.
    let roots = lab.run_owned(&session, &job, Some(&owner(8, "root")));
    assert_refused(roots, Code::Denied, "as: root");
}

#[test]
fn questions_about_paths_come_back_with_the_job() {
    let mut lab = Lab::new();
    lab.write(
        "policy.toml",
        "version = 1\n[[rule]]\nid = \"r\"\nwho = [\"file:*\"]\nas = [\"bob\"]\n\
         run = { exec = [[\"/bin/cat\", { path_under = \"/srv\" }]] }\n\
         limits = { concurrent = 1 }\n",
    );
    let session = lab.open().unwrap();
    let signed = lab.sign(&lab.spec(Body::Argv(vec!["/bin/cat".into(), "/srv/x".into()])));
    let verified = lab.trust.verify_job(&session, &signed).unwrap();
    let (none, mut answers) = (BTreeMap::new(), PathAnswers::new());
    let asked = lab
        .trust
        .authorize(&session, verified, &none, &answers, None);
    let Err(NotYet::NeedsPaths { questions, job }) = asked else {
        panic!("it depends: {asked:?}");
    };
    answers.extend(questions.into_iter().map(|question| (question, Ok(()))));
    let full = BTreeMap::from([("r".to_owned(), 1)]);
    let busy = lab
        .trust
        .authorize(&session, (*job).clone(), &full, &answers, None);
    let Err(NotYet::Denied { refusal, .. }) = busy else {
        panic!("one at a time: {busy:?}");
    };
    assert!(
        refusal.text.contains("limits.concurrent"),
        "{}",
        refusal.text
    );
    let allowed = lab.trust.authorize(&session, *job, &none, &answers, None);
    assert_eq!(allowed.unwrap().rule(), "r");
}
