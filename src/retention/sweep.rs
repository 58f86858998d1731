//! One expiry pass: what has expired, what was asked to go, and the bytes of all that.

use super::remove::{Removed, remove_bytes};
use crate::catalog::deletions::{self, Cursor};
use crate::catalog::{Catalog, clock as database_clock};
use crate::domain::{Clock, Result, Timestamp};
use crate::store::Store;

/// How many artifacts a transaction looks at: long enough to be fast, short enough that writers
/// who wait for it do not notice.
const BATCH: i64 = 1_000;

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Artifacts that readers no longer find.
    pub expired: usize,
    /// What was removed from the store.
    pub removed: Removed,
}

/// The time by this node's clock or the database's, whichever is behind: what is removed cannot be brought
/// back because a clock went wrong. A clock that is set by hand counts alone.
async fn earlier(catalog: &Catalog, clock: &Clock) -> Result<Timestamp> {
    match clock {
        Clock::Manual(_) => Ok(clock.now()),
        Clock::System => Ok(clock.now().min(catalog.read(database_clock::now).await?)),
    }
}

/// Makes one pass; `progress` is told of artifacts that went and of blobs that were removed, each by
/// number.
///
/// # Errors
/// Those of the catalog; what was done until then stays done. Bytes that cannot be removed are
/// counted and tried again by a later pass.
pub async fn sweep(
    catalog: &Catalog,
    store: &Store,
    clock: &Clock,
    progress: impl Fn(usize),
) -> Result<Swept> {
    let mut expired = 0;
    let mut next = Some(Cursor::default());
    while let Some(after) = next {
        let now = earlier(catalog, clock).await?;
        let batch = catalog.write(move |db| deletions::expire_batch(db, after, BATCH, now)).await?;
        expired += batch.gone;
        progress(batch.gone);
        next = batch.next;
    }
    for request in catalog.read(deletions::requested_purges).await? {
        let mut next = Some(Cursor::default());
        while let Some(after) = next {
            let now = clock.now();
            let batch =
                catalog.write(move |db| deletions::purge_batch(db, request, after, BATCH, now)).await?;
            expired += batch.gone;
            progress(batch.gone);
            next = batch.next;
        }
    }
    let removed = remove_bytes(catalog, store, clock, false, progress).await?;
    Ok(Swept { expired, removed })
}
