//! What the documents tell people to type is what the programs understand.

use std::fs;

use dtx_tests::lab::Lab;
use dtx_tests::workspace;

fn text(path: &str) -> String {
    fs::read_to_string(workspace::root().join(path)).unwrap()
}

/// The lines of a document's code blocks without a language.
fn typed(document: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut inside = None;
    for line in document.lines() {
        match (line.strip_prefix("```"), inside) {
            (Some(language), None) => inside = Some(language.is_empty()),
            (Some(_), Some(_)) => inside = None,
            (None, Some(true)) => lines.push(line.strip_prefix("$ ").unwrap_or(line).to_owned()),
            (None, _) => {}
        }
    }
    lines
}

/// What stands between backticks in a document's running text.
fn mentioned(document: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in document.lines() {
        if line.starts_with("```") {
            inside = !inside;
        } else if !inside {
            found.extend(line.split('`').skip(1).step_by(2).map(ToOwned::to_owned));
        }
    }
    found
}

/// The call of `dtx` in a line for a shell, without what stands around it.
fn call(line: &str) -> Option<&str> {
    let line = line.split(" #").next()?;
    let mut parts = line.split(" | ").map(str::trim);
    parts.find(|part| part.starts_with("dtx ") || part.starts_with("dtx-agent "))
}

#[test]
fn the_two_commands_of_cargo_are_what_ci_runs() {
    let commands: Vec<String> = typed(&text("README.md"))
        .into_iter()
        .filter(|line| line.starts_with("cargo "))
        .collect();
    let [first, second] = commands.as_slice() else {
        panic!("two commands of cargo: {commands:?}")
    };
    assert!(
        first.starts_with("cargo build ") && first.ends_with("dtx demo"),
        "{first}"
    );
    assert_eq!(second, "cargo test --workspace");
    // It reads them from the README, and splits them at spaces.
    assert!(text(".ci/run").contains("grep '^cargo ' README.md"));
    assert!(!commands.concat().contains(['"', '\'', '\\', '$']));
}

#[test]
fn every_command_in_the_documents_is_understood() {
    let mut lines = Vec::new();
    for document in ["README.md", "docs/operations.md"] {
        let document = text(document);
        lines.extend(typed(&document));
        lines.extend(mentioned(&document));
    }
    let calls: Vec<&str> = lines.iter().filter_map(|line| call(line)).collect();
    assert!(calls.len() >= 15, "{calls:?}");
    let Some(lab) = Lab::new(1) else { return };
    let operator = lab.operator();
    operator.write("/root/config.toml", "");
    for call in calls {
        // Where only a verb is mentioned, that it exists; else that its words are understood,
        // although nobody is there to be reached.
        let help = if call.split_whitespace().count() <= 3 && !call.contains(" -") {
            " --help"
        } else {
            ""
        };
        let line = format!("{call}{help} < /dev/null");
        let program = operator.program(&["sh", "-c", &line]);
        let finished = program.env("DTX_CONFIG", "/root/config.toml").run();
        let usage =
            finished.err().contains("Usage:") || finished.err().contains("error: unexpected");
        assert!(
            !usage && finished.code.is_some_and(|code| code <= 4),
            "{line}: {finished}"
        );
        println!("{line}: {:?} in {:?}", finished.code, finished.wall);
    }
}
