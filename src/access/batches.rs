//! Batches: the files that a running job declares before it sends them, and finishes together.

use super::uploads::{require_running, smaller_limit};
use super::{Access, AccessError, RunningJob};
use crate::auth::CredentialError;
use crate::catalog::Db;
use crate::catalog::artifacts::{self, NewArtifact};
use crate::catalog::jobs;
use crate::catalog::quotas;
use crate::catalog::uploads::{self, BatchOutcome, Declared, PieceUpload};
use crate::domain::artifact::{
    Accessibility, ArtifactFormat, ArtifactKind, ArtifactName, MediaType, UploadState,
};
use crate::domain::{Timestamp, Uuid};

/// A file as a job declares it.
#[derive(Debug, Clone)]
pub struct DeclaredFile {
    /// Its path.
    pub path: String,
    /// Its media type, if the job says one.
    pub media_type: Option<MediaType>,
    /// Its size and digests.
    pub declared: Declared,
}

/// Why a batch or its end is refused.
#[derive(Debug)]
pub enum BatchError {
    /// The job or its credential is refused, or catalog or store failed.
    Access(AccessError),
    /// The job declared other files under this ID before.
    Differs,
    /// The job would have more artifacts than this many, which it may have.
    TooMany(usize),
    /// The file at this path is larger than this many bytes, which are the most that are accepted.
    TooLarge(String, u64),
    /// There is no such upload.
    NotFound,
}

impl<E: Into<AccessError>> From<E> for BatchError {
    fn from(error: E) -> Self {
        Self::Access(error.into())
    }
}

/// How an upload ended, as its job says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadEnd {
    /// All bytes were sent.
    Finished,
    /// It is given up.
    Failed,
}

/// What is left to do after the ends of uploads were recorded.
#[derive(Debug, Default)]
pub struct EndedUploads {
    /// Uploads whose pieces are to be assembled.
    pub ordered: Vec<PieceUpload>,
    /// Uploads that are to be given up.
    pub failed: Vec<i64>,
    /// How many of them are artifacts now.
    pub stored: usize,
    /// UUID and path of the first upload that the job takes for finished, and that is not.
    pub incomplete: Option<(Uuid, String)>,
}

impl Access {
    /// Declares the files of a batch, and returns an upload for each, in their order. The same batch may be declared
    /// again.
    ///
    /// # Errors
    /// [`BatchError::TooLarge`], [`BatchError::Differs`]; [`BatchError::TooMany`] above `most` artifacts in the job.
    pub async fn declare_batch(
        &self,
        running: &RunningJob,
        batch: String,
        files: Vec<DeclaredFile>,
        most: usize,
        expire_at: Option<Timestamp>,
    ) -> Result<Vec<PieceUpload>, BatchError> {
        let limit_bytes = smaller_limit(self.max_artifact_bytes, running.project.max_artifact_bytes);
        if let Some(limit_bytes) = limit_bytes
            && let Some(file) = files
                .iter()
                .find(|it| u64::try_from(it.declared.size_bytes).is_ok_and(|size| size > limit_bytes))
        {
            return Err(BatchError::TooLarge(file.path.clone(), limit_bytes));
        }
        let (project_id, job_id, now) = (running.project.id, running.job.id, running.now);
        let new = |file: DeclaredFile| {
            let name = ArtifactName::of_file(&file.path);
            let artifact = NewArtifact {
                project_id,
                job_id,
                filename: name.default_filename().unwrap_or_default(),
                name,
                kind: ArtifactKind::Archive,
                format: ArtifactFormat::Raw,
                media_type: file.media_type,
                accessibility: Accessibility::Public,
                expire_at,
            };
            (file.path, artifact, file.declared)
        };
        let files: Vec<_> = files.into_iter().map(new).collect();
        let of_job = (job_id, running.job.pipeline_id);
        let limit = i64::try_from(most).unwrap_or(i64::MAX);
        let creating = self.catalog.write(move |db| {
            require_running(&jobs::find(db, job_id)?.ok_or(CredentialError::Unknown)?)?;
            Ok::<_, AccessError>(uploads::create_batch(db, of_job, &batch, &files, limit, now)?)
        });
        match creating.await? {
            BatchOutcome::Uploads(uploads) => Ok(uploads),
            BatchOutcome::Differs => Err(BatchError::Differs),
            BatchOutcome::TooMany => Err(BatchError::TooMany(most)),
        }
    }

