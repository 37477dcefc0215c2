//! From the process's arguments to its exit status.

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Command, GlobalArgs};
use crate::command::{self, Context};
use crate::error::{Context as Doing, Failure, Kind};
use crate::exit_code;
use crate::report::{Console, Verbosity};
use crate::settings::{Environment, Settings};
use crate::terminal::Terminal;

/// Runs the command of this process's arguments.
#[must_use]
pub fn main_impl() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help that nobody reads is no error of ours.
            let _nobody = error.print();
            return exit_code::exit(u8::try_from(error.exit_code()).unwrap_or(1));
        }
    };
    match dispatch(&arguments) {
        Ok(status) => exit_code::exit(status),
        Err(failure) => {
            let color = arguments.global.color.unwrap_or_default();
            let terminal = Terminal::detect(color);
            failure.render(&mut std::io::stderr(), terminal.stderr);
            exit_code::exit(failure.exit_code())
        }
    }
}

fn dispatch(arguments: &Arguments) -> Result<u8, Failure> {
    let global = &arguments.global;
    match &arguments.command {
        Command::Run(args) => command::run(context(global)?, args),
        Command::Ping(args) => command::ping(context(global)?, args),
        Command::Policy(args) => command::policy(&context(global)?, args),
        Command::Nodes(args) => command::nodes(context(global)?, args),
        Command::Keys(args) => command::keys(&context(global)?, args),
        Command::Enroll(args) => command::enroll(&context(global)?, args),
        Command::Doctor(args) => command::doctor(&context(global)?, args),
        Command::Demo(args) => command::demo(context(global)?, args),
        Command::DemoKeeper(args) => command::demo_keeper(args),
    }
}

fn context(global: &GlobalArgs) -> Result<Context, Failure> {
    let environment = Environment::of_process();
    let settings = Settings::load(global, &environment)
        .map_err(|error| Failure::hinted(Kind::Configuration, error))?;
    let console = Console::standard()
        .map_err(|error| Failure::new(Kind::Local, Doing("there is no output", error)))?;
    Ok(Context {
        terminal: Terminal::detect(settings.color),
        verbosity: match (global.quiet, global.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, 0) => Verbosity::Normal,
            (false, _) => Verbosity::Verbose,
        },
        settings,
        environment,
        console,
    })
}
