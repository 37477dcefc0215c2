//! What can be typed, and what cannot.

use clap::{CommandFactory, Parser};

use super::{Arguments, Command};

fn parse(line: &str) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(line.split(' '))
}

fn words(line: &str) -> Vec<String> {
    match parse(line).unwrap().command {
        Command::Run(run) => run.words,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_definition_is_sound() {
    Arguments::command().debug_assert();
}

#[test]
fn options_end_at_the_first_word() {
    for (line, expected) in [
        ("dtx run -a uptime", &["uptime"][..]),
        ("dtx run -a ls -l -a", &["ls", "-l", "-a"]),
        ("dtx run -w n1 ls --all -q", &["ls", "--all", "-q"]),
        ("dtx run -a -- -x y", &["-x", "y"]),
        ("dtx run -a ls -- -l", &["ls", "--", "-l"]),
        ("dtx run -a -u 10s sleep 5", &["sleep", "5"]),
        ("dtx run -a echo --help", &["echo", "--help"]),
    ] {
        assert_eq!(words(line), expected, "{line}");
    }
}

#[test]
fn values() {
    let Command::Run(run) = parse(
        "dtx run -w n[1-3] -w - -x n2 -f 64 -t 2 -u 500ms --deadline 5m --max-output 64KiB \
         --env A=b=c --retry-on failed,timeout --retries 2 -kSLN -o json true",
    )
    .unwrap()
    .command
    else {
        panic!();
    };
    assert_eq!(run.targets.nodes, ["n[1-3]", "-"]);
    assert_eq!(run.pace.fanout, Some(64));
    assert_eq!(run.pace.connect_timeout.map(|t| t.as_secs()), Some(2));
    assert_eq!(run.pace.timeout.map(|t| t.as_millis()), Some(500));
    assert_eq!(
        run.output.max_output.map(|limit| limit.0),
        Some(Some(65_536))
    );
    assert_eq!(run.job.env[0].value, "b=c");
    assert!(run.pace.fail_fast && run.output.remote_code && run.output.by_name);
}

#[test]
fn common_options_stand_anywhere_before_the_words() {
    for line in [
        "dtx -q --cluster lab run -a true",
        "dtx run -q --cluster lab -a true",
    ] {
        let arguments = parse(line).unwrap();
        assert!(arguments.global.quiet, "{line}");
        assert_eq!(arguments.global.cluster.as_deref(), Some("lab"));
    }
}

#[test]
fn what_cannot_be_typed() {
    for line in [
        "dtx",
        "dtx fly",
        "dtx run --bogus true",
        "dtx run -g gpu true",
        "dtx run --label rack=r1 true",
        "dtx run --any true",
        "dtx run --pick 3 true",
        "dtx run --waves 1,5 true",
        "dtx run -X gpu true",
        "dtx run -a -w n1 true",
        "dtx run -a -f 0 true",
        "dtx run -a -u soon true",
        "dtx run -a -o xml true",
        "dtx run -a --retry-on ok true",
        "dtx run -a --exec --shell /bin/sh true",
        "dtx run -a --env NAME true",
        "dtx run -a -q -v true",
        "dtx run -a --max-output lots true",
        "dtx --color red nodes",
        "dtx nodes accept",
        "dtx task list",
        "dtx play x.toml",
        "dtx completions bash",
        "dtx enroll",
        "dtx demo -n 0",
        "dtx policy explain true",
    ] {
        let error = parse(line).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}

#[test]
fn help_and_version_are_no_errors() {
    for line in ["dtx --help", "dtx --version", "dtx run --help", "dtx -h"] {
        assert_eq!(parse(line).unwrap_err().exit_code(), 0, "{line}");
    }
}
