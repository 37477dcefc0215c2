//! From what a job says to what `execve` takes.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use dtx_policy::Shell;
use nix::errno::Errno;
use nix::unistd::execve;

use super::become_user::Account;
use super::environment::Environment;
use super::failure::Failure;
use super::plan::ProgramToRun;

/// What runs where nothing else is said.
const BIN_SH: &str = "/bin/sh";

/// A program and its arguments, the first of which is its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Invocation {
    /// With a slash: this file. Without: looked for in `PATH`.
    program: PathBuf,
    arguments: Vec<Vec<u8>>,
}

impl Invocation {
    /// What to run for `program`.
    pub(super) fn new(program: &ProgramToRun, account: &Account) -> Result<Self, Failure> {
        match program {
            ProgramToRun::Shell { shell, line } => {
                let shell = match shell {
                    Shell::Login => login_shell(account)?,
                    Shell::BinSh => BIN_SH.into(),
                    Shell::Path(path) => path.into(),
                };
                let name = shell
                    .file_name()
                    .unwrap_or(shell.as_os_str())
                    .as_bytes()
                    .to_vec();
                let arguments = vec![name, b"-c".to_vec(), line.clone().into_bytes()];
                Ok(Self {
                    program: shell,
                    arguments,
                })
            }
            ProgramToRun::Argv(words) => {
                let Some(first) = words.first().filter(|first| !first.is_empty()) else {
                    return Err(Failure::Setup(Some(127), "no program was named".to_owned()));
                };
                Ok(Self {
                    program: first.into(),
                    arguments: words.iter().map(|word| word.clone().into_bytes()).collect(),
                })
            }
            ProgramToRun::Script { text, args, path } => {
                let mut arguments = interpreter(text)?;
                let program = OsStr::from_bytes(&arguments[0]).into();
                arguments.push(path.as_os_str().as_bytes().to_vec());
                arguments.extend(args.iter().map(|word| word.clone().into_bytes()));
                Ok(Self { program, arguments })
            }
        }
    }

    /// Becomes the program. Returns only if that fails.
    pub(super) fn execute(&self, environment: &Environment) -> Failure {
        match self.try_execute(environment) {
            Ok(never) | Err(never) => never,
        }
    }

    fn try_execute(&self, environment: &Environment) -> Result<Failure, Failure> {
        let variables = environment.to_strings()?;
        let arguments: Vec<CString> = self
            .arguments
            .iter()
            .map(|word| c_string(word))
            .collect::<Result<_, _>>()?;
        let mut denied = None;
        for path in self.candidates(environment.path()) {
            let Err(error) = execve(
                &c_string(path.as_os_str().as_bytes())?,
                &arguments,
                &variables,
            );
            match error {
                // Nothing there: the next directory, or what an earlier one said.
                Errno::ENOENT | Errno::ENOTDIR if !self.is_path() => {}
                Errno::EACCES if !self.is_path() => denied = Some(path),
                other => return Ok(Failure::exec(&path, other)),
            }
        }
        Ok(match denied {
            Some(path) => Failure::exec(&path, Errno::EACCES),
            None => Failure::exec(&self.program, Errno::ENOENT),
        })
    }

    /// The files to try. An empty part of `PATH` does not mean the working directory here.
    fn candidates(&self, path: &[u8]) -> Vec<PathBuf> {
        if self.is_path() {
            return vec![self.program.clone()];
        }
        path.split(|byte| *byte == b':')
            .filter(|directory| !directory.is_empty())
            .map(|directory| Path::new(OsStr::from_bytes(directory)).join(&self.program))
            .collect()
    }

    fn is_path(&self) -> bool {
        self.program.as_os_str().as_bytes().contains(&b'/')
    }
}

/// The user's shell, if it takes commands.
fn login_shell(account: &Account) -> Result<PathBuf, Failure> {
    if account.shell.as_os_str().is_empty() {
        return Ok(BIN_SH.into());
    }
    let name = account.shell.file_name().and_then(OsStr::to_str);
    if matches!(name, Some("nologin" | "false")) {
        return Err(Failure::setup(format!(
            "the login shell of {}, {}, takes no commands; give another with --shell /bin/sh, or \
             use --exec",
            account.name,
            account.shell.display()
        )));
    }
    Ok(account.shell.clone())
}

/// The interpreter of a script and its one argument, as the kernel reads a first line.
fn interpreter(text: &[u8]) -> Result<Vec<Vec<u8>>, Failure> {
    let Some(rest) = text.strip_prefix(b"#!") else {
        return Ok(vec![BIN_SH.into()]);
    };
    let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if line.ends_with(b"\r") {
        return Err(Failure::Setup(
            Some(127),
            "the script has DOS line ends: its interpreter would not be found; convert it \
             (`dos2unix`, or `sed -i 's/\\r$//'`)"
                .to_owned(),
        ));
    }
    let line = trim(line);
    let end = line
        .iter()
        .position(|byte| is_blank(*byte))
        .unwrap_or(line.len());
    let (program, argument) = line.split_at(end);
    if program.is_empty() {
        return Ok(vec![BIN_SH.into()]);
    }
    let argument = trim(argument);
    let mut words = vec![program.to_vec()];
    if !argument.is_empty() {
        words.push(argument.to_vec());
    }
    Ok(words)
}

fn trim(mut line: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = line
        && is_blank(*first)
    {
        line = rest;
    }
    while let [rest @ .., last] = line
        && is_blank(*last)
    {
        line = rest;
    }
    line
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn c_string(word: &[u8]) -> Result<CString, Failure> {
    CString::new(word).map_err(|_| Failure::setup("an argument holds a NUL"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines_are_read_as_the_kernel_does() {
        for (text, words) in [
            ("echo hi", vec!["/bin/sh"]),
            ("", vec!["/bin/sh"]),
            ("#!", vec!["/bin/sh"]),
            ("#!/bin/bash\necho", vec!["/bin/bash"]),
            ("#! /bin/bash  \necho", vec!["/bin/bash"]),
            (
                "#!\t/usr/bin/env\tpython3\n",
                vec!["/usr/bin/env", "python3"],
            ),
            (
                "#!/usr/bin/env -S python3 -u \n",
                vec!["/usr/bin/env", "-S python3 -u"],
            ),
            ("#!/bin/sh -e", vec!["/bin/sh", "-e"]),
            (" #!/bin/bash", vec!["/bin/sh"]),
        ] {
            let found = interpreter(text.as_bytes()).unwrap();
            let expected: Vec<Vec<u8>> =
                words.iter().map(|word| word.as_bytes().to_vec()).collect();
            assert_eq!(found, expected, "{text:?}");
        }
        assert!(matches!(
            interpreter(b"#!/bin/sh\r\necho"),
            Err(Failure::Setup(Some(127), _))
        ));
    }

    #[test]
    fn a_name_is_looked_for_in_the_path_and_a_path_is_not() {
        let invocation = |program: &str| Invocation {
            program: program.into(),
            arguments: Vec::new(),
        };
        let found = invocation("true").candidates(b"/a::/b:");
        assert_eq!(found, [PathBuf::from("/a/true"), PathBuf::from("/b/true")]);
        assert_eq!(invocation("./x").candidates(b"/a"), [PathBuf::from("./x")]);
        assert!(invocation("true").candidates(b"").is_empty());
    }
}
