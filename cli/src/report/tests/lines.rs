//! `-o lines`.

use super::*;

#[test]
fn whole_lines_with_their_node() {
    let run = Recording::start(&["n1", "n2"])
        .out("n1", b"one\ntw")
        .out("n2", b"uno\n")
        .out("n1", b"o\n\n")
        .exit("n1", 0)
        .exit("n2", 0);
    assert_eq!(
        shown(&plan(Format::Lines), &Terminal::none(), run),
        "n1: one\nn2: uno\nn1: two\nn1: \n"
    );
}

#[test]
fn standard_error_keeps_its_stream() {
    let run = Recording::start(&["n1"])
        .err("n1", b"oh\n")
        .out("n1", b"ah\n")
        .exit("n1", 0);
    let events = run.done();
    let (out, err) = play(&plan(Format::Lines), &Terminal::none(), &events);
    assert_eq!(
        (text(out), text(err)),
        ("n1: ah\n".into(), "n1: oh\n".into())
    );
}

#[test]
fn a_last_line_without_end() {
    let run = || {
        Recording::start(&["n1", "n2"])
            .out("n1", b"no end")
            .exit("n1", 0)
            .out("n2", b"nor here")
            .exit("n2", 0)
    };
    // A pipe: completed only because another line follows.
    assert_eq!(
        shown(&plan(Format::Lines), &Terminal::none(), run()),
        "n1: no end\nn2: nor here"
    );
    assert_eq!(
        shown(&plan(Format::Lines), &person(false), run()),
        "n1: no end\nn2: nor here\n"
    );
    // 2>&1: the summary follows.
    let joined = Terminal {
        joined: true,
        ..Terminal::none()
    };
    assert_eq!(
        shown(&plan(Format::Lines), &joined, run()),
        "n1: no end\nn2: nor here\n"
    );
}

#[test]
fn without_labels_one_node_is_byte_exact() {
    let mut bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    bytes.extend_from_slice(&[b'x'; 200_000]);
    let mut run = Recording::start(&["n1"]);
    for piece in bytes.chunks(7_001) {
        run = run.out("n1", piece);
    }
    let plan = Plan {
        label: false,
        ..plan(Format::Lines)
    };
    let (out, _) = play(&plan, &Terminal::none(), &run.exit("n1", 0).done());
    assert!(out == bytes);
}

#[test]
fn an_endless_line_is_not_kept() {
    let long = vec![b'x'; 200_000];
    let run = Recording::start(&["n1", "n2"])
        .out("n1", &long)
        .out("n2", b"short\n")
        .out("n1", b"end\n")
        .exit("n1", 0)
        .exit("n2", 0);
    let xs = "x".repeat(200_000);
    assert_eq!(
        shown(&plan(Format::Lines), &Terminal::none(), run),
        format!("n1: {xs}\nn2: short\nn1: end\n")
    );
}

#[test]
fn colours_mark_labels_only() {
    let run = Recording::start(&["n1"])
        .out("n1", b"a\n")
        .err("n1", b"b\n")
        .exit("n1", 0);
    let (out, err) = play(&plan(Format::Lines), &person(true), &run.done());
    assert_eq!(text(out), "\x1b[36mn1\x1b[0m: a\n");
    assert_eq!(text(err), "\x1b[31mn1\x1b[0m: b\n");
}

#[test]
fn sorted_by_node() {
    let plan = Plan {
        by_name: true,
        ..plan(Format::Lines)
    };
    let run = Recording::start(&["n10", "n2", "n1"])
        .out("n10", b"ten\n")
        .out("n2", b"two ")
        .exit("n10", 0)
        .out("n1", b"one\n")
        .out("n2", b"halves\n")
        .exit("n1", 0)
        .exit("n2", 0);
    assert_eq!(
        shown(&plan, &Terminal::none(), run),
        "n1: one\nn2: two halves\nn10: ten\n"
    );
}

#[test]
fn what_sorting_cannot_keep_is_counted() {
    let plan = Plan {
        by_name: true,
        limit: Some(10),
        ..plan(Format::Lines)
    };
    let run = Recording::start(&["n1", "n2"])
        .out("n2", b"12345678\n")
        .out("n2", b"87654321\n")
        .exit("n2", 0)
        .exit("n1", 0);
    let (out, _) = play(&plan, &Terminal::none(), &run.done());
    assert_eq!(text(out), "n2: 12345678\n");
}
