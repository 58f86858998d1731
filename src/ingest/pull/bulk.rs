//! All archives of a project in one go, for a cut-over: newest first, one after the other, within the upstream's
//! limits. Jobs that have an archive here are passed over, so whatever interrupts it, it goes on where it was.

use std::time::Duration;

use super::failure::PullFailure;
use super::{PullOrder, Pulls};
use crate::catalog::copies;
use crate::domain::project::ProjectRef;
use crate::domain::{ErrorKind, Timestamp};
use crate::upstream::{
    Answer, ArchiveAt, ArchivePage, Asker, ListedArchive, Outage, ProjectKey, Question, Told,
};

/// Most pages of a hundred jobs that are read.
const PAGES: usize = 5_000;

/// How often one step is tried that the upstream gives no answer to.
const TRIES: usize = 10;

/// The calls that are left to others: a page of jobs takes as many, and some more.
const SPARED_CALLS: u64 = 150;

/// What became of the archives of a project.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Archives that were fetched.
    pub fetched: usize,
    /// Archives that are here already.
    pub held: usize,
    /// Archives that were not fetched; the log says why.
    pub failed: usize,
    /// Whether it ended because there is no room for more.
    pub is_full: bool,
}

/// Watches the work, and lets it wait.
pub trait Pace {
    /// So many more jobs are done.
    fn advance(&self, count: usize);

    /// Waits, because the upstream takes no calls for so long.
    fn pause(&self, time: Duration) -> impl Future<Output = ()>;
}

/// What became of one archive.
enum Outcome {
    Fetched,
    Failed,
    NoRoom,
}

impl Pulls {
    /// Fetches the archives of a project's jobs that were created since then and have ended, until there is no room for
    /// more: those that are here already, or were asked for, do not give way.
    ///
    /// # Errors
    /// [`PullFailure`] if the project or its jobs are not told; what was fetched until then stays.
    pub async fn fetch_all(
        &self,
        asker: &Asker,
        project: &ProjectRef,
        since: Timestamp,
        pace: &impl Pace,
    ) -> Result<Fetched, PullFailure> {
        let project_id = patiently(pace, async || self.project_id(asker, project).await).await?;
        let mut done = Fetched::default();
        for page in 1..=PAGES {
            let listed = patiently(pace, async || self.page(asker, project_id, page).await).await?;
            let is_wanted = |it: &&ListedArchive| it.job.created_at.is_none_or(|at| at >= since);
            let is_last = !listed.is_full || listed.jobs.iter().filter(is_wanted).count() == 0;
            let wanted: Vec<&ListedArchive> =
                listed.jobs.iter().filter(is_wanted).filter(|it| it.has_archive).collect();
            let ids: Vec<i64> = wanted.iter().map(|it| it.job.id).collect();
            let catalog = &self.inner()?.ingest.catalog;
            let held = catalog.read(move |db| copies::jobs_with_archive(db, &ids)).await?;
            for archive in wanted {
                if held.contains(&archive.job.id) {
                    done.held += 1;
                } else {
                    match self.fetch_listed(asker, archive, pace).await {
                        Outcome::Fetched => done.fetched += 1,
                        Outcome::Failed => done.failed += 1,
                        Outcome::NoRoom => return Ok(Fetched { is_full: true, ..done }),
                    }
                }
                pace.advance(1);
            }
            if is_last {
                break;
            }
            if let Some((left, reset_seconds)) = listed.calls_left
                && left < SPARED_CALLS
            {
                pace.pause(Duration::from_secs(reset_seconds)).await;
            }
        }
        Ok(done)
    }

    async fn project_id(&self, asker: &Asker, project: &ProjectRef) -> Result<i64, PullFailure> {
        let inner = self.inner()?;
        let absent = || PullFailure::told(ErrorKind::NotFound, "there is no such project for this token");
        let key = ProjectKey::of(project).ok_or_else(absent)?;
        let question = Question::MayRead(asker.clone(), key);
        match inner.upstream.answer(&question, None, i64::MAX).await {
            Ok(Told { answer: Answer::MayRead { project_id, .. }, .. }) => Ok(project_id),
            Ok(_) => Err(absent()),
            Err(outage) => Err(PullFailure::outage(inner.upstream.name(), outage)),
        }
    }

    async fn page(&self, asker: &Asker, project_id: i64, page: usize) -> Result<ArchivePage, PullFailure> {
        let inner = self.inner()?;
        let failed = |outage: Outage| PullFailure::outage(inner.upstream.name(), outage);
        let listed = inner.upstream.ended_jobs(asker, project_id, page).await.map_err(failed)?;
        listed.map_err(PullFailure::refused)
    }

    async fn fetch_listed(&self, asker: &Asker, listed: &ListedArchive, pace: &impl Pace) -> Outcome {
        let Ok(inner) = self.inner() else { return Outcome::Failed };
        if let Err(failure) = inner.store_job(listed).await {
            tracing::warn!(job.id = listed.job.id, reason = %failure, "a job of the upstream is not stored");
            return Outcome::Failed;
        }
        let (project_id, job_id) = (listed.job.project_id, listed.job.id);
        let archive = ArchiveAt { project_id, job_id, as_dependency: false };
        let ahead = Some(listed.job.created_at.unwrap_or(Timestamp::from_millis(0)));
        let order = PullOrder { asker: asker.clone(), client: None, archive, pipeline_id: None, ahead };
        match patiently(pace, async || self.store(order.clone()).await).await {
            Ok(()) => Outcome::Fetched,
            Err(failure) if failure.is_no_room() => Outcome::NoRoom,
            Err(_) => Outcome::Failed,
        }
    }
}

/// Tries something until the upstream answers, as often as is worth while.
async fn patiently<T>(
    pace: &impl Pace,
    attempt: impl AsyncFn() -> Result<T, PullFailure>,
) -> Result<T, PullFailure> {
    for _ in 1..TRIES {
        match attempt().await {
            Err(failure) if failure.retry_after_seconds().is_some() => {
                let seconds = failure.retry_after_seconds().unwrap_or(1);
                pace.pause(Duration::from_secs(seconds.into())).await;
            }
            ended => return ended,
        }
    }
    attempt().await
}
