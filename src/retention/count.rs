//! Counts of what is stored that read the rows of artifacts: made from time to time, by one node for all, so that nobody
//! who looks waits for them.

use super::sweep::earlier;
use super::{BATCH, Retention};
use crate::catalog::tombstones::{self, Cursor};
use crate::catalog::usage::{self, StorageCounts, Stored};
use crate::catalog::{Catalog, clock as database_clock, quotas};
use crate::domain::quota::Quota;
use crate::domain::{Clock, Error, Result, Timestamp};

/// How many of the artifacts that the next sweep deletes are listed.
const LISTED: usize = 100;

/// A day in seconds.
const DAY: u64 = 24 * 3600;

impl Retention {
    /// Counts what is stored; see [`count_storage`].
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn count_storage(&self) -> Result<StorageCounts> {
        count_storage(&self.catalog, &self.clock).await
    }
}

/// Counts what expires, what is locked and what the next sweep deletes, keeps the counts, records what projects have at
/// the beginning of a day, and warns of quotas that have become nearly used up.
///
/// # Errors
/// Those of the catalog; the counts that were kept before stand.
pub async fn count_storage(catalog: &Catalog, clock: &Clock) -> Result<StorageCounts> {
    let now = earlier(catalog, clock).await?;
    let after = |seconds| now.plus_seconds(seconds).unwrap_or(now);
    let (day, week) = (after(DAY), after(7 * DAY));
    let past = Timestamp::from_millis(i64::MIN);
    let (expired, expired_since) = catalog.read(move |db| usage::expiring(db, past, now)).await?;
    let (expiring_in_a_day, _) = catalog.read(move |db| usage::expiring(db, now, day)).await?;
    let (later, _) = catalog.read(move |db| usage::expiring(db, day, week)).await?;
    let (next_sweep, first) = count_next_sweep(catalog, now).await?;
    let full = catalog.read(quotas::nearly_used_up).await?;
    let counts = StorageCounts {
        expired,
        expired_since,
        expiring_in_a_day,
        expiring_in_a_week: expiring_in_a_day.plus(later),
        next_sweep,
        next_sweep_first: catalog.read(move |db| usage::described(db, &first)).await?,
        locked: catalog.read(usage::locked).await?,
        failed_uploads: catalog.read(usage::failed_uploads).await?,
        nearly_full: full.iter().map(|quota| quota.owner.to_string()).collect(),
    };
    let (kept, clock) = (counts.clone(), clock.clone());
    let keeping = catalog.write(move |db| {
        let before = usage::counts(db)?.map(|(before, _)| before.nearly_full).unwrap_or_default();
        let now = database_clock::shared(db, &clock)?;
        usage::merge_rows(db)?;
        usage::keep_day(db, now)?;
        usage::keep_counts(db, &kept, now)?;
        Ok::<_, Error>(before)
    });
    warn_of_new(&full, &keeping.await?);
    Ok(counts)
}

/// Counts what the next sweep deletes, in its own order and by its own statements, and returns the first IDs.
async fn count_next_sweep(catalog: &Catalog, now: Timestamp) -> Result<(Stored, Vec<i64>)> {
    let mut counted = Counted::default();
    let mut next = Some(Cursor::default());
    while let Some(after) = next {
        let part = catalog.read(move |db| {
            let part = tombstones::expired_batch(db, after, BATCH, now)?;
            let bytes = usage::size_of(db, &part.ids)?;
            Ok::<_, Error>((part, bytes))
        });
        let (part, bytes) = part.await?;
        counted.add(&part.ids, bytes);
        next = part.next;
    }
    for request in catalog.read(tombstones::requested_purges).await? {
        let mut next = Some(Cursor::default());
        while let Some(after) = next {
            let part = catalog.read(move |db| {
                let mut part = tombstones::purgeable_batch(db, request, after, BATCH)?;
                // What has expired is deleted before, and counted.
                let expired = tombstones::still_due(db, &part.ids, now)?;
                part.ids.retain(|id| !expired.contains(id));
                let bytes = usage::size_of(db, &part.ids)?;
                Ok::<_, Error>((part, bytes))
            });
            let (part, bytes) = part.await?;
            counted.add(&part.ids, bytes);
            next = part.next;
        }
    }
    Ok((counted.stored, counted.first))
}

/// What was counted so far.
#[derive(Debug, Default)]
struct Counted {
    stored: Stored,
    first: Vec<i64>,
}

impl Counted {
    fn add(&mut self, ids: &[i64], bytes: i64) {
        let artifacts = i64::try_from(ids.len()).unwrap_or(i64::MAX);
        self.stored = self.stored.plus(Stored { artifacts, bytes });
        self.first.extend(ids.iter().take(LISTED.saturating_sub(self.first.len())));
    }
}

/// Warns of quotas that were not nearly used up at the count before.
fn warn_of_new(full: &[Quota], before: &[String]) {
    for Quota { owner, max_bytes, used_bytes } in full {
        let owner = owner.to_string();
        if !before.contains(&owner) {
            tracing::warn!(
                owner,
                used_bytes,
                max_bytes,
                "four fifths of a quota are used; uploads past it are refused"
            );
        }
    }
}
