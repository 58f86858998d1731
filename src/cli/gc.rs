//! `artigate gc`

use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::progress::Progress;
use super::{CommandError, Maintenance};
use crate::identity;
use crate::retention::{self, Terms};
use crate::settings::Settings;

/// What the caller wants otherwise than it is.
#[derive(Debug, Args)]
pub(super) struct Gc {
    /// How old such bytes must be; `retention.orphan_grace` by default. What somebody is just storing is
    /// spared whatever it says.
    #[arg(long, value_name = "DURATION", value_parser = super::duration)]
    grace: Option<Duration>,
    /// Remove them even if they are more than half of a store of more than 100 blobs.
    #[arg(long)]
    force: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Removes what nobody names, and finishes queued removals.
pub(super) fn run(settings: &Settings, options: &Gc) -> Result<(), CommandError> {
    let parts = Maintenance::open(settings)?;
    let terms = Terms { grace: options.grace.unwrap_or(settings.orphan_grace), force: options.force };
    let progress = Progress::new("looking through the store", Some(retention::STEPS));
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
            "{} queued removals carried out, {} could not be; {orphans} blobs without a row and {unfinished} \
             unfinished uploads removed, {bytes} bytes; {spared} that somebody is at work on spared",
            removed.blobs, removed.failed
        );
    }
    Ok(())
}
