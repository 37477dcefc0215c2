//! Names of environment variables, and those that give whoever sets them the command itself.

/// Variables that change which code a program runs: what the dynamic loader, the C library,
/// shells, interpreters and common tools load, preload, evaluate or look up by name. A rule
/// cannot list them; only `env = "any"` lets a request set one.
const LOADER_VARIABLES: [&str; 59] = [
    // The C library and its loader (beside `LD_*`).
    "GCONV_PATH",
    "GETCONF_DIR",
    "GLIBC_TUNABLES",
    "HOSTALIASES",
    "LOCALDOMAIN",
    "LOCPATH",
    "MALLOC_TRACE",
    "NIS_PATH",
    "NLSPATH",
    "RESOLV_HOST_CONF",
    "RES_OPTIONS",
    "TMPDIR",
    "TMP",
    "TEMP",
    "TZDIR",
    // Shells.
    "BASHOPTS",
    "BASH_ENV",
    "CDPATH",
    "ENV",
    "FPATH",
    "GLOBIGNORE",
    "IFS",
    "PATH",
    "PROMPT_COMMAND",
    "PS4",
    "SHELL",
    "SHELLOPTS",
    "ZDOTDIR",
    // Who the user is and where his files are: programs read their own settings from there.
    "HOME",
    "LOGNAME",
    "USER",
    "XDG_CONFIG_HOME",
    "XDG_CONFIG_DIRS",
    "XDG_DATA_DIRS",
    "XDG_DATA_HOME",
    // Interpreters (beside `PYTHON*`, `PERL*`, `RUBY*`, `NODE_*`, `LUA_*`).
    "CLASSPATH",
    "GEM_HOME",
    "GEM_PATH",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "_JAVA_OPTIONS",
    "PHPRC",
    "PHP_INI_SCAN_DIR",
    "TCLLIBPATH",
    // Tools that run what a variable says.
    "BROWSER",
    "EDITOR",
    "LESSOPEN",
    "LESSCLOSE",
    "MAKEFLAGS",
    "MANPAGER",
    "PAGER",
    "SYSTEMD_PAGER",
    "SUDO_ASKPASS",
    "SSH_ASKPASS",
    "VISUAL",
    "OPENSSL_CONF",
    "OPENSSL_MODULES",
    "OPENSSL_ENGINES",
    "SSLKEYLOGFILE",
];

/// Beginnings of such names.
const LOADER_PREFIXES: [&str; 13] = [
    "BASH_FUNC_",
    "DYLD_",
    "GIT_",
    "JAVA_",
    "LD_",
    "LUA_",
    "MALLOC_",
    "NODE_",
    "NPM_CONFIG_",
    "PERL",
    "PYTHON",
    "RUBY",
    "RSYNC_",
];

/// Variables that the agent itself sets for each job.
const OWN_VARIABLES: [&str; 5] = ["DTX_NODE", "DTX_RANK", "DTX_COUNT", "DTX_RUN", "DTX_JOB"];

/// Whether whoever sets this variable may decide which code runs.
#[must_use]
pub fn is_loader_variable(name: &str) -> bool {
    LOADER_VARIABLES.contains(&name)
        || LOADER_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// Whether a rule can list this name: letters, digits and `_`, no digit first.
#[must_use]
pub(crate) fn is_plain_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether the agent sets this variable itself, so that no request may.
#[must_use]
pub(crate) fn is_own_variable(name: &str) -> bool {
    OWN_VARIABLES.contains(&name)
}

/// Whether a shell would take this value for the definition of a function.
#[must_use]
pub(crate) fn is_function(value: &str) -> bool {
    value.trim_start().starts_with("()")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loader_variables_are_known() {
        for name in [
            "LD_PRELOAD",
            "LD_AUDIT",
            "LD_LIBRARY_PATH",
            "GLIBC_TUNABLES",
            "GCONV_PATH",
            "BASH_ENV",
            "ENV",
            "PATH",
            "IFS",
            "PYTHONPATH",
            "PERL5OPT",
            "RUBYOPT",
            "NODE_OPTIONS",
            "GIT_SSH_COMMAND",
            "BASH_FUNC_x%%",
            "LOCPATH",
            "NLSPATH",
            "TMPDIR",
        ] {
            assert!(is_loader_variable(name), "{name}");
        }
        for name in [
            "NCCL_DEBUG",
            "CUDA_VISIBLE_DEVICES",
            "LANG",
            "MYPATH",
            "ld_preload",
        ] {
            assert!(!is_loader_variable(name), "{name}");
        }
    }

    #[test]
    fn what_a_rule_can_list() {
        for good in ["A", "_x", "NCCL_DEBUG", "a1"] {
            assert!(is_plain_name(good), "{good}");
        }
        for bad in ["", "1A", "A=B", "A B", "A*", "BASH_FUNC_x%%", "Ä", "A\n"] {
            assert!(!is_plain_name(bad), "{bad:?}");
        }
    }
}
