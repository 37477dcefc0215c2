//! Node sets: what is refused, where, how fast, and what the message says.

use std::time::{Duration, Instant};

use dtx_proto_types::node::NodeSet;

/// Carets under the text mark what an error points at.
const REFUSED: &[(&str, &str, &str, Option<&str>)] = &[
    (
        "",
        "",
        "no node is named",
        Some("write at least one name, as in n1 or n[1-3]"),
    ),
    (
        "  ",
        "^^",
        "no node is named",
        Some("write at least one name, as in n1 or n[1-3]"),
    ),
    (
        "n1,,n2",
        "   ^",
        "a name is missing next to this comma",
        Some("leave out the comma or add the name"),
    ),
    (
        ",n1",
        "^",
        "a name is missing next to this comma",
        Some("leave out the comma or add the name"),
    ),
    (
        "n1, ",
        "  ^",
        "a name is missing next to this comma",
        Some("leave out the comma or add the name"),
    ),
    (
        "n[1-3",
        " ^",
        "`[` is never closed",
        Some("add the missing `]`"),
    ),
    (
        "n1,n[1-3 n4",
        "    ^",
        "`[` is never closed",
        Some("add the missing `]`"),
    ),
    ("n1-3]", "    ^", "`]` closes no bracket", None),
    (
        "n[[1-3]]",
        "  ^",
        "brackets cannot be inside brackets",
        None,
    ),
    (
        "[2001:db8::[1-2]]:5",
        "           ^",
        "brackets cannot be inside brackets",
        None,
    ),
    (
        "n[1-2][3-4]",
        "      ^",
        "a bracket cannot follow a bracket directly",
        Some("put a comma between two names, or write the numbers in one bracket"),
    ),
    (
        "n[]",
        " ^^",
        "there is no number between the brackets",
        Some("write a number or a range, as in n[1-3], or leave the brackets out"),
    ),
    (
        "n[ ]",
        " ^^^",
        "there is no number between the brackets",
        Some("write a number or a range, as in n[1-3], or leave the brackets out"),
    ),
    (
        "n[1,,3]",
        "   ^",
        "a number is missing next to this comma",
        Some("leave out the comma or add the number"),
    ),
    (
        "n[,3]",
        "  ^",
        "a number is missing next to this comma",
        Some("leave out the comma or add the number"),
    ),
    (
        "n[1,]",
        "   ^",
        "a number is missing next to this comma",
        Some("leave out the comma or add the number"),
    ),
    (
        "n[3-1]",
        "  ^^^",
        "the range 3-1 runs backwards",
        Some("write n[1-3]"),
    ),
    (
        "x r[1-2]n[5,9-1/2]-ib",
        "            ^^^^^",
        "the range 9-1/2 runs backwards",
        Some("write r[1-2]n[5,1-9/2]-ib"),
    ),
    (
        "n[9-011]",
        "  ^^^^^",
        "the ends of the range 9-011 are padded with zeros differently",
        Some("write n[009-011]"),
    ),
    (
        "n[001-10]",
        "  ^^^^^^",
        "the ends of the range 001-10 are padded with zeros differently",
        Some("write n[001-010]"),
    ),
    (
        "n00[8-12]",
        "    ^^^^",
        "the range 8-12 changes its width, and a digit stands before it",
        Some("write all digits inside the brackets, as in n[008-012]"),
    ),
    (
        "n[1-9/2]0",
        "        ^",
        "a digit cannot follow a range with a step",
        Some("write all digits inside the brackets, as in n[10-90/20]"),
    ),
    (
        "n[1-9/2]0-[1]",
        "        ^",
        "a digit cannot follow a range with a step",
        Some("write all digits inside the brackets, as in n[10-90/20]"),
    ),
    (
        "n[a-c]",
        "  ^^^",
        "\"a-c\" is not a number or a range of numbers",
        None,
    ),
    (
        "n[-1]",
        "  ^^",
        "\"-1\" is not a number or a range of numbers",
        None,
    ),
    (
        "n[1..3]",
        "  ^^^^",
        "\"1..3\" is not a number or a range of numbers",
        None,
    ),
    (
        "n[1,x y]",
        "    ^^^",
        "\"x y\" is not a number or a range of numbers",
        None,
    ),
    (
        "n[1-9/0]",
        "  ^^^^^",
        "\"1-9/0\" is not a range with a step, as in 1-9/2",
        None,
    ),
    (
        "n[5/2]",
        "  ^^^",
        "\"5/2\" is not a range with a step, as in 1-9/2",
        None,
    ),
    (
        "n[1-1234567890123456789]",
        "  ^^^^^^^^^^^^^^^^^^^^^",
        "a number of 19 digits is too long (18 at most)",
        None,
    ),
    (
        "n1 n[1-9999999999]",
        "   ^^^^^^^^^^^^^^^",
        "more than 1000000 nodes are named",
        None,
    ),
    (
        "n[1-1000000],x",
        "             ^",
        "more than 1000000 nodes are named",
        None,
    ),
    (
        "a[0-999999]b[0-999999]c[0-999999]d[0-999999]",
        "^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        "more than 1000000 nodes are named",
        None,
    ),
    (
        "@gpu",
        "^^^^",
        "groups are not available here: @gpu",
        Some("write the names of its nodes"),
    ),
    (
        "n1,@racks:r1,n2",
        "   ^^^^^^^^^",
        "groups are not available here: @racks:r1",
        Some("write the names of its nodes"),
    ),
    (
        "n[1-5]!n2",
        "      ^",
        "set operators are not available here: !",
        Some("write the names that remain"),
    ),
    (
        "n1 & n2",
        "   ^",
        "set operators are not available here: &",
        Some("write the names that remain"),
    ),
    (
        "n1^n2",
        "  ^",
        "set operators are not available here: ^",
        Some("write the names that remain"),
    ),
    (
        "^hosts.txt",
        "^^^^^^^^^^",
        "files of names are not available here: ^hosts.txt",
        Some("write the names in it"),
    ),
    (
        "/^web/",
        "^^^^^^",
        "regular expressions are not available here: /^web/",
        Some("write the names that match"),
    ),
    (
        "n1,-n2",
        "   ^^^",
        "exclusions are not available here: -n2",
        Some("leave those names out"),
    ),
    (
        "-",
        "^",
        "exclusions are not available here: -",
        Some("leave those names out"),
    ),
    (
        "n*",
        " ^",
        "wildcards are not available here: *",
        Some("write a range, as in n[1-3]"),
    ),
    (
        "n?",
        " ^",
        "wildcards are not available here: ?",
        Some("write a range, as in n[1-3]"),
    ),
    (
        "n{1..3}",
        " ^",
        "braces are not used for ranges",
        Some("write n[1-3]"),
    ),
    (
        "n1;reboot",
        "  ^",
        "';' cannot be in a node name (letters, digits, `.`, `_`, `-`, `:`)",
        None,
    ),
    (
        "root@n1",
        "    ^",
        "'@' cannot be in a node name (letters, digits, `.`, `_`, `-`, `:`)",
        None,
    ),
    (
        "n1\u{0}",
        "  ^",
        "'\\0' cannot be in a node name (letters, digits, `.`, `_`, `-`, `:`)",
        None,
    ),
    (
        ".n1",
        "^",
        "'.' cannot be in a node name (letters, digits, `.`, `_`, `-`, `:`)",
        None,
    ),
    (
        "[1.2.3:4]:5",
        "^^^^^^^^^^^",
        "\"[1.2.3:4]:5\" is not an IPv6 address in brackets, as in [2001:db8::1]:15950",
        None,
    ),
    (
        "x [::1]:99999",
        "  ^^^^^^^^^^^",
        "\"[::1]:99999\" is not an IPv6 address in brackets, as in [2001:db8::1]:15950",
        None,
    ),
    (
        "[::1]:[1-3]",
        "^^^^^^^^^^^",
        "\"[::1]:[1-3]\" is not an IPv6 address in brackets, as in [2001:db8::1]:15950",
        None,
    ),
];

