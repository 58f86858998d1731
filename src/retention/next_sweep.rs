//! What the next sweep deletes, counted in its own order and by its own statements.

use std::collections::HashSet;
use std::time::Duration;

use super::BATCH;
use super::gone::PROJECTS;
use crate::catalog::tombstones::{self, Cursor, Purge};
use crate::catalog::usage::{self, DueReason, Stored};
use crate::catalog::{Catalog, copies, due, foreign};
use crate::domain::{Error, Result, Timestamp};

/// How many of the artifacts that the next sweep deletes are listed.
const LISTED: usize = 100;

/// The pause between two parts of a count, so that it takes no connection for long.
const PAUSE: Duration = Duration::from_millis(20);

/// The count.
#[derive(Debug, Default)]
pub(super) struct NextSweep {
    /// What is past its date.
    pub(super) overdue: Stored,
    /// The first of these dates.
    pub(super) overdue_since: Option<Timestamp>,
    /// What else is deleted.
    pub(super) others: Stored,
    /// The IDs of the first of both, and why they are deleted.
    pub(super) first: Vec<(i64, DueReason)>,
    /// The IDs of copies that are given up.
    given_up: HashSet<i64>,
}

impl NextSweep {
    /// Counts. `cache_bytes` is what copies from an upstream may take, if there is one.
    pub(super) async fn count(catalog: &Catalog, cache_bytes: Option<u64>, now: Timestamp) -> Result<Self> {
        let mut counted = Self::default();
        counted.expired(catalog, now).await?;
        let requests = catalog.read(tombstones::requested_purges).await?;
        for request in &requests {
            counted.requested(catalog, *request, now).await?;
        }
        if let Some(cache_bytes) = cache_bytes {
            counted.copies(catalog, cache_bytes, &requests, now).await?;
        }
        for id in catalog.read(move |db| foreign::due_removals(db, now, PROJECTS)).await? {
            counted.gone_project(catalog, id, &requests, now).await?;
        }
        Ok(counted)
    }

    async fn expired(&mut self, catalog: &Catalog, now: Timestamp) -> Result<()> {
        let mut next = Some(Cursor::default());
        while let Some(after) = next {
            let part = catalog.read(move |db| due::waiting_batch(db, after, BATCH, now)).await?;
            self.overdue = self.overdue.plus(Stored { artifacts: of(&part.ids), bytes: part.bytes });
            self.overdue_since = self.overdue_since.or(part.oldest);
            self.list(&part.ids, DueReason::Expired);
            next = pause(part.next).await;
        }
        Ok(())
    }

    async fn requested(&mut self, catalog: &Catalog, request: Purge, now: Timestamp) -> Result<()> {
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
            self.others = self.others.plus(Stored { artifacts: of(&part.ids), bytes });
            self.list(&part.ids, DueReason::Requested);
            next = pause(part.next).await;
        }
        Ok(())
    }

    /// Counts the copies that are given up until the others fit into their room.
    async fn copies(
        &mut self,
        catalog: &Catalog,
        cache_bytes: u64,
        requests: &[Purge],
        now: Timestamp,
    ) -> Result<()> {
        if catalog.read(copies::total_bytes).await? <= cache_bytes {
            return Ok(());
        }
        let (mut left, mut next) = (Vec::new(), Some(None));
        while let Some(after) = next {
            let requests = requests.to_vec();
            let part = catalog.read(move |db| {
                let part = copies::idle_batch(db, after, BATCH)?;
                let ids: Vec<i64> = part.iter().map(|copy| copy.id).collect();
                Ok::<_, Error>((tombstones::taken_among(db, &ids, &requests, now)?, part))
            });
            let (taken, part) = part.await?;
            let last = part.last().copied().filter(|_| part.len() as i64 == BATCH);
            let untaken = part.into_iter().filter(|copy| !taken.contains(&copy.id));
            left.extend(untaken.map(|copy| (copy.id, copy.size_bytes)));
            next = pause(last).await.map(Some);
        }
        let all: i64 = left.iter().map(|(_, bytes)| bytes).sum();
        let mut excess = u64::try_from(all).unwrap_or(0).saturating_sub(cache_bytes);
        for (id, bytes) in left {
            if excess == 0 {
                break;
            }
            excess = excess.saturating_sub(u64::try_from(bytes).unwrap_or(0));
            self.others = self.others.plus(Stored { artifacts: 1, bytes });
            self.list(&[id], DueReason::NoRoom);
            self.given_up.insert(id);
        }
        Ok(())
    }

    /// Counts what a project still has that its upstream deleted a week ago.
    async fn gone_project(
        &mut self,
        catalog: &Catalog,
        project_id: i64,
        requests: &[Purge],
        now: Timestamp,
    ) -> Result<()> {
        let mut next = Some(0);
        while let Some(after) = next {
            let requests = requests.to_vec();
            let part = catalog.read(move |db| {
                let part = tombstones::of_project(db, project_id, after, BATCH)?;
                let ids: Vec<i64> = part.iter().map(|(id, _)| *id).collect();
                Ok::<_, Error>((tombstones::taken_among(db, &ids, &requests, now)?, part))
            });
            let (taken, part) = part.await?;
            let last = part.last().map(|(id, _)| *id).filter(|_| part.len() as i64 == BATCH);
            for (id, bytes) in part {
                if !taken.contains(&id) && !self.given_up.contains(&id) {
                    self.others = self.others.plus(Stored { artifacts: 1, bytes });
                    self.list(&[id], DueReason::Gone);
                }
            }
            next = pause(last).await;
        }
        Ok(())
    }

    fn list(&mut self, ids: &[i64], why: DueReason) {
        let room = LISTED.saturating_sub(self.first.len());
        self.first.extend(ids.iter().take(room).map(|id| (*id, why)));
    }
}

fn of(ids: &[i64]) -> i64 {
    i64::try_from(ids.len()).unwrap_or(i64::MAX)
}

/// Pauses if there is a next part.
async fn pause<T>(next: Option<T>) -> Option<T> {
    if next.is_some() {
        tokio::time::sleep(PAUSE).await;
    }
    next
}
