//! `dtx keys`: your key, and those of nodes.

use std::collections::BTreeSet;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use dtx_client::identity::generate_key_file;
use dtx_client::pins::{KnownNodes, SYSTEM_FILE};
use dtx_client::state::StateDir;
use dtx_proto_types::node::{NodeName, fold_names};

use super::targets::selectors;
use super::{Context, login_name};
use crate::args::{KeysArgs, KeysCommand};
use crate::error::{Context as Doing, Failure, Kind};
use crate::exit_code;
use crate::report::{Column, grid};
use crate::style::Tone;

/// Shows, makes or forgets keys.
///
/// # Errors
///
/// If a key cannot be read or written.
pub fn keys(context: &Context, args: &KeysArgs) -> Result<u8, Failure> {
    match &args.command {
        KeysCommand::Show => show(context),
        KeysCommand::New { file, comment } => new(context, file.as_deref(), comment.as_deref()),
        KeysCommand::Forget { nodes } => forget(context, nodes),
    }
}

/// Reads the pinned keys.
pub(super) fn known_nodes(context: &Context) -> Result<KnownNodes, Failure> {
    let dir = StateDir::new(&context.settings.state_dir);
    KnownNodes::load(&dir, Path::new(SYSTEM_FILE))
        .map_err(|error| Failure::hinted(Kind::Configuration, error))
}

fn show(context: &Context) -> Result<u8, Failure> {
    let color = context.terminal.stdout.color;
    let identity = context.block_on(async { context.identity().await });
    if let Ok(identity) = &identity {
        context.print([
            format!(
                "{} {}",
                Tone::Heading.paint("your key", color),
                Tone::Node.paint(identity.fingerprint(), color)
            ),
            format!("  from {}", identity.origin()),
            format!("  {}", identity.public_line()),
        ])?;
    }
    let cluster = &context.settings.cluster;
    let known = known_nodes(context)?.nodes(cluster);
    let heading = format!(
        "nodes of the cluster {cluster:?} with pinned keys: {}",
        known.len()
    );
    context.print([Tone::Heading.paint(heading, color)])?;
    let rows = known.iter().flat_map(|(node, keys)| {
        keys.iter()
            .map(move |key| vec![format!("  {node}"), key.to_string()])
    });
    let columns = [Column::left("  node"), Column::left("key")];
    context.print(grid(&columns, rows, None).iter().skip(1))?;
    identity.map(|_| exit_code::OK)
}

fn new(context: &Context, file: Option<&Path>, comment: Option<&str>) -> Result<u8, Failure> {
    let path = file.map_or_else(|| default_path(context), |path| Ok(path.to_owned()))?;
    let comment = comment.map_or_else(own_comment, |text| Ok(text.to_owned()))?;
    let made = generate_key_file(&path, &comment)
        .map_err(|error| Failure::hinted(Kind::Identity, error))?;
    let color = context.terminal.stdout.color;
    let name = path.display();
    context.print([
        format!(
            "{} {} in {name}",
            Tone::Heading.paint("new key", color),
            Tone::Node.paint(made.fingerprint, color)
        ),
        format!("  {}", made.public_line),
    ])?;
    context.tell(format_args!(
        "hint: it has no passphrase; set one with `ssh-keygen -p -f {name}`"
    ));
    context.tell("hint: put it on nodes with `dtx enroll -w SET`, or its line into their images");
    Ok(exit_code::OK)
}

/// Where `ssh` looks for it, in a directory made as `ssh-keygen` would.
fn default_path(context: &Context) -> Result<PathBuf, Failure> {
    let Some(home) = context.environment.path("HOME") else {
        let failure = Failure::new(Kind::Usage, "there is no home directory to put a key into");
        return Err(failure.hint("name a file: `dtx keys new FILE`"));
    };
    let directory = home.join(".ssh");
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&directory)
        .map_err(|error| Failure::new(Kind::Identity, Doing("~/.ssh cannot be made", error)))?;
    Ok(directory.join("id_ed25519"))
}

fn own_comment() -> Result<String, Failure> {
    let host = nix::unistd::gethostname().unwrap_or_default();
    Ok(format!("{}@{}", login_name()?, host.to_string_lossy()))
}

fn forget(context: &Context, texts: &[String]) -> Result<u8, Failure> {
    let nodes = selectors(texts, &mut std::io::stdin())?;
    let nodes: BTreeSet<NodeName> = nodes.iter().cloned().collect();
    let mut known = known_nodes(context)?;
    let forgotten = known
        .forget(&context.settings.cluster, &nodes)
        .map_err(|error| Failure::hinted(Kind::Configuration, error))?;
    for (node, path, line) in &forgotten.kept {
        let word = Tone::Notice.paint("warning", context.terminal.stderr.color);
        let path = path.display();
        context.tell(format_args!(
            "{word}: {node} is pinned in line {line} of {path}, which dtx does not write"
        ));
    }
    let missing: Vec<_> = nodes.difference(&forgotten.nodes).collect();
    if !forgotten.nodes.is_empty() {
        context.print([format!("forgotten: {}", fold_names(&forgotten.nodes))])?;
    }
    if missing.is_empty() {
        return Ok(exit_code::OK);
    }
    let text = format!("no key is pinned for {}", fold_names(missing));
    Err(Failure::new(Kind::Target, text).hint("see which are: `dtx keys show`"))
}
