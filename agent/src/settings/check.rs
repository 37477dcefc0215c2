//! `dtx-agent check`: what an agent with these settings would go by.

use std::io::Write;
use std::process::ExitCode;

use crate::args::Serve;
use crate::settings::Settings;
use crate::trust::{SystemClock, Trust, TrustConfig};

/// Reads configuration, operators and policy and says what was found. Exit status 0, or 2 if
/// something is wrong.
#[must_use]
pub fn check(serve: Serve, print: bool) -> ExitCode {
    let mut text = String::new();
    let good = report(serve, print, &mut text);
    drop(std::io::stdout().write_all(text.as_bytes()));
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(crate::USAGE)
    }
}

fn report(serve: Serve, print: bool, text: &mut String) -> bool {
    let settings = match Settings::load(serve) {
        Ok(settings) => settings,
        Err(error) => {
            *text += &format!("configuration: {error}\n");
            return false;
        }
    };
    if print {
        for (key, value, origin) in &settings.origins {
            *text += &format!("{key} = {value}  # {origin}\n");
        }
    }
    *text += "configuration: ok\n";
    let mut trust = Trust::new(
        TrustConfig {
            operators: settings.operators.clone(),
            policy: settings.policy.0.clone(),
            explicit_policy: settings.policy.1,
            node: settings
                .name
                .clone()
                .unwrap_or_else(|| "localhost".parse().expect("a name")),
            cluster: settings.cluster.clone(),
            labels: settings.labels.clone(),
            agent_user: String::new(),
            agent_is_root: nix::unistd::geteuid().is_root(),
            max_grant: settings.max_grant,
        },
        Box::new(SystemClock),
    );
    let (good, lines) = trust.report();
    for line in lines {
        *text += &line;
        text.push('\n');
    }
    good
}
