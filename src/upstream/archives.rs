//! Archives of jobs at the upstream: who may fetch one, its bytes, and what is known of its job.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, HeaderMap};

use super::Upstream;
use super::answer::{Answer, Outage, Refusal};
use super::ask::refusal;
use super::client::{Errand, Reader, failure};
use super::question::{ArchiveAt, Asker, Kind};
use super::route::Route;
use super::wire;
use crate::catalog::foreign::ForeignJob;
use crate::domain::Timestamp;
use crate::domain::artifact::clean_filename;
use crate::shares::Share;

/// Most pages of jobs in which one is looked for.
const PAGES: usize = 3;

/// Rows of a page.
const ROWS: usize = 100;

/// An archive that is on the way.
#[derive(Debug)]
pub struct Download {
    response: reqwest::Response,
    /// Its size in bytes, if the upstream has announced it.
    pub size: Option<u64>,
    /// The name under which it was uploaded, if the upstream tells it.
    pub filename: Option<String>,
}

impl Download {
    /// Returns the next bytes; `None` at the end of a complete answer.
    ///
    /// # Errors
    /// [`Outage`] when the answer breaks off.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Outage> {
        self.response.chunk().await.map_err(|error| failure(&error))
    }
}

/// A turn to fetch an archive, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct FetchTurn {
    _share: Share<Reader>,
}

/// A job as the upstream lists it, and its archive.
#[derive(Debug, Clone)]
pub struct ListedArchive {
    /// The job.
    pub job: Arc<ForeignJob>,
    /// When its archive expires there.
    pub expire_at: Option<Timestamp>,
    /// Whether there is one.
    pub has_archive: bool,
}

impl ListedArchive {
    fn is_of(&self, archive: ArchiveAt) -> bool {
        (self.job.id, self.job.project_id) == (archive.job_id, archive.project_id)
    }
}

/// A page of the jobs of a project that have ended, newest first.
#[derive(Debug, Clone)]
pub struct ArchivePage {
    /// The jobs.
    pub jobs: Vec<ListedArchive>,
    /// Whether there may be another page.
    pub is_full: bool,
    /// How many calls are left within the upstream's limits, and in how many seconds there are all again.
    pub calls_left: Option<(u64, u64)>,
}

impl Upstream {
    /// A look at the archive without having it: GitLab checks everything that it checks for the archive itself.
    pub(super) async fn may_fetch(&self, errand: Errand<'_>, archive: ArchiveAt) -> Result<Answer, Outage> {
        self.0.metrics.called();
        let reply = self.0.client.head(errand, Route::Archive(archive)).await?;
        match reply.status {
            401 | 403 | 404 => refusal(&reply).map(|it| Answer::Refused(it.unwrap_or(Refusal::NotFound))),
            _ => Ok(Answer::Archive),
        }
    }

