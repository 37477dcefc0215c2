//! What the standard streams are connected to, decided once.

use std::env;
use std::io::IsTerminal;
use std::os::fd::{AsFd, BorrowedFd};

/// When to use colour, as the operator wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColorChoice {
    /// On a terminal, unless the environment says otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl std::str::FromStr for ColorChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => Err(format!(
                "{text:?} is not a colour choice (auto, always, never)"
            )),
        }
    }
}

/// One output stream: where it goes and how it may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surface {
    /// A person looks at it: control characters are made visible, lines are completed.
    pub terminal: bool,
    /// Colours may be used.
    pub color: bool,
}

/// The three standard streams, as they were when dtx started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminal {
    /// Whether questions can be asked.
    pub stdin: bool,
    /// Where data goes.
    pub stdout: Surface,
    /// Where everything else goes.
    pub stderr: Surface,
    /// Both go to the same file or terminal, as with `2>&1`.
    pub joined: bool,
    /// Columns for tables.
    pub width: u16,
}

/// Columns where no terminal says how many it has.
const DEFAULT_WIDTH: u16 = 80;

impl Terminal {
    /// Looks at the standard streams and the environment.
    #[must_use]
    pub fn detect(choice: ColorChoice) -> Self {
        let environment = Environment {
            no_color: is_set("NO_COLOR"),
            force: is_set("CLICOLOR_FORCE") && env::var_os("CLICOLOR_FORCE") != Some("0".into()),
            dumb: env::var_os("TERM").is_some_and(|term| term == "dumb"),
        };
        let surface = |terminal: bool| Surface {
            terminal,
            color: use_color(choice, &environment, terminal),
        };
        Self {
            stdin: std::io::stdin().is_terminal(),
            stdout: surface(std::io::stdout().is_terminal()),
            stderr: surface(std::io::stderr().is_terminal()),
            joined: same_file(std::io::stdout().as_fd(), std::io::stderr().as_fd()),
            width: terminal_size::terminal_size().map_or(DEFAULT_WIDTH, |(width, _)| width.0),
        }
    }

    /// No terminal anywhere: what scripts and tests see.
    #[must_use]
    pub const fn none() -> Self {
        let surface = Surface {
            terminal: false,
            color: false,
        };
        Self {
            stdin: false,
            stdout: surface,
            stderr: surface,
            joined: false,
            width: DEFAULT_WIDTH,
        }
    }
}

fn same_file(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> bool {
    match (nix::sys::stat::fstat(one), nix::sys::stat::fstat(other)) {
        (Ok(one), Ok(other)) => (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino),
        _ => false,
    }
}

/// What the environment says about colour.
struct Environment {
    no_color: bool,
    force: bool,
    dumb: bool,
}

/// A variable counts when it is not empty, as <https://no-color.org> has it.
fn is_set(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| !value.is_empty())
}

fn use_color(choice: ColorChoice, environment: &Environment, terminal: bool) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto if environment.no_color => false,
        ColorChoice::Auto if environment.force => true,
        ColorChoice::Auto => terminal && !environment.dumb,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_decides_about_colour() {
        use ColorChoice::{Always, Auto, Never};
        // choice, NO_COLOR, CLICOLOR_FORCE, TERM=dumb, terminal, colour
        for (choice, no_color, force, dumb, terminal, expected) in [
            (Auto, false, false, false, true, true),
            (Auto, false, false, false, false, false),
            (Auto, true, false, false, true, false),
            (Auto, false, true, false, false, true),
            (Auto, true, true, false, false, false),
            (Auto, false, false, true, true, false),
            (Auto, false, true, true, true, true),
            (Always, true, false, true, false, true),
            (Never, false, true, false, true, false),
        ] {
            let environment = Environment {
                no_color,
                force,
                dumb,
            };
            assert_eq!(
                use_color(choice, &environment, terminal),
                expected,
                "{choice:?} NO_COLOR={no_color} CLICOLOR_FORCE={force} dumb={dumb} tty={terminal}"
            );
        }
    }
}
