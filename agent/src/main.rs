//! `dtx-agent`: see the library.

fn main() -> std::process::ExitCode {
    dtx_agent::main_impl()
}
