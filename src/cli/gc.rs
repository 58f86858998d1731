//! `artigate gc`: deletes blobs that no row references and carries out queued deletions.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::progress::Progress;
use super::{CommandError, Maintenance};
use crate::identity;
use crate::retention::{self, Terms};
use crate::settings::Settings;

/// The options of `artigate gc`.
#[derive(Debug, Args)]
pub(super) struct Gc {
    /// Minimum age of a blob without a row; `retention.orphan_grace` by default. Uploads in progress are kept
    /// at any age.
    #[arg(long, value_name = "DURATION", value_parser = super::duration)]
    grace: Option<Duration>,
    /// Delete even more than half of the blobs of a store that holds more than 100.
    #[arg(long)]
    force: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Deletes blobs that no row references and unfinished uploads, and carries out queued deletions.
pub(super) fn run(settings: &Settings, options: &Gc) -> Result<(), CommandError> {
    let parts = Maintenance::open(settings)?;
    let terms = Terms { grace: options.grace.unwrap_or(settings.orphan_grace), force: options.force };
    let progress = Progress::new("scanning the store", Some(retention::STEPS));
    let collected: Result<_, CommandError> = parts.block_on(async {
        let agreed = identity::check(&parts.catalog, &parts.store, settings).await;
        let agreed = agreed.map_err(CommandError::startup)?;
        Ok::<_, CommandError>(parts.retention.collect(&agreed, terms, || progress.advance(1)).await?)
    });
    progress.finish();
    let retention::Collected { removed, orphans, unfinished, bytes, spared } = collected?;
    if options.json {
        println!(
            "{}",
            json!({ "removed": removed.blobs, "failed": removed.failed, "orphans": orphans, "unfinished": unfinished, "bytes": bytes, "spared": spared })
        );
    } else {
        println!(
            "{} queued deletions carried out, {} failed; {orphans} blobs without a row and {unfinished} \
             unfinished uploads deleted, {bytes} bytes; {spared} in use kept",
            removed.blobs, removed.failed
        );
    }
    Ok(())
}
