//! What is started: from words and flags to a job.

use std::collections::BTreeMap;
use std::time::Duration;

use dtx_client::cluster::JobTemplate;
use dtx_client::fanout::StdinSource;
use dtx_proto_types::job::Body;

use crate::args::JobArgs;
use crate::error::{Failure, Kind};

/// Builds the job; standard input is added by the caller.
///
/// # Errors
///
/// If there is no command, or a script that cannot be read or names no interpreter.
pub(super) fn job(
    words: &[String],
    args: &JobArgs,
    run_as: String,
    timeout: Option<Duration>,
    output_bytes: Option<u64>,
) -> Result<JobTemplate, Failure> {
    let (command, body) = body(words, args)?;
    Ok(JobTemplate {
        command,
        body,
        run_as,
        env: environment(args)?,
        cwd: args.cwd.clone(),
        shell: args.shell.clone(),
        subst: args.subst,
        stdin: StdinSource::None,
        timeout,
        output_bytes,
    })
}

fn body(words: &[String], args: &JobArgs) -> Result<(String, Body), Failure> {
    let line = words.join(" ");
    let Some(path) = &args.script else {
        if line.trim().is_empty() {
            return Err(Failure::new(Kind::Usage, "no command is given")
                .hint("give one: `dtx run --all uptime`"));
        }
        return Ok(if args.exec {
            (line, Body::Argv(words.to_vec()))
        } else {
            (line.clone(), Body::Shell(line))
        });
    };
    let name = path.display();
    let text = std::fs::read(path)
        .map_err(|error| Failure::new(Kind::Usage, format!("{name} cannot be read: {error}")))?;
    if !text.starts_with(b"#!") {
        let failure = Failure::new(Kind::Usage, format!("{name} does not name its interpreter"));
        return Err(failure.hint(format!(
            "let its first line be `#!/bin/sh`, or what fits {name}"
        )));
    }
    let command = [name.to_string(), line].join(" ").trim_end().to_owned();
    let args = words.to_vec();
    Ok((command, Body::Script { text, args }))
}

fn environment(args: &JobArgs) -> Result<BTreeMap<String, String>, Failure> {
    let mut env = BTreeMap::new();
    for variable in &args.env {
        let name = variable.name.clone();
        if env.insert(name, variable.value.clone()).is_some() {
            let text = format!("the variable {} is set twice", variable.name);
            return Err(Failure::new(Kind::Usage, text));
        }
    }
    Ok(env)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Variable;

    fn args() -> JobArgs {
        JobArgs {
            exec: false,
            script: None,
            shell: None,
            user: None,
            cwd: None,
            env: Vec::new(),
            stdin: false,
            subst: false,
        }
    }

    fn words(text: &[&str]) -> Vec<String> {
        text.iter().map(|&word| word.to_owned()).collect()
    }

    fn build(text: &[&str], args: &JobArgs) -> Result<JobTemplate, Failure> {
        job(&words(text), args, "ops".to_owned(), None, None)
    }

    #[test]
    fn lines_words_and_scripts() {
        let line = build(&["echo", "a  b", "|", "wc"], &args()).unwrap();
        assert_eq!(line.body, Body::Shell("echo a  b | wc".to_owned()));
        assert_eq!(line.command, "echo a  b | wc");
        let exec = JobArgs {
            exec: true,
            ..args()
        };
        let argv = build(&["echo", "a b"], &exec).unwrap();
        assert_eq!(argv.body, Body::Argv(words(&["echo", "a b"])));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.sh");
        std::fs::write(&path, "#!/bin/sh\necho $1\n").unwrap();
        let script = JobArgs {
            script: Some(path.clone()),
            ..args()
        };
        let built = build(&["eth0"], &script).unwrap();
        assert!(built.command.ends_with("s.sh eth0"));
        assert!(matches!(built.body, Body::Script { args, .. } if args == ["eth0"]));
        std::fs::write(&path, "echo $1\n").unwrap();
        assert_eq!(build(&[], &script).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn what_is_no_job() {
        for text in [&[][..], &[""], &["  "]] {
            assert_eq!(build(text, &args()).unwrap_err().exit_code(), 2);
        }
        let twice = JobArgs {
            env: vec![
                Variable {
                    name: "A".into(),
                    value: "1".into(),
                },
                Variable {
                    name: "A".into(),
                    value: "2".into(),
                },
            ],
            ..args()
        };
        assert!(build(&["env"], &twice).is_err());
    }
}
