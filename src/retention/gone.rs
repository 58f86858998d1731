//! Gone projects: those that their upstream deleted a week ago are emptied in batches, and then deleted.

use super::sweep::earlier;
use super::{BATCH, Retention};
use crate::audit::AuditEvent;
use crate::catalog::clock as database_clock;
use crate::catalog::{foreign, projects, tombstones};
use crate::domain::Result;

/// Most projects that one sweep removes; the next one goes on.
pub(super) const PROJECTS: i64 = 100;

impl Retention {
    /// Marks everything that gone projects have as deleted, whatever was kept or locked, and returns how many artifacts.
    pub(super) async fn empty_gone_projects(&self, progress: impl Fn(usize)) -> Result<usize> {
        let Self { catalog, clock, .. } = self;
        let mut all = 0;
        let now = earlier(catalog, clock).await?;
        for id in catalog.read(move |db| foreign::due_removals(db, now, PROJECTS)).await? {
            loop {
                let marked_at = clock.now();
                // One that shows again meanwhile keeps the rest.
                let emptying = catalog.write(move |db| match foreign::is_due_for_removal(db, id, now)? {
                    Some(_) => tombstones::soft_delete_project(db, id, BATCH, marked_at),
                    None => Ok(0),
                });
                let gone = emptying.await?;
                if gone == 0 {
                    break;
                }
                all += gone;
                self.metrics.swept(gone);
                progress(gone);
            }
        }
        Ok(all)
    }

    /// Deletes gone projects with their pipelines and jobs. Bytes that could not be deleted are left to later sweeps.
    pub(super) async fn delete_gone_projects(&self) -> Result<()> {
        let Self { catalog, clock, .. } = self;
        let now = earlier(catalog, clock).await?;
        for id in catalog.read(move |db| foreign::due_removals(db, now, PROJECTS)).await? {
            let shared_clock = clock.clone();
            let deleting = catalog.write(move |db| {
                let shared = database_clock::shared(db, &shared_clock)?;
                projects::delete_gone(db, id, now.min(shared), shared)
            });
            let Some((path, upstream)) = deleting.await? else { continue };
            tracing::info!(
                upstream,
                project.id = id,
                project.path = path,
                "a project that was deleted at the upstream is removed"
            );
            let subject = "deleted at the upstream a week ago".to_owned();
            AuditEvent::log_of_upstream("project.delete", (id, path), &upstream, Some(subject));
        }
        Ok(())
    }
}
