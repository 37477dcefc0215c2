//! What a rule lets run.

use crate::argv;
use crate::error::PolicyError;
use crate::pattern::Pattern;
use crate::rule::{Grant, Run};

use super::items::argv_pattern;
use super::section::Value;

const KEYS: [&str; 7] = [
    "shell", "exec", "script", "control", "stdin", "cwd", "detach",
];

pub(super) fn run(value: Value<'_>) -> Result<Run, PolicyError> {
    let mut section = value.section("`run`", &KEYS)?;
    if section.is_empty() {
        return Err(section.error("`run` is empty: it grants nothing"));
    }
    let flag = |value: Option<Value<'_>>| value.map_or(Ok(false), |value| value.boolean());
    Ok(Run {
        shell: grant(section.take("shell"), "`shell`", shell_pattern)?,
        exec: grant(section.take("exec"), "`exec`", argv_pattern)?,
        script: grant(section.take("script"), "`script`", script_digest)?,
        cwd: grant(section.take("cwd"), "`cwd`", directory)?,
        control: flag(section.take("control"))?,
        stdin: flag(section.take("stdin"))?,
        detach: flag(section.take("detach"))?,
    })
}

/// `"any"`, or a list.
fn grant<'t, T>(
    value: Option<Value<'t>>,
    what: &str,
    parse: impl Fn(Value<'t>) -> Result<T, PolicyError>,
) -> Result<Grant<T>, PolicyError> {
    let Some(value) = value else {
        return Ok(Grant::default());
    };
    if value.is_any() {
        return Ok(Grant::Any);
    }
    let list = value.list(&format!("{what}, if not \"any\","))?;
    let items = list.into_iter().map(parse).collect::<Result<_, _>>()?;
    Ok(Grant::Only(items))
}

fn shell_pattern(value: Value<'_>) -> Result<Pattern, PolicyError> {
    let text = value.string("a pattern")?;
    if text == "any" {
        return Err(value.error("\"any\" stands alone: shell = \"any\""));
    }
    Pattern::new(text).map_err(|error| value.error(error.to_string()))
}

fn script_digest(value: Value<'_>) -> Result<[u8; 32], PolicyError> {
    let text = value.string("a digest")?;
    text.strip_prefix("sha256:").and_then(hex).ok_or_else(|| {
        value.error("a script is listed as \"sha256:\" and what `sha256sum` prints for it")
    })
}

fn hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

fn directory(value: Value<'_>) -> Result<String, PolicyError> {
    let text = value.string("a directory")?;
    if argv::is_plain_path(text) {
        Ok(text.to_owned())
    } else {
        Err(value.error("a directory is an absolute path without `.`, `..` or a `/` at its end"))
    }
}
