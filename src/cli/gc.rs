//! `artigate gc`

use std::time::Duration;

use serde_json::json;

use super::progress::Progress;
use super::{CommandError, Parts};
use crate::domain::Clock;
use crate::retention;
use crate::settings::Settings;
use crate::store::SHARDS;

/// Removes what nobody names, and finishes queued removals.
pub(super) fn run(settings: &Settings, grace: Option<Duration>, as_json: bool) -> Result<(), CommandError> {
    let parts = Parts::open(settings)?;
    let grace = grace.unwrap_or(settings.orphan_grace);
    let progress = Progress::new("looking through the store", Some(SHARDS.into()));
    let collecting =
        retention::collect(&parts.catalog, &parts.store, &Clock::System, grace, || progress.advance(1));
    let collected = parts.block_on(collecting);
    progress.finish();
    let collected = collected?;
    let retention::Collected { removed, orphans, unfinished, bytes } = collected;
    match as_json {
        true => println!(
            "{}",
            json!({ "removed": removed.blobs, "failed": removed.failed, "orphans": orphans, "unfinished": unfinished, "bytes": bytes })
        ),
        false => println!(
            "{} queued removals carried out, {} could not be; {orphans} blobs without a row and {unfinished} \
             unfinished uploads removed, {bytes} bytes",
            removed.blobs, removed.failed
        ),
    }
    Ok(())
}
