//! Shell lines, argument lists and scripts against rules: each that is denied has a twin that the
//! same rule allows.

use crate::support::{Ask, check, with};

/// Lines that the pattern does not cover, and words of why not.
const LINES: &[(&str, &str)] = &[
    ("echo hi >> /tmp/hello.txt\n", "control byte"),
    ("echo hi\n >> /tmp/hello.txt", "control byte"),
    ("echo hi >> /tmp/hello.txt\nrm -rf /", "control byte"),
    ("echo hi\r >> /tmp/hello.txt", "control byte"),
    ("echo hi >> /tmp/hello.txt\r", "control byte"),
    ("echo hi\0 >> /tmp/hello.txt", "NUL"),
    ("echo\thi >> /tmp/hello.txt", "control byte"),
    ("echo hi \x7f>> /tmp/hello.txt", "control byte"),
    ("\x1b[2Jecho hi >> /tmp/hello.txt", "control byte"),
    ("echo hi >> /tmp/hello.txt; id", "does not match"),
    (";echo hi >> /tmp/hello.txt", "does not match"),
    ("echo $(id) >> /tmp/hello.txt", "does not match"),
    ("echo `id` >> /tmp/hello.txt", "does not match"),
    ("echo hi >> /tmp/hello.txt && id", "does not match"),
    ("echo hi >> /tmp/hello.txt|id", "does not match"),
    ("echo hi >> /tmp/hello.txt &", "does not match"),
    ("echo hi >> /tmp/helloXtxt", "does not match"),
    ("echo hi >> /tmp/../hello.txt", "does not match"),
    ("echo HI >> /tmp/hello.txt", "does not match"),
    ("echo hä >> /tmp/hello.txt", "does not match"),
    ("echo -n >> /tmp/hello.txt", "does not match"),
    ("echo  >> /tmp/hello.txt", "does not match"),
    ("  echo hi >> /tmp/hello.txt", "does not match"),
    ("", "does not match"),
];

#[test]
fn shell_lines() {
    let hello = Ask::shell("echo hi >> /tmp/hello.txt");
    let pattern = r"run = { shell = ['echo [a-z]+ >> /tmp/hello\.txt'] }";
    let rows: Vec<_> = LINES
        .iter()
        .map(|&(line, why)| (Ask::shell(line), why, hello.clone()))
        .collect();
    check("shell", pattern, &rows);
    check(
        "a shell of one's own",
        pattern,
        &[(
            with(hello.clone(), |ask| ask.shell = Some("/bin/bash".into())),
            "run.shell",
            hello.clone(),
        )],
    );
    let long = format!("echo {} >> /tmp/hello.txt", "a".repeat(20_000));
    check(
        "length",
        pattern,
        &[(Ask::shell(&long), "longer", hello.clone())],
    );
    check(
        "none",
        "run = { shell = [], exec = \"any\" }",
        &[(hello.clone(), "no shell line", Ask::exec(&["echo", "hi"]))],
    );
    let several = "run = { shell = ['true', 'fal|se'] }";
    check(
        "several",
        several,
        &[
            (Ask::shell("false"), "none of its 2", Ask::shell("se")),
            (Ask::shell("truefal"), "none of its 2", Ask::shell("fal")),
        ],
    );
    let any = "run = { shell = \"any\" }";
    check(
        "any",
        any,
        &[
            (
                Ask::shell("id\0"),
                "NUL",
                Ask::shell("id;\nrm -rf / \r\x07"),
            ),
            (
                with(Ask::shell("id"), |ask| ask.shell = Some("bash".into())),
                "absolute",
                with(Ask::shell("id"), |ask| ask.shell = Some("/bin/bash".into())),
            ),
            (
                with(Ask::shell("id"), |ask| ask.shell = Some("/bin/\0sh".into())),
                "NUL",
                Ask::shell("id"),
            ),
            (Ask::exec(&["/bin/id"]), "run.exec", Ask::shell("/bin/id")),
        ],
    );
}

