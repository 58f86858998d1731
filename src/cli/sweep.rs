//! `artigate sweep`

use serde_json::json;

use super::progress::Progress;
use super::{CommandError, Parts};
use crate::domain::Clock;
use crate::retention;
use crate::settings::Settings;

/// Makes one expiry pass.
pub(super) fn run(settings: &Settings, as_json: bool) -> Result<(), CommandError> {
    let parts = Parts::open(settings)?;
    let progress = Progress::new("artifacts expired and blobs removed", None);
    let sweeping =
        retention::sweep(&parts.catalog, &parts.store, &Clock::System, |done| progress.advance(done));
    let swept = parts.block_on(sweeping);
    progress.finish();
    let swept = swept?;
    let (expired, removed, failed) = (swept.expired, swept.removed.blobs, swept.removed.failed);
    if as_json {
        println!("{}", json!({ "expired": expired, "removed": removed, "failed": failed }));
    } else {
        println!("{expired} artifacts expired, {removed} blobs removed, {failed} could not be");
    }
    Ok(())
}
