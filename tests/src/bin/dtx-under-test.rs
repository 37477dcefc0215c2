//! `dtx`, built beside the tests that drive it.

fn main() -> std::process::ExitCode {
    dtx_cli::main_impl()
}
