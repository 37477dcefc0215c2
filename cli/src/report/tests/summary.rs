//! The summary line and the reasons before it.

use std::time::Duration;

use dtx_client::fanout::event::{NodeResult, What};
use dtx_proto_types::outcome::Outcome;

use super::super::samples::{name, result};
use super::*;

fn normal() -> Plan {
    Plan {
        verbosity: Verbosity::Normal,
        ..plan(Format::None)
    }
}

#[test]
fn the_line_of_the_contract() {
    let names: Vec<String> = (1..=512).map(|n| format!("node{n:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut run = Recording::start(&names);
    for name in &names {
        run = match *name {
            "node007" | "node113" => run.exit(name, 1),
            "node044" => run.end(name, Outcome::Timeout, "killed after 10 s"),
            "node400" => run.end(name, Outcome::Unreachable, "no answer within 5 s"),
            _ => run.exit(name, 0),
        };
    }
    assert_eq!(
        told(&normal(), &Terminal::none(), run),
        "\
failed node[007,113] (2): exit code 1
timeout node044: killed after 10 s
unreachable node400: no answer within 5 s
512 nodes: 508 ok, 2 failed node[007,113], 1 timeout node044, 1 unreachable node400 in 0.41 s
"
    );
}

#[test]
fn one_node_and_colour() {
    let run = || Recording::start(&["n1"]).exit("n1", 0);
    assert_eq!(
        told(&normal(), &Terminal::none(), run()),
        "1 node: 1 ok in 0.41 s\n"
    );
    let table = Plan {
        format: Format::Lines,
        ..normal()
    };
    assert_eq!(
        told(&table, &person(true), run()),
        "1 node: \x1b[32m1 ok\x1b[0m in 0.41 s\n"
    );
}

#[test]
fn quiet_is_quiet_while_all_is_well() {
    let quiet = plan(Format::None);
    let run = Recording::start(&["n1"]).exit("n1", 0);
    assert_eq!(told(&quiet, &Terminal::none(), run), "");
    let run = Recording::start(&["n1"]).exit("n1", 2);
    assert_eq!(
        told(&quiet, &Terminal::none(), run),
        "failed n1: exit code 2\n1 node: 1 failed n1 in 0.41 s\n"
    );
}

#[test]
fn verbose_tells_of_starts_and_retries() {
    let verbose = Plan {
        verbosity: Verbosity::Verbose,
        ..plan(Format::None)
    };
    let mut run = Recording::start(&["n1"]);
    run.push(What::NodeRetrying {
        node: name("n1"),
        attempt: 1,
        outcome: Outcome::Refused,
        reason: Some("busy".to_owned()),
        delay: Duration::from_millis(200),
    });
    run.push(What::NodeStarted {
        node: name("n1"),
        attempt: 2,
    });
    run.push(What::NodeReattached { node: name("n1") });
    assert_eq!(
        told(&verbose, &Terminal::none(), run.exit("n1", 0)),
        "\
n1 refused (busy), tried again in 0.2 s
n1 started, attempt 2
n1 found again after its session broke
n1 ok in 12 ms
1 node: 1 ok in 0.41 s
"
    );
}

#[test]
fn reasons_notes_and_warnings() {
    let mut run = Recording::start(&["n1", "n2", "n3", "n4"]);
    run.push(What::Warning("two agents claim n9".to_owned()));
    let run = run
        .finish(NodeResult {
            signal: Some(9),
            ..result("n1", Outcome::Killed, None)
        })
        .finish(NodeResult {
            reason: Some("/nowhere: no such directory".to_owned()),
            ..result("n2", Outcome::Failed, None)
        })
        .finish(NodeResult {
            reason: Some("not found".to_owned()),
            ..result("n3", Outcome::Failed, Some(127))
        })
        .finish(NodeResult {
            notes: vec!["a process holds the output open".to_owned()],
            ..result("n4", Outcome::Ok, Some(0))
        });
    assert_eq!(
        told(&normal(), &Terminal::none(), run),
        "\
warning: two agents claim n9
note n4: a process holds the output open
failed n2: /nowhere: no such directory
failed n3: exit code 127: not found
killed n1: SIGKILL
4 nodes: 1 ok, 2 failed n[2-3], 1 killed n1 in 0.41 s
"
    );
}

#[test]
fn hundreds_of_reasons_share_a_line() {
    let names: Vec<String> = (1..=100).map(|n| format!("n{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut run = Recording::start(&names);
    for name in &names {
        // The node's own name makes no difference, but this does.
        let number = &name[1..];
        run = run.end(name, Outcome::Refused, &format!("{name} is busy: {number}"));
    }
    let told = told(&normal(), &Terminal::none(), run);
    assert_eq!(told.lines().count(), 21, "{told}");
    assert!(
        told.lines()
            .next()
            .unwrap()
            .ends_with("81 different reasons")
    );
}

#[test]
fn what_heads_a_block_is_not_said_again() {
    let run = Recording::start(&["n1", "n2", "n3"])
        .out("n1", b"oh\n")
        .exit("n1", 1)
        .exit("n2", 1)
        .end("n3", Outcome::Lost, "n3 was silent for 30 s");
    let fold = Plan {
        format: Format::Fold,
        ..normal()
    };
    assert_eq!(
        told(&fold, &Terminal::none(), run),
        "\
failed n2: exit code 1
lost n3: n3 was silent for 30 s
3 nodes: 2 failed n[1-2], 1 lost n3 in 0.41 s
"
    );
}

#[test]
fn the_same_reason_on_many_nodes_is_one() {
    let mut run = Recording::start(&["n1", "n2", "n3"]);
    for name in ["n1", "n2", "n3"] {
        run = run.end(
            name,
            Outcome::Denied,
            &format!("no rule lets bob in on {name}"),
        );
    }
    assert!(
        told(&normal(), &Terminal::none(), run)
            .starts_with("denied n[1-3] (3): no rule lets bob in on the node\n")
    );
}
