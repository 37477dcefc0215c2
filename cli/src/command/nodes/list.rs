//! Asking everyone.

use std::time::{SystemTime, UNIX_EPOCH};

use dtx_client::cluster::{Cluster, SelectError, Selection, Targets};
use dtx_proto_types::node::natural_cmp;

use super::row::{Asked, Row};
use crate::error::{Failure, Kind};

/// Everyone who is here, silent or new; an empty list where nobody is.
///
/// # Errors
///
/// If nobody can be asked.
pub(super) async fn list(cluster: &Cluster) -> Result<(Selection, Vec<Row>), Failure> {
    let selection = match cluster.select(&Targets::All, &[]).await {
        Ok(selection) => selection,
        Err(SelectError::Empty(_)) => return Ok((Selection::default(), Vec::new())),
        Err(error) => return Err(Failure::hinted(Kind::Target, error)),
    };
    let from_ms = now_ms();
    let pongs = cluster.ping(&selection).await;
    let asked = Asked {
        from_ms,
        until_ms: now_ms(),
    };
    let mut rows: Vec<_> = selection
        .nodes
        .iter()
        .zip(&pongs)
        .map(|(selected, pong)| {
            let is_silent = selection.silent.contains(&selected.node);
            Row::asked(selected, pong, asked, is_silent)
        })
        .chain(selection.new.iter().map(Row::new))
        .collect();
    rows.sort_by(|a, b| (a.state.cmp(&b.state)).then_with(|| natural_cmp(&a.node, &b.node)));
    Ok((selection, rows))
}

/// Our clock, in milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
