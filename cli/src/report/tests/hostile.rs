//! What nodes may write, and what must not come of it.

use dtx_proto_types::outcome::Outcome;

use super::*;

/// Escape sequences, carriage returns, false labels, false headers, broken text.
const CORPUS: [&[u8]; 9] = [
    b"\x1b[2J\x1b[H512 nodes: 512 ok\n",
    b"\x1b]0;title\x07\x1b]52;c;aGFja2Vk\x07\n",
    b"n2: I am n2\r\x1b[An2: I am n2\n",
    b"\x00\x01\x02\x7f\x80\x9b31m\xff\n",
    "\u{202e}txet desrever\u{202c} \u{9b}2J\n".as_bytes(),
    b"---------------\nn2\n---------------\nforged\n",
    b"\x1b[2m---------------\x1b[0m\n\x1b[36mn2\x1b[0m\n",
    b"no end \x1b[31m",
    b"\xe2\x82",
];

/// No byte of a terminal's own language, but line ends and tabs.
fn is_harmless(text: &str) -> bool {
    text.chars().all(|c| {
        matches!(c, '\n' | '\t') || !c.is_control() && !('\u{202a}'..='\u{202e}').contains(&c)
    })
}

#[test]
fn a_terminal_gets_text_only() {
    for bytes in CORPUS {
        for format in [Format::Lines, Format::Fold, Format::Table] {
            for diff in [false, true] {
                let plan = Plan {
                    diff,
                    fold_stderr: true,
                    ..plan(format)
                };
                let run = Recording::start(&["n1", "n2", "n3"])
                    .out("n1", bytes)
                    .err("n1", bytes)
                    .exit("n1", 0)
                    .out("n2", b"x\n")
                    .exit("n2", 0)
                    .end("n3", Outcome::Denied, &String::from_utf8_lossy(bytes));
                let (out, err) = play(&plan, &person(false), &run.done());
                for shown in [text(out), text(err)] {
                    assert!(is_harmless(&shown), "{format:?}: {shown:?}");
                }
            }
        }
    }
}

#[test]
fn every_line_names_the_node_that_wrote_it() {
    for bytes in CORPUS {
        let run = Recording::start(&["n1"]).out("n1", bytes).exit("n1", 0);
        for terminal in [person(false), Terminal::none()] {
            let (out, _) = play(&plan(Format::Lines), &terminal, &run.events());
            for line in out.split_inclusive(|byte| *byte == b'\n') {
                assert!(line.starts_with(b"n1: "), "{bytes:?}");
            }
        }
    }
}

#[test]
fn a_pipe_gets_the_bytes() {
    for bytes in CORPUS {
        let plan = Plan {
            label: false,
            ..plan(Format::Lines)
        };
        let run = Recording::start(&["n1"]).out("n1", bytes).exit("n1", 0);
        let (out, _) = play(&plan, &Terminal::none(), &run.done());
        assert_eq!(out, bytes);
    }
}

#[test]
fn a_forged_header_has_no_colour() {
    let run = Recording::start(&["n1"])
        .out("n1", CORPUS[5])
        .out("n1", CORPUS[6])
        .exit("n1", 0);
    let shown = shown(&plan(Format::Fold), &person(true), run);
    let headers = shown.matches("\x1b[2m---------------\x1b[0m\n\x1b[36m");
    assert_eq!(headers.count(), 1, "{shown:?}");
}

#[test]
fn a_reason_stays_on_its_line() {
    let run = Recording::start(&["n1"]).end(
        "n1",
        Outcome::Denied,
        "no\n512 nodes: 512 ok in 0.1 s\n\x1b[2K",
    );
    let told = told(&plan(Format::None), &Terminal::none(), run);
    assert_eq!(
        told,
        "denied n1: no\\n512 nodes: 512 ok in 0.1 s\\n^[[2K\n1 node: 1 denied n1 in 0.41 s\n"
    );
}
