//! Counting shows the totals of the catalog in the metrics: in the background, a slice at a time, never when
//! somebody asks for them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Retention;
use super::sweep::earlier;
use crate::catalog::due::{self, Cursor};
use crate::catalog::totals;
use crate::domain::Result;
use crate::domain::artifact::ArtifactKind;
use crate::metrics::Totals;

/// How often the totals are counted.
const INTERVAL: Duration = Duration::from_secs(5 * 60);

/// Rows of a statement: some milliseconds of work.
const SLICE: i64 = 10_000;

/// The number of expired artifacts per statement.
const BATCH: i64 = 1_000;

/// The pause between two statements, so that a count takes no connection for long.
const PAUSE: Duration = Duration::from_millis(20);

impl Retention {
    /// Counts every five minutes, for as long as it is polled. A failure is logged, and the totals stay as they
    /// were.
    pub async fn count_forever(self) {
        let mut timer = tokio::time::interval(INTERVAL);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            timer.tick().await;
            if let Err(error) = self.count(PAUSE).await {
                tracing::warn!(causes = error.source_chain(), "the totals for the metrics were not counted");
            }
        }
    }

    /// Counts once and shows the totals in the metrics; pauses between statements.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn count(&self, pause: Duration) -> Result<Totals> {
        let mut totals = Totals { by_type: self.count_kinds(pause).await?, ..Totals::default() };
        self.count_waiting(pause, &mut totals).await?;
        totals.deletions_pending = self.catalog.read(totals::deletions_pending).await?;
        self.gauges.set(&totals);
        Ok(totals)
    }

    async fn count_kinds(&self, pause: Duration) -> Result<Vec<(&'static str, i64, i64)>> {
        let mut sums: BTreeMap<String, (i64, i64)> = BTreeMap::new();
        let mut next = Some(0);
        while let Some(after) = next {
            let (slice, last) = self.catalog.read(move |db| totals::slice(db, after, SLICE)).await?;
            for total in slice {
                let (artifacts, bytes) = sums.entry(total.kind).or_default();
                (*artifacts, *bytes) = (*artifacts + total.artifacts, bytes.saturating_add(total.bytes));
            }
            next = last;
            tokio::time::sleep(pause).await;
        }
        let sum = |kind: &ArtifactKind| {
            let (artifacts, bytes) = sums.get(kind.as_str()).copied().unwrap_or_default();
            (kind.as_str(), artifacts, bytes)
        };
        Ok(ArtifactKind::ALL.iter().map(sum).collect())
    }

    async fn count_waiting(&self, pause: Duration, totals: &mut Totals) -> Result<()> {
        let now = earlier(&self.catalog, &self.clock).await?;
        let mut next = Some(Cursor::default());
        while let Some(after) = next {
            let batch = self.catalog.read(move |db| due::waiting_batch(db, after, BATCH, now)).await?;
            totals.expired_waiting += batch.artifacts;
            totals.expired_waiting_bytes = totals.expired_waiting_bytes.saturating_add(batch.bytes);
            // The first one is the oldest.
            if let (0, Some(oldest)) = (totals.sweep_lag_seconds, batch.oldest) {
                totals.sweep_lag_seconds = ((now.as_millis() - oldest.as_millis()) / 1000).max(1);
            }
            next = batch.next;
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }
}
