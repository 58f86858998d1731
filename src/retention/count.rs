//! Counts of what is stored that read the rows of artifacts: made from time to time, by one node for all, so that nobody
//! who looks waits for them.

use super::Retention;
use super::next_sweep::NextSweep;
use super::sweep::earlier;
use crate::catalog::usage::{self, StorageCounts, Stored};
use crate::catalog::{Catalog, clock as database_clock, quotas, sessions};
use crate::domain::artifact::ArtifactKind;
use crate::domain::quota::Quota;
use crate::domain::{Clock, Error, Result, Timestamp};
use crate::metrics::Totals;

/// A day in seconds.
const DAY: u64 = 24 * 3600;

impl Retention {
    /// Counts what is stored; see [`count_storage`].
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn count_storage(&self) -> Result<StorageCounts> {
        count_storage(&self.catalog, &self.clock, self.cache_bytes).await
    }

    /// Shows in the metrics what the counters say, and what was counted last, by whatever node.
    ///
    /// # Errors
    /// Those of the catalog; the metrics stay as they were.
    pub async fn show_totals(&self) -> Result<Totals> {
        let now = self.clock.now();
        let reading = self.catalog.read(move |db| {
            let (by_kind, marked, counts) = (usage::by_kind(db)?, usage::marked(db)?, usage::counts(db)?);
            Ok::<_, Error>((by_kind, marked, counts, sessions::count(db, now)?))
        });
        let (by_kind, marked, counted, sessions) = reading.await?;
        let of_kind = |kind: &ArtifactKind| {
            let found = by_kind.iter().find(|(of, _)| of == kind);
            let Stored { artifacts, bytes } = found.map(|(_, stored)| *stored).unwrap_or_default();
            (kind.as_str(), artifacts, bytes)
        };
        let (counts, counted_at) = counted.unzip();
        let counts: StorageCounts = counts.unwrap_or_default();
        let lag = |since: Timestamp| {
            let counted_at = counted_at.unwrap_or(since);
            ((counted_at.as_millis() - since.as_millis()) / 1000).max(1)
        };
        let totals = Totals {
            by_type: ArtifactKind::ALL.iter().map(of_kind).collect(),
            expired_waiting: counts.overdue.artifacts,
            expired_waiting_bytes: counts.overdue.bytes,
            sweep_lag_seconds: counts.overdue_since.map_or(0, lag),
            deletions_pending: marked.plus(counts.leftovers).artifacts,
            sessions,
            quotas_nearly_full: i64::try_from(counts.nearly_full.len()).unwrap_or(i64::MAX),
        };
        self.gauges.set(&totals);
        Ok(totals)
    }
}

/// Counts what expires, what is locked and what the next sweep deletes, keeps the counts, records what projects have at
/// the beginning of a day, and warns of quotas that have become nearly used up.
///
/// `cache_bytes` is what copies from an upstream may take, if there is one.
///
/// # Errors
/// Those of the catalog; the counts that were kept before stand.
pub async fn count_storage(
    catalog: &Catalog,
    clock: &Clock,
    cache_bytes: Option<u64>,
) -> Result<StorageCounts> {
    let now = earlier(catalog, clock).await?;
    let after = |seconds| now.plus_seconds(seconds).unwrap_or(now);
    let (day, week) = (after(DAY), after(7 * DAY));
    let past = Timestamp::from_millis(i64::MIN);
    let (expired, expired_since) = catalog.read(move |db| usage::expiring(db, past, now)).await?;
    let (expiring_in_a_day, _) = catalog.read(move |db| usage::expiring(db, now, day)).await?;
    let (later, _) = catalog.read(move |db| usage::expiring(db, day, week)).await?;
    let next_sweep = NextSweep::count(catalog, cache_bytes, now).await?;
    let first = next_sweep.first;
    let full = catalog.read(quotas::nearly_used_up).await?;
    let (unfinished_uploads, unfinished_since) = catalog.read(usage::unfinished_uploads).await?;
    let counts = StorageCounts {
        expired,
        expired_since,
        overdue: next_sweep.overdue,
        overdue_since: next_sweep.overdue_since,
        expiring_in_a_day,
        expiring_in_a_week: expiring_in_a_day.plus(later),
        next_sweep: next_sweep.overdue.plus(next_sweep.others),
        next_sweep_first: catalog.read(move |db| usage::described(db, &first)).await?,
        locked: catalog.read(usage::locked).await?,
        failed_uploads: catalog.read(usage::failed_uploads).await?,
        unfinished_uploads,
        unfinished_since,
        waiting_since: catalog.read(usage::waiting_since).await?,
        leftovers: catalog.read(usage::leftovers).await?,
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
