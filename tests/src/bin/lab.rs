//! What a lab starts on the machine: `hold` and `init` keep its namespaces, `enter` starts a
//! program on one of its hosts, `relay` passes bytes on, faithfully or not;
//! `send`, `listen`, `echo` and `call` try the network out, `clock` times a program, and `forge`,
//! `early` and `spoof` say what nobody should believe.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["hold"] => dtx_tests::holder::hold(),
        ["init", plan] => dtx_tests::holder::init(plan),
        ["enter", ..] => {
            let cut = words
                .iter()
                .position(|word| *word == "--")
                .unwrap_or(words.len());
            let program = arguments.get(cut + 1..).unwrap_or_default();
            dtx_tests::holder::enter(&arguments[1..cut], program)
        }
        ["relay", listen, forward] => dtx_tests::relay::serve(listen, forward),
        ["send", group, count] => dtx_tests::probe::send(group, count),
        ["listen", group, interface, quiet] => dtx_tests::probe::listen(group, interface, quiet),
        ["clock", ..] => dtx_tests::probe::clock(&arguments[1..]),
        ["forge", n1, n2] => dtx_tests::forge::forge(n1, n2),
        ["early", n1] => dtx_tests::forge::early(n1),
        ["spoof", real, addresses @ ..] => dtx_tests::spoof::spoof(real, addresses),
        ["echo", listen] => dtx_tests::probe::echo(listen),
        ["call", address] => dtx_tests::probe::call(address),
        _ => Err(std::io::Error::other(
            "hold | init PLAN | enter … | relay LISTEN FORWARD | send … | listen … | clock … | \
             forge … | early … | spoof … | echo … | call …",
        )),
    };
    result.unwrap_or_else(|error| {
        eprintln!("dtx-lab: {error}");
        ExitCode::from(125)
    })
}
