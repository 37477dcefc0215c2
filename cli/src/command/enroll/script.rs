//! What is done on a node: a POSIX shell script, read by `sh` from its standard input, so that
//! neither the login shell nor ssh's joining of words can change it.

/// What the script needs to know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The operator's public line.
    pub(super) line: &'a str,
    /// The operators file.
    pub(super) operators: &'a str,
    /// The agent's state directory.
    pub(super) agent_state: &'a str,
    /// Whether root has to be asked for.
    pub(super) sudo: bool,
}

/// The answer is one line for each fact: `dtx-enroll FACT VALUE`.
///
/// The new file takes the place of the old one in one step, with its owner and mode, so an agent
/// that reads it meanwhile sees one or the other. The key's second word alone says whether it is
/// there already, whatever names and comments stand around it.
const SCRIPT: &str = r#"set -u
umask 022
say() { printf 'dtx-enroll %s %s\n' "$1" "$2"; }
fail() { say error "$1"; exit 1; }
directory=${file%/*}
[ -n "$directory" ] || directory=/
[ -d "$directory" ] || mkdir -p "$directory" || fail "cannot make $directory"
blob=$(printf '%s\n' "$line" | cut -d' ' -f2)
if [ -e "$file" ] && [ ! -r "$file" ]; then fail "cannot read $file as $(id -un)"; fi
if [ -f "$file" ] && grep -v "^[[:space:]]*#" "$file" | grep -qF -- "$blob"; then
  say key present
else
  new=$(mktemp "$file.XXXXXX") || fail "cannot write in $directory as $(id -un)"
  trap 'rm -f "$new"' EXIT HUP INT TERM
  if [ -f "$file" ]; then
    cat "$file" > "$new" || fail "cannot copy $file"
    [ -z "$(tail -c 1 "$file")" ] || printf '\n' >> "$new"
    chown "$(stat -c %u:%g "$file")" "$new" 2>/dev/null || :
    chmod "$(stat -c %a "$file")" "$new" || fail "cannot set the mode of $new"
  else
    chmod 644 "$new" || fail "cannot set the mode of $new"
  fi
  printf '%s\n' "$line" >> "$new" || fail "cannot write $new"
  mv -f "$new" "$file" || fail "cannot replace $file"
  trap - EXIT
  say key added
fi
if [ -f "$state/name" ]; then say name "$(head -n 1 "$state/name")"; fi
if [ -f "$state/host_key.pub" ]; then say host-key "$(head -n 1 "$state/host_key.pub")"; fi
say done yes
"#;

/// The whole of standard input for `sh`.
pub(super) fn script(wanted: Wanted<'_>) -> String {
    let Wanted {
        line,
        operators,
        agent_state,
        ..
    } = wanted;
    format!(
        "line={}\nfile={}\nstate={}\n{SCRIPT}",
        quote(line),
        quote(operators),
        quote(agent_state)
    )
}

/// The words that ssh passes to the login shell there: none of them needs quoting.
pub(super) const fn remote_words(wanted: Wanted<'_>) -> &'static [&'static str] {
    if wanted.sudo {
        &["sudo", "-n", "sh", "-s"]
    } else {
        &["sh", "-s"]
    }
}

/// A word that a shell takes as it is.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;

    fn run(line: &str, operators: &Path, state: &Path) -> String {
        let wanted = Wanted {
            line,
            operators: operators.to_str().unwrap(),
            agent_state: state.to_str().unwrap(),
            sudo: false,
        };
        let mut child = Command::new("sh")
            .arg("-s")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let text = script(wanted);
        child
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    }

    #[test]
    fn adds_a_key_once() {
        let directory = tempfile::tempdir().unwrap();
        let operators = directory.path().join("it's new/operators");
        let state = directory.path().join("state");
        let line = "ssh-ed25519 AAAAone alice's key";
        assert_eq!(
            run(line, &operators, &state),
            "dtx-enroll key added\ndtx-enroll done yes\n"
        );
        assert_eq!(
            run(line, &operators, &state),
            "dtx-enroll key present\ndtx-enroll done yes\n"
        );
        assert_eq!(
            std::fs::read_to_string(&operators).unwrap(),
            format!("{line}\n")
        );
        assert_eq!(std::fs::metadata(&operators).unwrap().mode() & 0o777, 0o644);
    }

    #[test]
    fn keeps_what_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let operators = directory.path().join("operators");
        std::fs::write(&operators, "alice ssh-ed25519 AAAAold x").unwrap();
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&operators, mode).unwrap();
        std::fs::write(directory.path().join("name"), "n07\n").unwrap();
        std::fs::write(
            directory.path().join("host_key.pub"),
            "ssh-ed25519 AAAAnode n07\n",
        )
        .unwrap();
        let said = run("ssh-ed25519 AAAAnew", &operators, directory.path());
        assert_eq!(
            said,
            "dtx-enroll key added\ndtx-enroll name n07\n\
             dtx-enroll host-key ssh-ed25519 AAAAnode n07\ndtx-enroll done yes\n"
        );
        assert_eq!(
            std::fs::read_to_string(&operators).unwrap(),
            "alice ssh-ed25519 AAAAold x\nssh-ed25519 AAAAnew\n"
        );
        assert_eq!(std::fs::metadata(&operators).unwrap().mode() & 0o777, 0o600);
        let said = run(
            "ssh-ed25519 AAAAold other comment",
            &operators,
            directory.path(),
        );
        assert!(said.starts_with("dtx-enroll key present\n"), "{said}");
        let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
        assert_eq!(left.len(), 3, "{left:?}");
    }

    #[test]
    fn says_what_failed() {
        let directory = tempfile::tempdir().unwrap();
        let blocked = directory.path().join("file");
        std::fs::write(&blocked, "").unwrap();
        let said = run(
            "ssh-ed25519 AAAA",
            &blocked.join("operators"),
            directory.path(),
        );
        assert!(said.starts_with("dtx-enroll error cannot make "), "{said}");
    }
}