    fn errand<'a>(&self, asker: &'a Asker, client: Option<std::net::IpAddr>) -> Errand<'a> {
        Errand { kind: Kind::Artifact, asker, client, now: self.0.clock.now() }
    }

    /// Begins to fetch an archive; the inner error is a refusal. The caller has a turn.
    pub(crate) async fn fetch(
        &self,
        asker: &Asker,
        client: Option<std::net::IpAddr>,
        archive: ArchiveAt,
    ) -> Result<Result<Download, Refusal>, Outage> {
        self.0.metrics.called();
        let errand = self.errand(asker, client);
        match self.0.client.download(errand, Route::Archive(archive)).await? {
            Ok(response) => {
                let headers = response.headers();
                let number = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
                let size = number.and_then(|text| text.parse().ok());
                let filename = filename(headers);
                Ok(Ok(Download { response, size, filename }))
            }
            Err(reply) => Ok(Err(refusal(&reply)?.unwrap_or(Refusal::NotFound))),
        }
    }

    /// Waits for the turn to fetch an archive. No reader gets more than half of all turns.
    pub(crate) async fn fetch_turn(
        &self,
        asker: &Asker,
        client: Option<std::net::IpAddr>,
    ) -> Result<FetchTurn, Outage> {
        let share = self.0.client.download_turn(Reader::of(asker, client)).await?;
        Ok(FetchTurn { _share: share })
    }

    /// Returns what is known of a job that has an archive, if anybody who may be asked tells it: a user is told of any
    /// job that he may read; a job of those of its own pipeline, and of the newest that have succeeded.
    pub(crate) async fn job_facts(
        &self,
        asker: &Asker,
        client: Option<std::net::IpAddr>,
        archive: ArchiveAt,
        pipeline_id: Option<i64>,
    ) -> Result<Option<ListedArchive>, Outage> {
        let ArchiveAt { project_id, job_id, .. } = archive;
        let user = Some(asker).filter(|asker| !asker.is_job() && !asker.is_nobody());
        if let Some(user) = user.or(self.0.service.as_ref()) {
            let errand = self.errand(user, client.filter(|_| !asker.is_job() && !asker.is_nobody()));
            let reply = self.get(errand, Route::ProjectJob(project_id, job_id)).await?;
            if refusal(&reply)?.is_some() {
                return Ok(None);
            }
            let found = wire::listed_archive(&reply.json, self.0.client.base())?;
            if !found.is_of(archive) {
                return Err(Outage::broken("another job"));
            }
            return Ok(Some(found));
        }
        if !asker.is_job() {
            return Ok(None);
        }
        let errand = self.errand(asker, client);
        let mut routes = Vec::with_capacity(1 + PAGES);
        if let Some(pipeline_id) = pipeline_id {
            routes.push(Route::PipelineJobs(project_id, pipeline_id, 1));
        }
        for page in 1..=PAGES {
            routes.push(Route::SuccessfulJobs(project_id, page));
        }
        for route in routes {
            let reply = self.get(errand, route).await?;
            if refusal(&reply)?.is_some() {
                continue;
            }
            let rows = wire::rows(&reply.json)?;
            if let Some(row) = rows.iter().find(|row| row["id"].as_i64() == Some(job_id)) {
                let found = wire::listed_archive(row, self.0.client.base())?;
                return Ok(Some(found).filter(|found| found.is_of(archive)));
            }
            if rows.len() < ROWS && matches!(route, Route::SuccessfulJobs(..)) {
                break;
            }
        }
        Ok(None)
    }

    /// Lists the jobs of a project that have ended, a page at a time from page 1 on; the inner error is a refusal.
    ///
    /// # Errors
    /// [`Outage`] when there is no answer.
    pub(crate) async fn ended_jobs(
        &self,
        asker: &Asker,
        project_id: i64,
        page: usize,
    ) -> Result<Result<ArchivePage, Refusal>, Outage> {
        let reply = self.get(self.errand(asker, None), Route::EndedJobs(project_id, page)).await?;
        if let Some(refusal) = refusal(&reply)? {
            return Ok(Err(refusal));
        }
        let rows = wire::rows(&reply.json)?;
        let base = self.0.client.base();
        let jobs: Vec<ListedArchive> =
            rows.iter().map(|row| wire::listed_archive(row, base)).collect::<Result<_, _>>()?;
        if jobs.iter().any(|it| it.job.project_id != project_id) {
            return Err(Outage::new("broken answer: another project's job"));
        }
        let number =
            |name| reply.headers.get(name).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let now = u64::try_from(self.0.clock.now().as_millis() / 1000).unwrap_or(0);
        let reset = number("ratelimit-reset").map_or(60, |at: u64| at.saturating_sub(now).clamp(1, 3600));
        let calls_left = number("ratelimit-remaining").map(|left| (left, reset));
        Ok(Ok(ArchivePage { jobs, is_full: rows.len() == ROWS, calls_left }))
    }
}

/// Reads the file name of a download.
fn filename(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(CONTENT_DISPOSITION)?.to_str().ok()?;
    let rest = text.split("filename=\"").nth(1)?;
    clean_filename(rest.split('"').next()?)
}
