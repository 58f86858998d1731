//! Log of a job: an artifact when the job has ended, its pieces before.

use std::collections::VecDeque;

use super::Access;
use crate::catalog::artifacts::{self, Artifact};
use crate::catalog::logs::{self, LogChunk};
use crate::catalog::{Catalog, Db};
use crate::domain::Result;
use crate::domain::artifact::ArtifactName;

/// The log of a job.
#[derive(Debug)]
pub enum JobLog {
    /// It is whole.
    Stored(Artifact),
    /// It is read from its pieces.
    Growing(GrowingLog),
}

impl JobLog {
    /// The artifact that it is, if it is whole.
    pub fn artifact(&self) -> Option<&Artifact> {
        match self {
            Self::Stored(artifact) => Some(artifact),
            Self::Growing(_) => None,
        }
    }

    /// Its size in bytes, so far.
    pub fn size_bytes(&self) -> i64 {
        match self {
            Self::Stored(artifact) => artifact.size_bytes,
            Self::Growing(growing) => growing.size_bytes,
        }
    }
}

/// The pieces of a log, as far as they have come in.
#[derive(Debug)]
pub struct GrowingLog {
    catalog: Catalog,
    job_id: i64,
    /// Its size in bytes.
    pub size_bytes: i64,
    /// Where the last piece began that was read.
    after: i64,
    /// Where the pieces that were read end.
    ends_at: i64,
    /// Whether a piece was missing before one that was read.
    has_gap: bool,
    ready: VecDeque<LogChunk>,
    ended: bool,
}

impl GrowingLog {
    /// Reads the next piece, compressed with gzip; `None` after the last, and when the log has become an artifact.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn next(&mut self) -> Result<Option<LogChunk>> {
        if self.ready.is_empty() && !self.ended {
            let (job_id, after) = (self.job_id, self.after);
            self.ready = self.catalog.read(move |db| logs::chunks(db, job_id, after)).await?.into();
            self.ended = self.ready.is_empty();
        }
        let chunk = self.ready.pop_front();
        if let Some(chunk) = &chunk {
            self.has_gap |= chunk.starts_at > self.ends_at;
            self.after = chunk.starts_at;
            self.ends_at = chunk.starts_at.saturating_add(chunk.size_bytes).max(self.ends_at);
        }
        Ok(chunk)
    }

    /// Finds the artifact that the log has become while it was read, which goes on where the pieces ran out; `None` if
    /// there is none, or if pieces may have come in before others that were read.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn stored(&self) -> Result<Option<Artifact>> {
        if self.has_gap {
            return Ok(None);
        }
        let job_id = self.job_id;
        self.catalog.read(move |db| artifacts::find(db, job_id, &ArtifactName::LOG)).await
    }
}

impl Access {
    /// Finds the log of a job that the caller may read; `None` if there is none.
    pub(in crate::access) fn log(db: &mut Db, catalog: &Catalog, job_id: i64) -> Result<Option<JobLog>> {
        if let Some(log) = artifacts::find(db, job_id, &ArtifactName::LOG)? {
            return Ok(Some(JobLog::Stored(log)));
        }
        let growing = logs::size(db, job_id)?.map(|size_bytes| GrowingLog {
            catalog: catalog.clone(),
            job_id,
            size_bytes,
            after: -1,
            ends_at: 0,
            has_gap: false,
            ready: VecDeque::new(),
            ended: false,
        });
        Ok(match growing {
            Some(log) => Some(JobLog::Growing(log)),
            // It may have become an artifact after none was found.
            None => artifacts::find(db, job_id, &ArtifactName::LOG)?.map(JobLog::Stored),
        })
    }
}