    /// Finds a declared upload by its UUID, for a link that carries the permission; none that was given up.
    ///
    /// # Errors
    /// [`AccessError::JobNotRunning`].
    pub async fn declared_upload(&self, uuid: Uuid) -> Result<Option<PieceUpload>, AccessError> {
        self.catalog
            .read_inline(move |db| Ok(of_running_job(db, uuid)?.filter(|it| takes_bytes(it.state))))
            .await
    }

    /// Finds the uploads at `path` in the batch of a declared upload, for a link that carries the permission; none that
    /// was given up.
    ///
    /// # Errors
    /// As [`Access::declared_upload`].
    pub async fn declared_at(&self, uuid: Uuid, path: String) -> Result<Vec<PieceUpload>, AccessError> {
        self.catalog
            .read_inline(move |db| {
                // The link names the first upload of the batch, which may have been given up.
                let first = of_running_job(db, uuid)?;
                let Some((job_id, batch)) = first.and_then(|it| Some((it.job_id, it.batch?))) else {
                    return Ok(Vec::new());
                };
                let mut all = uploads::of_batch(db, job_id, &batch)?;
                all.retain(|it| it.name.file_path() == Some(&path) && takes_bytes(it.state));
                Ok(all)
            })
            .await
    }

    /// Records how uploads of a job ended, and makes those that are complete artifacts. What was recorded before is
    /// accepted again.
    ///
    /// # Errors
    /// [`BatchError::NotFound`] if the job has none of the uploads.
    pub async fn end_uploads(
        &self,
        running: &RunningJob,
        ends: Vec<(Uuid, UploadEnd)>,
    ) -> Result<EndedUploads, BatchError> {
        let (job_id, project_id, now) = (running.job.id, running.project.id, running.now);
        self.catalog
            .write(move |db| {
                // Files that are complete take its locks again; rows are locked before them.
                let _quotas = quotas::lock(db, project_id)?;
                require_running(&jobs::find(db, job_id)?.ok_or(CredentialError::Unknown)?)?;
                let (mut ended, mut known) = (EndedUploads::default(), 0);
                let count = ends.len();
                for (uuid, end) in ends {
                    let upload = uploads::find(db, uuid)?.filter(|it| it.job_id == job_id);
                    match upload {
                        Some(upload) => {
                            known += 1;
                            ended.add(db, upload, end, now)?;
                        }
                        // Its row was deleted long after it was completed.
                        None => {
                            let artifact = artifacts::find_by_uuid(db, uuid)?;
                            known += usize::from(artifact.is_some_and(|it| it.job_id == job_id));
                        }
                    }
                }
                if known == 0 && count > 0 {
                    return Err(BatchError::NotFound);
                }
                Ok(ended)
            })
            .await
    }
}

impl EndedUploads {
    fn add(
        &mut self,
        db: &mut Db,
        upload: PieceUpload,
        end: UploadEnd,
        now: Timestamp,
    ) -> Result<(), BatchError> {
        let is_given_up = end == UploadEnd::Failed;
        match upload.state {
            UploadState::Open | UploadState::Ordered | UploadState::Received if is_given_up => {
                self.failed.push(upload.id);
            }
            UploadState::Received => {
                uploads::complete(db, &upload, now)?;
                self.stored += 1;
            }
            // Whose parts are all there.
            UploadState::Open if uploads::order(db, &upload, now)? => self.ordered.push(upload),
            UploadState::Ordered | UploadState::Completed => {}
            UploadState::Failed | UploadState::Abandoned if is_given_up => {}
            UploadState::Open | UploadState::Failed | UploadState::Abandoned => {
                let path = upload.name.file_path().unwrap_or_default().to_owned();
                self.incomplete.get_or_insert((upload.uuid, path));
            }
        }
        Ok(())
    }
}

/// Finds a declared upload of a running job, whatever its state.
fn of_running_job(db: &mut Db, uuid: Uuid) -> Result<Option<PieceUpload>, AccessError> {
    let upload = uploads::find(db, uuid)?.filter(|it| it.batch.is_some());
    let job = match &upload {
        Some(upload) => jobs::find(db, upload.job_id)?,
        None => None,
    };
    let Some(job) = job else { return Ok(None) };
    require_running(&job)?;
    Ok(upload)
}

/// Whether bytes are accepted: for the first time, or again.
const fn takes_bytes(state: UploadState) -> bool {
    !matches!(state, UploadState::Failed | UploadState::Abandoned)
}
