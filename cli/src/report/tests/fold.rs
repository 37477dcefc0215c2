//! `-o fold`, `-b`, `-B`, `-L`, `--diff`.

use dtx_client::fanout::event::NodeResult;
use dtx_proto_types::outcome::Outcome;

use super::super::samples::result;
use super::*;

fn sixteen() -> Recording {
    let names: Vec<String> = (1..=16).map(|n| format!("n{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut run = Recording::start(&names);
    for name in &names {
        run = match *name {
            "n07" => run.out(name, b"550.54\n").exit(name, 0),
            "n09" | "n13" => run.out(name, b"no devices\n").exit(name, 6),
            "n04" => run.end(name, Outcome::Unreachable, "no answer within 5 s"),
            _ => run.out(name, b"570.").out(name, b"86\n").exit(name, 0),
        };
    }
    run
}

#[test]
fn outliers_first_and_the_crowd_last() {
    assert_eq!(
        shown(&plan(Format::Fold), &Terminal::none(), sixteen()),
        "\
---------------
n07
---------------
550.54
---------------
n[09,13] (2): exit code 6
---------------
no devices
---------------
n[01-03,05-06,08,10-12,14-16] (12)
---------------
570.86
"
    );
}

#[test]
fn in_colour() {
    let run = Recording::start(&["n1", "n2"])
        .out("n1", b"same\n")
        .exit("n1", 0)
        .out("n2", b"same\n")
        .exit("n2", 1);
    assert_eq!(
        shown(&plan(Format::Fold), &person(true), run),
        "\
\x1b[2m---------------\x1b[0m
\x1b[36mn2\x1b[0m: \x1b[31mexit code 1\x1b[0m
\x1b[2m---------------\x1b[0m
same
\x1b[2m---------------\x1b[0m
\x1b[36mn1\x1b[0m
\x1b[2m---------------\x1b[0m
same
"
    );
}

#[test]
fn equal_text_with_other_endings_is_not_equal() {
    let run = Recording::start(&["n1", "n2", "n3"])
        .out("n1", b"x\n")
        .exit("n1", 0)
        .out("n2", b"x\n")
        .exit("n2", 1)
        .out("n3", b"x")
        .exit("n3", 0);
    let text = shown(&plan(Format::Fold), &Terminal::none(), run);
    assert_eq!(text.matches("x\n").count(), 3);
}

#[test]
fn nothing_written_is_no_block() {
    let run = Recording::start(&["n1", "n2"]).exit("n1", 0).exit("n2", 1);
    assert_eq!(shown(&plan(Format::Fold), &Terminal::none(), run), "");
}

#[test]
fn standard_error_is_live_or_part_of_the_block() {
    let run = || {
        Recording::start(&["n1", "n2"])
            .err("n1", b"careful\n")
            .out("n1", b"ok\n")
            .exit("n1", 0)
            .err("n2", b"careful\n")
            .out("n2", b"ok\n")
            .exit("n2", 0)
    };
    let (out, err) = play(&plan(Format::Fold), &Terminal::none(), &run().done());
    assert_eq!(
        text(out),
        "---------------\nn[1-2] (2)\n---------------\nok\n"
    );
    assert_eq!(text(err), "n1: careful\nn2: careful\n");
    let with_stderr = Plan {
        fold_stderr: true,
        ..plan(Format::Fold)
    };
    let (out, err) = play(&with_stderr, &Terminal::none(), &run().done());
    assert_eq!(
        text(out),
        "---------------\nn[1-2] (2)\n---------------\nok\ncareful\n"
    );
    assert_eq!(text(err), "");
}

#[test]
fn by_name() {
    let plan = Plan {
        by_name: true,
        ..plan(Format::Fold)
    };
    let text = shown(&plan, &Terminal::none(), sixteen());
    let titles: Vec<_> = text.lines().filter(|line| line.starts_with('n')).collect();
    assert_eq!(
        titles,
        [
            "n[01-03,05-06,08,10-12,14-16] (12)",
            "n07",
            "n[09,13] (2): exit code 6",
            "no devices"
        ]
    );
}

#[test]
fn differences_from_the_crowd() {
    let plan = Plan {
        diff: true,
        ..plan(Format::Fold)
    };
    let run = || {
        Recording::start(&["n1", "n2", "n3"])
            .out("n1", b"a\nb\nc\n")
            .exit("n1", 0)
            .out("n2", b"a\nB\nc\n")
            .exit("n2", 1)
            .out("n3", b"a\nb\nc\n")
            .exit("n3", 0)
    };
    assert_eq!(
        shown(&plan, &Terminal::none(), run()),
        "--- n[1,3] (2)\n+++ n2: exit code 1\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"
    );
    assert_eq!(
        shown(&plan, &person(true), run()),
        "\x1b[1m--- n[1,3] (2)\x1b[0m\n\x1b[1m+++ n2: exit code 1\x1b[0m\n\
         \x1b[36m@@ -1,3 +1,3 @@\x1b[0m\n a\n\x1b[31m-b\x1b[0m\n\x1b[32m+B\x1b[0m\n c\n"
    );
    let agree = Recording::start(&["n1", "n2"])
        .out("n1", b"a\n")
        .exit("n1", 0)
        .out("n2", b"a\n")
        .exit("n2", 0);
    assert_eq!(shown(&plan, &Terminal::none(), agree), "");
}

#[test]
fn what_is_not_kept_is_counted() {
    let plan = Plan {
        limit: Some(4),
        ..plan(Format::Fold)
    };
    let run = Recording::start(&["n1"])
        .out("n1", b"abcdef")
        .finish(NodeResult {
            stdout_bytes: 5000,
            ..result("n1", Outcome::Ok, Some(0))
        });
    assert_eq!(
        shown(&plan, &Terminal::none(), run),
        "---------------\nn1\n---------------\nabcd\n[4.9 KiB more, not kept: --max-output]\n"
    );
}

#[test]
fn a_table_of_80_columns() {
    let long = format!("{}\n", "word ".repeat(40));
    let run = || {
        Recording::start(&["n10", "n9", "gpu-rack3-042"])
            .out("n9", b"up 3 days\nmore\n")
            .exit("n9", 0)
            .out("n10", long.as_bytes())
            .exit("n10", 3)
            .end(
                "gpu-rack3-042",
                Outcome::Unreachable,
                "no answer within 5 s",
            )
    };
    let table = shown(&plan(Format::Table), &person(false), run());
    assert_eq!(
        table,
        "\
node           outcome      code   time  first line
gpu-rack3-042  unreachable        12 ms  no answer within 5 s
n9             ok              0  12 ms  up 3 days
n10            failed          3  12 ms  word word word word word word word wor…
"
    );
    assert!(table.lines().all(|line| line.chars().count() <= 80));
    // A program gets all of it.
    let table = shown(&plan(Format::Table), &Terminal::none(), run());
    assert!(table.lines().any(|line| line.len() > 200), "{table}");
    let table = shown(&plan(Format::Table), &person(true), run());
    assert!(table.contains("\x1b[31mn10 "), "{table}");
}
