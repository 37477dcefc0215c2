//! What programs read: the JSON document, the event lines, files.

use dtx_client::fanout::event::{NodeResult, StopReason, What};
use dtx_proto_types::outcome::Outcome;
use serde_json::{Value, json};

use super::super::samples::{name, result};
use super::*;

fn document(plan: &Plan, run: Recording) -> Value {
    serde_json::from_str(&shown(plan, &Terminal::none(), run)).unwrap()
}

#[test]
fn the_document_of_the_contract() {
    let run = Recording::start(&["n2", "n10", "n1"])
        .out("n1", "grüße\n".as_bytes())
        .exit("n1", 0)
        .err("n2", b"\xff\x00")
        .finish(NodeResult {
            signal: Some(9),
            ..result("n2", Outcome::Killed, None)
        })
        .end("n10", Outcome::Unreachable, "no answer");
    let document = document(&plan(Format::Json), run);
    assert_eq!(document["schema"], "dtx.run/1");
    assert_eq!(document["run"], "ab".repeat(16));
    assert_eq!(document["command"], "uptime");
    let nodes = document["nodes"].as_array().unwrap();
    let order: Vec<_> = nodes.iter().map(|node| node["node"].clone()).collect();
    assert_eq!(order, ["n1", "n2", "n10"]);
    assert_eq!(
        nodes[0],
        json!({
            "node": "n1", "outcome": "ok", "exit_code": 0, "signal": null, "attempts": 1,
            "duration_ms": 12.0, "stdout": "grüße\n", "stderr": "", "truncated": false,
            "reason": null, "stdout_bytes": 8, "stderr_bytes": 0, "reconnects": 0,
        })
    );
    assert_eq!(nodes[1]["signal"], "SIGKILL");
    assert_eq!(nodes[1]["exit_code"], Value::Null);
    assert_eq!(nodes[1]["stderr_base64"], "/wA=");
    assert_eq!(nodes[1].get("stderr"), None);
    assert_eq!(nodes[2]["reason"], "no answer");
    assert_eq!(
        document["summary"],
        json!({
            "nodes": 3, "ok": 1, "failed": 0, "killed": 1, "timeout": 0, "denied": 0,
            "refused": 0, "unreachable": 1, "lost": 0, "cancelled": 0, "skipped": 0,
            "wall_ms": 410.0,
        })
    );
}

#[test]
fn the_fields_stand_in_their_order() {
    let text = shown(
        &plan(Format::Json),
        &Terminal::none(),
        Recording::start(&["n1"]).exit("n1", 0),
    );
    let places: Vec<_> = [
        "\"node\"",
        "\"outcome\"",
        "\"exit_code\"",
        "\"signal\"",
        "\"attempts\"",
        "\"duration_ms\"",
        "\"stdout\"",
        "\"stderr\"",
        "\"truncated\"",
        "\"reason\"",
    ]
    .map(|field| text.find(field).unwrap())
    .into();
    assert!(places.is_sorted(), "{text}");
}

#[test]
fn what_the_document_does_not_hold_is_marked() {
    let plan = Plan {
        limit: Some(4),
        ..plan(Format::Json)
    };
    let run = Recording::start(&["n1"]).out("n1", b"abcdef").exit("n1", 0);
    let document = document(&plan, run);
    assert_eq!(document["nodes"][0]["stdout"], "abcd");
    assert_eq!(document["nodes"][0]["truncated"], true);
    assert_eq!(document["nodes"][0]["stdout_bytes"], 6);
}

#[test]
fn an_empty_run_is_a_document() {
    let document = document(&plan(Format::Json), Recording::start(&[]));
    assert_eq!(document["nodes"], json!([]));
}

#[test]
fn one_event_a_line() {
    let mut run = Recording::start(&["n1", "n2"])
        .out("n1", b"a\n")
        .err("n1", b"\xff")
        .exit("n1", 0);
    run.push(What::Stopping(StopReason::FailFast));
    run.push(What::Warning("careful".to_owned()));
    let run = run.end("n2", Outcome::Skipped, "fail-fast");
    let text = shown(&plan(Format::JsonLines), &Terminal::none(), run);
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let names: Vec<_> = lines
        .iter()
        .map(|line| line["event"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "run_started",
            "output",
            "output",
            "node_finished",
            "stopping",
            "warning",
            "node_finished",
            "run_finished"
        ]
    );
    for line in &lines {
        assert_eq!(line["schema"], "dtx.event/1");
        assert_eq!(line["elapsed_ms"], 410.0);
        assert_eq!(line["counts"]["nodes"], 2);
    }
    assert_eq!(lines[0]["nodes"], json!(["n1", "n2"]));
    assert_eq!(lines[1]["data"], "a\n");
    assert_eq!(lines[1]["stream"], "stdout");
    assert_eq!(lines[2]["data_base64"], "/w==");
    assert_eq!(lines[3]["outcome"], "ok");
    assert_eq!(lines[4]["reason"], "fail_fast");
    assert_eq!(lines[7]["counts"]["ok"], 1);
}