#[test]
fn argument_lists() {
    let systemctl = r#"run = { exec = [["/usr/bin/systemctl", "restart",
        { one_of = ["nginx.service", "php-fpm.service"] }]] }"#;
    let good = Ask::exec(&["/usr/bin/systemctl", "restart", "nginx.service"]);
    let rows: Vec<_> = [
        (
            vec!["systemctl", "restart", "nginx.service"],
            "the program is not",
        ),
        (
            vec!["/usr/bin/../bin/systemctl", "restart", "nginx.service"],
            "the program is not",
        ),
        (
            vec!["/usr/bin//systemctl", "restart", "nginx.service"],
            "the program is not",
        ),
        (
            vec!["/usr/bin/systemctl\0", "restart", "nginx.service"],
            "NUL",
        ),
        (
            vec!["/usr/bin/systemctl", "stop", "nginx.service"],
            "is not \"restart\"",
        ),
        (
            vec!["/usr/bin/systemctl", "restart", "sshd.service"],
            "is none of",
        ),
        (
            vec!["/usr/bin/systemctl", "restart", "--force"],
            "begins with `-`",
        ),
        (vec!["/usr/bin/systemctl", "restart", ""], "is none of"),
        (vec!["/usr/bin/systemctl", "restart"], "takes 2 arguments"),
        (
            vec![
                "/usr/bin/systemctl",
                "restart",
                "nginx.service",
                "sshd.service",
            ],
            "takes 2 arguments",
        ),
        (
            vec!["/usr/bin/systemctl", "restart nginx.service"],
            "takes 2 arguments",
        ),
        (
            vec!["/usr/bin/systemctl", "restart", "nginx.service\n"],
            "control byte",
        ),
        (
            vec!["/usr/bin/systemctl", "restart", "nginx.service\0"],
            "NUL",
        ),
        (vec![""], "no program"),
        (vec![], "no program"),
    ]
    .map(|(argv, why)| (Ask::exec(&argv), why, good.clone()))
    .into();
    check("exec", systemctl, &rows);
}

#[test]
fn argument_matchers() {
    let tool = r#"run = { exec = [["/bin/tool", { int = [1, 64] }, { re = '[a-z;]*' },
        { rest = { re = '[a-z]+' }, max = 2 }]] }"#;
    let args = |words: &[&str]| {
        let argv: Vec<&str> = ["/bin/tool"].iter().chain(words).copied().collect();
        Ask::exec(&argv)
    };
    let rows = [
        (args(&["0", "x"]), "from 1 to 64", args(&["1", "x"])),
        (args(&["65", "x"]), "from 1 to 64", args(&["64", "x"])),
        (args(&["007", "x"]), "from 1 to 64", args(&["7", "x"])),
        (args(&["+7", "x"]), "from 1 to 64", args(&["7", ""])),
        (args(&["-7", "x"]), "begins with `-`", args(&["7", "a;b"])),
        (args(&["7 ", "x"]), "from 1 to 64", args(&["7", "x", "y"])),
        (
            args(&["7", "X"]),
            "does not match",
            args(&["7", "x", "y", "z"]),
        ),
        (args(&["7", "-x"]), "begins with `-`", args(&["7", "x"])),
        (args(&["7", "x\ny"]), "control byte", args(&["7", "x"])),
        (args(&["7", "x\r"]), "control byte", args(&["7", "x"])),
        (args(&["7", "$(id)"]), "does not match", args(&["7", ";"])),
        (
            args(&["7", "x", "y", "z", "a"]),
            "takes 2 to 4",
            args(&["7", "x", "y", "z"]),
        ),
        (
            args(&["7", "x", "y", "Z"]),
            "argument 4",
            args(&["7", "x", "y", "z"]),
        ),
        (
            args(&["7", "x", "--help"]),
            "begins with `-`",
            args(&["7", "x", "help"]),
        ),
    ];
    check("matchers", tool, &rows);
    // The one place where a caller's `-` is taken: the policy's own literal.
    check(
        "literals",
        r#"run = { exec = [["/bin/ls", "-l", "a b", "ä"]] }"#,
        &[(
            Ask::exec(&["/bin/ls", "-l", "a", "b", "ä"]),
            "takes 3",
            Ask::exec(&["/bin/ls", "-l", "a b", "ä"]),
        )],
    );
    check(
        "any",
        "run = { exec = \"any\" }",
        &[
            (
                Ask::shell("ls"),
                "run.shell",
                Ask::exec(&["ls", "-la", "a\nb", "--"]),
            ),
            (Ask::exec(&["ls", "a\0b"]), "NUL", Ask::exec(&["ls", "ab"])),
        ],
    );
}

#[test]
fn scripts() {
    let ones = "01".repeat(32);
    let keys = format!("run = {{ script = [\"sha256:{ones}\"] }}");
    check(
        "script",
        &keys,
        &[
            (Ask::script(2, &[]), "SHA-256", Ask::script(1, &[])),
            (
                Ask::script(1, &["-rf"]),
                "no arguments",
                Ask::script(1, &[]),
            ),
            (
                with(Ask::script(1, &[]), |ask| {
                    ask.shell = Some("/bin/sh".into());
                }),
                "needs \"any\"",
                Ask::script(1, &[]),
            ),
            (Ask::shell("id"), "run.shell", Ask::script(1, &[])),
        ],
    );
    check(
        "any",
        "run = { script = \"any\" }",
        &[
            (
                Ask::script(2, &["a\0"]),
                "NUL",
                Ask::script(2, &["--x", "a\nb"]),
            ),
            (Ask::exec(&["/bin/id"]), "run.exec", Ask::script(7, &[])),
        ],
    );
    check(
        "none",
        "run = { script = [], control = true }",
        &[(Ask::script(1, &[]), "no script", Ask::control())],
    );
}
