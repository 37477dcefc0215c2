//! The `dtx` command.

fn main() -> std::process::ExitCode {
    dtx_cli::main_impl()
}
