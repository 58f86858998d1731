//! Uploads in pieces: what a job with a runtime token may create, complete, read and delete in its pipeline.

use super::named::{ListedArtifact, with_availability};
use super::uploads::{require_running, smaller_limit};
use super::{Access, AccessError, RunningJob};
use crate::auth::CredentialError;
use crate::catalog::artifacts::{self, Artifact, InsertOutcome, NamedArtifacts, NewArtifact};
use crate::catalog::jobs::{self, Job};
use crate::catalog::pipelines;
use crate::catalog::projects;
use crate::catalog::quotas;
use crate::catalog::slice::{Direction, Slice};
use crate::catalog::uploads::{self, PieceUpload};
use crate::catalog::{Db, tombstones};
use crate::domain::artifact::{Accessibility, ArtifactName, Availability};
use crate::domain::project::ProjectRef;
use crate::domain::quota::UploadRoom;
use crate::domain::status::Status;
use crate::domain::{Error, ErrorKind, Sha256Digest, Timestamp, Uuid};

/// Most artifacts of a pipeline that a list returns.
const MAX_LISTED: i64 = 10_000;

/// What an upload may still take.
#[derive(Debug, Clone)]
pub struct Room {
    /// The limit for all its pieces, in bytes; `None` for none.
    pub limit_bytes: Option<u64>,
    /// What the piece in question may have: a piece of the same name would be replaced.
    pub piece: UploadRoom,
}

/// Why an upload in pieces is refused.
#[derive(Debug)]
pub enum UploadError {
    /// The job or its credential is refused, or catalog or store failed.
    Access(AccessError),
    /// The pipeline has an artifact of this name, or another job uploads one.
    NameTaken,
    /// There is no upload of this name.
    NotFound,
    /// Its pieces have not been assembled.
    Incomplete,
    /// The received size is another one; in bytes.
    SizeDiffers(i64),
    /// The received bytes have another digest.
    DigestDiffers,
}

impl<E: Into<AccessError>> From<E> for UploadError {
    fn from(error: E) -> Self {
        Self::Access(error.into())
    }
}

impl Access {
    /// Creates the upload of a new artifact of a job.
    ///
    /// # Errors
    /// [`UploadError::NameTaken`], unless the name is that of an earlier attempt of the same job. `OverQuota` when the
    /// project stores as much as it may.
    pub async fn create_upload(
        &self,
        running: &RunningJob,
        new: NewArtifact,
    ) -> Result<PieceUpload, UploadError> {
        let (job, project_id, now) = (running.job.clone(), running.project.id, running.now);
        self.catalog
            .write(move |db| {
                // Two jobs that begin at the same time are put in order.
                pipelines::lock(db, job.pipeline_id)?;
                // Uploads before artifacts: one that is completed meanwhile is found in one of the two.
                let others = uploads::other_uploaders(db, job.pipeline_id, &new.name.forms(), job.id)?;
                if others.into_iter().any(Status::is_executing) {
                    return Err(UploadError::NameTaken);
                }
                let name = artifacts::shown_name(&new.name, job.id, &job.name);
                if !taken_by(db, project_id, &job, &name, now)?.is_empty() {
                    return Err(UploadError::NameTaken);
                }
                // Its size is not known, but there is no room for any.
                if let Some(full) = quotas::tightest(db, project_id)?.filter(|it| it.left_bytes() == 0) {
                    return Err(Error::new(ErrorKind::OverQuota, full.refusal(None)).into());
                }
                Ok(uploads::create(db, &new, job.pipeline_id, now)?)
            })
            .await
    }