#[test]
fn a_file_for_each_node() {
    let directory = tempfile::tempdir().unwrap();
    let (outdir, errdir) = (directory.path().join("out"), directory.path().join("err"));
    let plan = Plan {
        outdir: Some(outdir.clone()),
        errdir: Some(errdir.clone()),
        ..plan(Format::None)
    };
    std::fs::create_dir(&outdir).unwrap();
    std::fs::write(outdir.join("n3"), "from an earlier run").unwrap();
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let mut run = Recording::start(&["n1", "n2", "n3"]);
    for piece in bytes.chunks(999) {
        run = run.out("n1", piece).out("n2", b"x").err("n1", b"e");
    }
    let run = run
        .exit("n1", 0)
        .exit("n2", 0)
        .end("n3", Outcome::Lost, "silence");
    play(&plan, &Terminal::none(), &run.done());
    assert!(std::fs::read(outdir.join("n1")).unwrap() == bytes);
    assert_eq!(std::fs::read(outdir.join("n2")).unwrap().len(), 101);
    assert_eq!(std::fs::read(outdir.join("n3")).unwrap(), b"");
    assert_eq!(std::fs::read(errdir.join("n1")).unwrap().len(), 101);
    assert_eq!(std::fs::read(errdir.join("n2")).unwrap(), b"");
}

#[test]
fn the_nodes_send_what_is_wanted() {
    let limited = |format| plan(format).wanted();
    assert_eq!(limited(Format::Fold), Some(16 * 1024 * 1024));
    assert_eq!(limited(Format::Json), Some(16 * 1024 * 1024));
    assert_eq!(limited(Format::Lines), None);
    assert_eq!(limited(Format::JsonLines), None);
    let sorted = Plan {
        by_name: true,
        ..plan(Format::Lines)
    };
    assert_eq!(sorted.wanted(), Some(16 * 1024 * 1024));
    let files = Plan {
        outdir: Some("/x".into()),
        ..plan(Format::Fold)
    };
    assert_eq!(files.wanted(), None);
}

#[test]
fn a_retry_begins_anew() {
    let directory = tempfile::tempdir().unwrap();
    let plan = Plan {
        outdir: Some(directory.path().to_owned()),
        ..plan(Format::Json)
    };
    let mut run = Recording::start(&["n1"]).out("n1", b"first");
    run.push(What::NodeRetrying {
        node: name("n1"),
        attempt: 1,
        outcome: Outcome::Failed,
        reason: None,
        delay: std::time::Duration::ZERO,
    });
    let run = run.out("n1", b"second").exit("n1", 0);
    let document = document(&plan, run);
    assert_eq!(document["nodes"][0]["stdout"], "second");
    let file = std::fs::read(directory.path().join("n1")).unwrap();
    assert_eq!(file, b"second");
}

#[test]
fn the_document_about_it_names_every_field() {
    let manual = include_str!("../../../../docs/event-stream.md");
    let mut run = Recording::start(&["n1", "n2"])
        .out("n1", b"x")
        .out("n1", b"\xff");
    run.push(What::NodeStarted {
        node: name("n1"),
        attempt: 1,
    });
    run.push(What::NodeReattached { node: name("n1") });
    run.push(What::NodeRetrying {
        node: name("n1"),
        attempt: 1,
        outcome: Outcome::Refused,
        reason: None,
        delay: std::time::Duration::ZERO,
    });
    run.push(What::Stopping(StopReason::Leave));
    run.push(What::Warning(String::new()));
    let run = run.finish(NodeResult {
        notes: vec!["x".to_owned()],
        ..result("n1", Outcome::Ok, Some(0))
    });
    let events = run.exit("n2", 1).done();
    let named = |word: &str| {
        manual.contains(&format!("`{word}`")) || manual.contains(&format!("\"{word}\""))
    };
    let mut seen = 0;
    for format in [Format::Json, Format::JsonLines] {
        let (out, _) = play(&plan(format), &Terminal::none(), &events);
        let documents = serde_json::Deserializer::from_slice(&out).into_iter::<Value>();
        for document in documents {
            let document = document.unwrap();
            let mut open = vec![&document];
            while let Some(value) = open.pop() {
                if let Some(fields) = value.as_object() {
                    seen += fields.len();
                    assert!(fields.keys().all(|key| named(key)), "{fields:?}");
                    open.extend(fields.values());
                }
                open.extend(value.as_array().into_iter().flatten());
            }
            if let Some(event) = document["event"].as_str() {
                assert!(named(event), "{event}");
            }
        }
    }
    assert!(seen > 100, "{seen}");
}
