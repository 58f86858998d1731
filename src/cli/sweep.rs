//! `artigate sweep`: one expiry pass.

use serde_json::json;

use super::progress::Progress;
use super::{CommandError, Maintenance};
use crate::settings::Settings;

/// Runs one expiry pass.
pub(super) fn run(settings: &Settings, as_json: bool) -> Result<(), CommandError> {
    let parts = Maintenance::open(settings)?;
    let progress = Progress::new("artifacts expired and blobs deleted", None);
    let swept = parts.block_on(parts.retention.sweep(|done| progress.advance(done)));
    progress.finish();
    let swept = swept?;
    let (expired, removed, failed) = (swept.expired, swept.removed.blobs, swept.removed.failed);
    if as_json {
        println!("{}", json!({ "expired": expired, "removed": removed, "failed": failed }));
    } else {
        println!("{expired} artifacts expired, {removed} blobs deleted, {failed} failed");
    }
    Ok(())
}