    /// Makes a received upload an artifact, and returns its ID. An upload that was completed is accepted again.
    ///
    /// # Errors
    /// [`UploadError::NotFound`], [`UploadError::Incomplete`]; [`UploadError::SizeDiffers`] or
    /// [`UploadError::DigestDiffers`], and nothing is visible then.
    pub async fn complete_upload(
        &self,
        running: &RunningJob,
        name: String,
        size: i64,
        digest: Option<Sha256Digest>,
    ) -> Result<i64, UploadError> {
        let (job_id, project_id, now) = (running.job.id, running.project.id, running.now);
        self.catalog
            .write(move |db| {
                let job = jobs::find(db, job_id)?.ok_or(CredentialError::Unknown)?;
                require_running(&job)?;
                let names = ArtifactName::of_upload(&name);
                // Another job may have taken the name while this one did not run.
                if taken_by(db, project_id, &job, &name, now)?.into_iter().any(|other| other != job_id) {
                    return Err(UploadError::NameTaken);
                }
                if let Some(upload) = uploads::find_by_name(db, job_id, &names)?
                    && let Some(id) = complete(db, &upload, size, digest, now)?
                {
                    return Ok(id);
                }
                // Another request has completed it, before or meanwhile.
                let mut newest: Option<Artifact> = None;
                for name in names {
                    let found = artifacts::find_current(db, job_id, &name, now)?;
                    newest = newest.into_iter().chain(found).max_by_key(|artifact| artifact.id);
                }
                let done = newest.ok_or(UploadError::NotFound)?;
                compare((done.size_bytes, done.sha256), size, digest)?;
                Ok(done.id)
            })
            .await
    }

    /// Lists the available artifacts of the job's pipeline, newest first, with a name or ID if one is given.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn artifacts_of_run(
        &self,
        running: &RunningJob,
        name: Option<String>,
        id: Option<i64>,
    ) -> Result<Vec<ListedArtifact>, AccessError> {
        let running = running.clone();
        self.catalog.read(move |db| readable_of_run(db, &running, name, id)).await
    }

    /// Finds the artifact of this name that the job `job_id` of the same pipeline uploaded.
    ///
    /// # Errors
    /// [`UploadError::NotFound`].
    pub async fn artifact_of_run(
        &self,
        running: &RunningJob,
        job_id: i64,
        name: String,
    ) -> Result<ListedArtifact, UploadError> {
        let listed = self.artifacts_of_run(running, Some(name), None).await?;
        of_job(listed, job_id).ok_or(UploadError::NotFound)
    }

    /// Deletes the artifact of this name that the job `job_id` of the same pipeline uploaded, and returns its ID.
    ///
    /// # Errors
    /// [`UploadError::NotFound`].
    pub async fn delete_artifact_of_run(
        &self,
        running: &RunningJob,
        job_id: i64,
        name: String,
    ) -> Result<i64, UploadError> {
        let running = running.clone();
        self.catalog
            .write(move |db| {
                let mut listed = readable_of_run(db, &running, Some(name), None)?;
                // What a runner uploaded is not the toolkit's to delete.
                listed.retain(|it| it.named.artifact.name != ArtifactName::ARCHIVE);
                let artifact = of_job(listed, job_id).ok_or(UploadError::NotFound)?.named.artifact;
                tombstones::delete(db, artifact.id, running.now)?;
                Ok(artifact.id)
            })
            .await
    }

    /// Finds an upload by its UUID, for a link that carries the permission, and what it may still take.
    ///
    /// # Errors
    /// [`UploadError::NotFound`] for one that takes nothing any more; [`AccessError::JobNotRunning`].
    pub async fn upload_of_link(
        &self,
        uuid: Uuid,
        piece: Option<String>,
    ) -> Result<(PieceUpload, Room), UploadError> {
        let instance_bytes = self.max_artifact_bytes;
        self.catalog
            .read_inline(move |db| {
                let upload = uploads::find(db, uuid)?.filter(|upload| upload.state.is_alive());
                let upload = upload.ok_or(UploadError::NotFound)?;
                let job = jobs::find(db, upload.job_id)?.ok_or(UploadError::NotFound)?;
                if !job.status.is_executing() {
                    return Err(AccessError::JobNotRunning(job.status).into());
                }
                let project = projects::find(db, &ProjectRef::Id(upload.project_id))?;
                let project = project.filter(|project| !project.is_gone());
                let project = project.ok_or(UploadError::NotFound)?;
                let limit_bytes = smaller_limit(instance_bytes, project.max_artifact_bytes);
                let quota = quotas::tightest(db, project.id)?;
                let mut room = UploadRoom { limit_bytes, quota, own_bytes: 0 };
                if room.most_bytes().is_some() {
                    let (received, replaced) = uploads::received(db, upload.id, &piece.unwrap_or_default())?;
                    let others = received.saturating_sub(replaced);
                    room.limit_bytes = limit_bytes.map(|limit| limit.saturating_sub(others));
                    room.own_bytes = replaced;
                }
                Ok((upload, Room { limit_bytes, piece: room }))
            })
            .await
    }
}

