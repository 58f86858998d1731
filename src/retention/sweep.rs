//! One expiry pass: what has expired, what was asked to go, and the bytes of all that.

use super::Retention;
use super::purge::Removed;
use crate::catalog::tombstones::{self, Cursor};
use crate::catalog::{Catalog, clock as database_clock};
use crate::domain::{Clock, Result, Timestamp};

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

impl Retention {
    /// Makes one pass; `progress` is told of artifacts that went and of blobs that were removed, each by
    /// number.
    ///
    /// # Errors
    /// Those of the catalog; what was done until then stays done. Bytes that cannot be removed are
    /// counted and tried again by a later pass.
    pub async fn sweep(&self, progress: impl Fn(usize)) -> Result<Swept> {
        let Self { catalog, clock, .. } = self;
        let mut expired = 0;
        let mut next = Some(Cursor::default());
        while let Some(after) = next {
            let now = earlier(catalog, clock).await?;
            let batch = catalog.write(move |db| tombstones::expire_batch(db, after, BATCH, now)).await?;
            expired += batch.gone;
            progress(batch.gone);
            next = batch.next;
        }
        for request in catalog.read(tombstones::requested_purges).await? {
            let mut next = Some(Cursor::default());
            while let Some(after) = next {
                let now = clock.now();
                let batch =
                    catalog.write(move |db| tombstones::purge_batch(db, request, after, BATCH, now)).await?;
                expired += batch.gone;
                progress(batch.gone);
                next = batch.next;
            }
        }
        let removed = self.remove_bytes(false, progress).await?;
        loop {
            let now = earlier(catalog, clock).await?;
            if catalog.write(move |db| tombstones::forget(db, BATCH, now)).await? < BATCH as usize {
                return Ok(Swept { expired, removed });
            }
        }
    }
}