#[test]
fn what_is_wrong_is_named_and_pointed_at() {
    for (text, caret, message, hint) in REFUSED {
        let error = NodeSet::parse(text).expect_err(text);
        assert_eq!(error.to_string(), *message, "{text:?}");
        assert_eq!(error.hint().as_deref(), *hint, "{text:?}");
        let marked = " ".repeat(error.at.start) + &"^".repeat(error.at.len());
        assert_eq!(marked, *caret, "{text:?}");
    }
}

#[test]
fn every_hint_of_the_form_write_a_set_is_one() {
    for (text, _, _, hint) in REFUSED {
        let Some(set) = hint.and_then(|hint| hint.strip_prefix("write ")) else {
            continue;
        };
        if !set.contains(' ') {
            assert!(NodeSet::parse(set).is_ok(), "{text}: {hint:?}");
        }
    }
}

#[test]
fn characters_of_several_bytes_are_marked_whole() {
    let error = NodeSet::parse("n1,nä").unwrap_err();
    assert_eq!(error.at, 4..6);
    let error = NodeSet::parse("n[ä]").unwrap_err();
    assert_eq!(error.at, 2..4);
    let error = NodeSet::parse("@ä x").unwrap_err();
    assert_eq!(error.at, 0..3);
}

#[test]
fn hostile_texts_are_refused_at_once() {
    let long_text = "x".repeat(300);
    let texts = [
        "n[1-999999999999999999]".to_owned(),
        "n[0-999999]".repeat(20),
        "[".repeat(100_000),
        "n[".repeat(100_000),
        "n[1]".repeat(100_000),
        "n[1-2]".repeat(100_000),
        "n[1-9]x".repeat(100_000),
        format!("n[{}]", "1-1000,".repeat(100_000)),
        format!("n[{}", "1,".repeat(100_000)),
        format!("n[{}]", "9".repeat(1_000_000)),
        format!("n[{}]", "x".repeat(1_000_000)),
        "n[1-1000000],".repeat(10_000),
        "]".repeat(100_000),
        ",".repeat(100_000),
        "@".repeat(1_000_000),
        format!("{long_text}[1-1000000]"),
        format!("[1-1000000]{long_text}"),
        long_text,
    ];
    let begun = Instant::now();
    for text in texts {
        let shown: String = text.chars().take(20).collect();
        let error = NodeSet::parse(&text).expect_err(&shown);
        let message = error.to_string();
        assert!(message.len() < 300, "{shown}: {} bytes", message.len());
        assert!(error.hint().is_none_or(|hint| hint.len() < 300), "{shown}");
        assert!(text.get(error.at).is_some(), "{shown}");
    }
    let taken = begun.elapsed();
    assert!(taken < Duration::from_secs(5), "{taken:?}");
}

#[test]
fn a_million_nodes_are_the_most() {
    assert!(NodeSet::parse("n[1-500000],m[1-500001]").is_err());
    assert_eq!(NodeSet::parse("n[1-500000/1000],m1").unwrap().len(), 501);
}