/// Finds the artifact of a job. A job's archive, which is named after the job, comes after one of that name.
fn of_job(listed: Vec<ListedArtifact>, job_id: i64) -> Option<ListedArtifact> {
    let of_job = listed.into_iter().filter(|it| it.named.artifact.job_id == job_id);
    of_job.min_by_key(|it| it.named.artifact.name == ArtifactName::ARCHIVE)
}

/// Lists the jobs of the pipeline that have an available artifact of this name, except earlier attempts of the job.
fn taken_by(
    db: &mut Db,
    project_id: i64,
    job: &Job,
    name: &str,
    now: Timestamp,
) -> Result<Vec<i64>, UploadError> {
    let listed = of_run(db, project_id, job.pipeline_id, Some(name.to_owned()), None, now)?;
    // The archive of a job is named after the job; that name blocks nothing.
    let blocks = |it: &&ListedArtifact| {
        let artifact = &it.named.artifact;
        let is_earlier = it.named.job_name == job.name && artifact.job_id < job.id;
        artifact.name != ArtifactName::ARCHIVE && !is_earlier
    };
    Ok(listed.iter().filter(blocks).map(|it| it.named.artifact.job_id).collect())
}

/// Lists the available artifacts of the run of a job that it may read.
fn readable_of_run(
    db: &mut Db,
    running: &RunningJob,
    name: Option<String>,
    id: Option<i64>,
) -> Result<Vec<ListedArtifact>, AccessError> {
    let (project_id, pipeline_id) = (running.project.id, running.job.pipeline_id);
    let mut listed = of_run(db, project_id, pipeline_id, name, id, running.now)?;
    // Who may read a copy of what the upstream has is asked there, for one at a time.
    let may_read = |it: &Artifact| !it.is_copy() && running.may_read(it.job_id, it.accessibility);
    listed.retain(|it| may_read(&it.named.artifact));
    Ok(listed)
}

fn of_run(
    db: &mut Db,
    project_id: i64,
    pipeline_id: i64,
    name: Option<String>,
    id: Option<i64>,
    now: Timestamp,
) -> Result<Vec<ListedArtifact>, AccessError> {
    let list = NamedArtifacts {
        pipeline_id: Some(pipeline_id),
        name,
        id,
        accessibilities: Accessibility::ALL.to_vec(),
        finished_only: true,
    };
    let all = Slice { offset: 0, limit: MAX_LISTED };
    let named = artifacts::named(db, project_id, &list, Direction::Descending, all)?;
    let mut listed = with_availability(db, named, now)?;
    listed.retain(|it| it.availability == Availability::Available);
    Ok(listed)
}

/// Returns the artifact's ID, or `None` if the upload is not there any more.
fn complete(
    db: &mut Db,
    upload: &PieceUpload,
    size: i64,
    digest: Option<Sha256Digest>,
    now: Timestamp,
) -> Result<Option<i64>, UploadError> {
    let received = upload.size_bytes.zip(upload.sha256).ok_or(UploadError::Incomplete)?;
    compare(received, size, digest)?;
    match uploads::complete(db, upload, now)? {
        Some(InsertOutcome::Inserted(id)) => Ok(Some(id)),
        Some(InsertOutcome::AlreadyExists(_)) => Err(UploadError::NameTaken),
        None => Ok(None),
    }
}

fn compare(
    (received, sha256): (i64, Sha256Digest),
    size: i64,
    digest: Option<Sha256Digest>,
) -> Result<(), UploadError> {
    if received != size {
        return Err(UploadError::SizeDiffers(received));
    }
    if digest.is_some_and(|digest| digest != sha256) {
        return Err(UploadError::DigestDiffers);
    }
    Ok(())
}
