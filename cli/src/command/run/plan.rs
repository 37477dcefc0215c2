//! How a run is shown: from flags, settings and the terminal to a plan.

use std::path::PathBuf;

use dtx_client::cluster::OUTPUT_BYTES;

use crate::args::{ByteLimit, OutputArgs};
use crate::error::{Failure, Kind};
use crate::report::{Format, Plan, Verbosity};

/// Decides how a run is shown.
///
/// # Errors
///
/// If the flags contradict each other.
pub(super) fn plan(
    args: &OutputArgs,
    configured: Option<Format>,
    on_terminal: bool,
    verbosity: Verbosity,
) -> Result<Plan, Failure> {
    let folds = args.fold || args.fold_stderr || args.diff;
    let format = match (args.output, folds) {
        (Some(Format::Fold) | None, true) => Format::Fold,
        (Some(_), true) => {
            let text = "-b, -B and --diff fold the output; another -o cannot be had with them";
            return Err(Failure::new(Kind::Usage, text));
        }
        (Some(format), false) => format,
        (None, false) => configured.unwrap_or(if on_terminal {
            Format::Fold
        } else {
            Format::Lines
        }),
    };
    if args.outdir.is_some() && same_directory(&args.outdir, &args.errdir) {
        let text = "--outdir and --errdir are the same directory, and a node has one name";
        return Err(Failure::new(Kind::Usage, text));
    }
    Ok(Plan {
        format,
        fold_stderr: args.fold_stderr,
        by_name: args.by_name,
        label: !args.no_label,
        diff: args.diff,
        limit: args
            .max_output
            .map_or(Some(OUTPUT_BYTES), |ByteLimit(limit)| limit),
        outdir: args.outdir.clone(),
        errdir: args.errdir.clone(),
        verbosity,
    })
}

fn same_directory(one: &Option<PathBuf>, other: &Option<PathBuf>) -> bool {
    let real = |path: &Option<PathBuf>| {
        path.as_ref()
            .map(|path| path.canonicalize().unwrap_or_else(|_| path.clone()))
    };
    real(one) == real(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> OutputArgs {
        OutputArgs {
            output: None,
            fold: false,
            fold_stderr: false,
            by_name: false,
            no_label: false,
            diff: false,
            outdir: None,
            errdir: None,
            max_output: None,
            remote_code: false,
        }
    }

    fn format(args: &OutputArgs, configured: Option<Format>, terminal: bool) -> Option<Format> {
        plan(args, configured, terminal, Verbosity::Normal)
            .ok()
            .map(|plan| plan.format)
    }

    #[test]
    fn which_format() {
        let output = |output| OutputArgs {
            output: Some(output),
            ..args()
        };
        let fold = OutputArgs {
            fold: true,
            ..args()
        };
        let json_folded = OutputArgs {
            diff: true,
            ..output(Format::Json)
        };
        let table = Some(Format::Table);
        for (args, configured, terminal, expected) in [
            (args(), None, true, Some(Format::Fold)),
            (args(), None, false, Some(Format::Lines)),
            (args(), table, true, table),
            (args(), table, false, table),
            (output(Format::Json), table, true, Some(Format::Json)),
            (fold, table, false, Some(Format::Fold)),
            (json_folded, None, false, None),
        ] {
            assert_eq!(format(&args, configured, terminal), expected, "{args:?}");
        }
    }

    #[test]
    fn limits_and_directories() {
        let limit = |max_output| {
            let args = OutputArgs {
                max_output,
                ..args()
            };
            plan(&args, None, true, Verbosity::Normal).unwrap().limit
        };
        assert_eq!(limit(None), Some(16 * 1024 * 1024));
        assert_eq!(limit(Some(ByteLimit(Some(5)))), Some(5));
        assert_eq!(limit(Some(ByteLimit(None))), None);
        let same = OutputArgs {
            outdir: Some("x".into()),
            errdir: Some("x".into()),
            ..args()
        };
        assert!(plan(&same, None, true, Verbosity::Normal).is_err());
    }
}
