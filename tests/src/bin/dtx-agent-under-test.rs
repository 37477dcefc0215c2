//! `dtx-agent`, built beside the tests that drive it.

fn main() -> std::process::ExitCode {
    dtx_agent::main_impl()
}
