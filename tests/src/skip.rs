//! What a machine cannot do is said, never passed over in silence; on CI it must be on the list.

/// The skips that CI allows: `test name: reason`, one a line.
const ALLOWED: &str = include_str!("../allowed-skips.txt");

/// The name of the test that runs on this thread.
#[must_use]
pub fn test_name() -> String {
    match std::thread::current().name() {
        Some(name) if name != "main" => name.to_owned(),
        _ => std::env::var("NEXTEST_TEST_NAME").unwrap_or_else(|_| "main".to_owned()),
    }
}

/// Whether this is CI, on a machine that can do everything the lab asks for.
#[must_use]
pub fn on_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true") && nix::unistd::geteuid().is_root()
}

/// Whether the slow tier was asked for.
#[must_use]
pub fn slow_tier() -> bool {
    std::env::var_os("DTX_SLOW").is_some_and(|value| value == "1")
}

/// Prints that the running test is skipped, and why.
///
/// # Panics
///
/// On CI, unless the test is listed in `allowed-skips.txt`.
pub fn skipped(reason: &str) {
    let test = test_name();
    println!("skipped: {test}: {reason}");
    assert!(
        !on_ci() || is_allowed(ALLOWED, &test),
        "{test} was skipped on CI ({reason}) and is not in allowed-skips.txt"
    );
}

/// Whether the running test belongs to the slow tier that was not asked for; says so.
#[must_use]
pub fn left_to_slow_tier() -> bool {
    if !slow_tier() {
        println!("left to the slow tier (DTX_SLOW=1): {}", test_name());
    }
    !slow_tier()
}

fn is_allowed(list: &str, test: &str) -> bool {
    list.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| {
            line.split_once(':')
                .filter(|(_, why)| !why.trim().is_empty())
        })
        .any(|(name, _)| name.trim() == test.replace("::", "/") || name.trim() == test)
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn a_listed_skip_needs_a_reason() {
        let list = "# comment\nkill/cgroups: no cgroup v2 here\nbare:\n";
        assert!(is_allowed(list, "kill/cgroups"));
        assert!(is_allowed(list, "kill::cgroups"));
        assert!(!is_allowed(list, "bare"));
        assert!(!is_allowed(list, "other"));
    }
}
