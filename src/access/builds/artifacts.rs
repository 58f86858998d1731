//! Artifacts of builds that a principal may read or delete, for the dialect that lists files.

use std::collections::{HashMap, HashSet};

use super::lookup::{BuildPath, JobPath, authorized, find_job};
use super::{BuildError, with_jobs};
use crate::access::project::AuthorizedProject;
use crate::access::{Access, Principal};
use crate::auth::Actor;
use crate::catalog::artifacts::{self, Artifact, FileDigests};
use crate::catalog::builds::{self, Build};
use crate::catalog::uploads::{self, PieceUpload};
use crate::catalog::{Db, latest, tombstones};
use crate::domain::Uuid;
use crate::domain::artifact::{ArtifactState, UploadState};
use crate::domain::build::Slugs;
use crate::domain::expiry::is_available;
use crate::domain::permissions::{Action, Decision};

/// The artifacts of a build, or of one of its jobs.
#[derive(Debug)]
pub struct BuildArtifacts {
    /// The slugs of the project.
    pub slugs: Slugs,
    /// The number of the build.
    pub number: i64,
    /// The artifacts that the principal may read, in the order of creation of their jobs and then their own.
    pub artifacts: Vec<BuildArtifact>,
    /// Uploads that are not complete yet, each with the UUID of its job.
    pub uploads: Vec<(PieceUpload, Uuid)>,
}

/// An artifact of a build.
#[derive(Debug, Clone)]
pub struct BuildArtifact {
    /// The artifact.
    pub artifact: Artifact,
    /// The UUID of its job.
    pub job_uuid: Uuid,
    /// Finished, expired or deleted.
    pub state: ArtifactState,
}

impl Access {
    /// Lists the artifacts of a build; tombstones of deleted ones only with `deleted_too`.
    ///
    /// # Errors
    /// As [`Access::build`].
    pub async fn artifacts_of_build(
        &self,
        principal: &Principal,
        path: BuildPath,
        deleted_too: bool,
    ) -> Result<BuildArtifacts, BuildError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let project = authorized(db, &principal, &path.slugs)?;
            let id = path.id(db, &project)?;
            let build = builds::find(db, id)?.ok_or(BuildError::NoBuild)?;
            of_jobs(db, &project, &build, deleted_too)
        })
        .await
    }

    /// Lists the artifacts of a job; tombstones of deleted ones only with `deleted_too`.
    ///
    /// # Errors
    /// As [`Access::job_of_build`].
    pub async fn artifacts_of_build_job(
        &self,
        principal: &Principal,
        path: JobPath,
        deleted_too: bool,
    ) -> Result<BuildArtifacts, BuildError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let (project, job_id, pipeline_id) = find_job(db, &principal, &path)?;
            principal.audit().set_job(job_id);
            let build = with_jobs(db, pipeline_id, &[job_id], false)?.build;
            of_jobs(db, &project, &build, deleted_too)
        })
        .await
    }

    /// Finds an artifact of a job that the principal may delete, and the ID of its project.
    ///
    /// # Errors
    /// As [`Access::job_of_build`], then [`BuildError::NoArtifact`], [`crate::access::AccessError::Forbidden`].
    pub async fn deletable_artifact(
        &self,
        principal: &Principal,
        path: JobPath,
        artifact_id: i64,
    ) -> Result<(Artifact, i64), BuildError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| deletable(db, &principal, &path, artifact_id)).await
    }

    /// Deletes an artifact of a job, locked or not; it is not found any more before this returns.
    ///
    /// # Errors
    /// As [`Access::deletable_artifact`].
    pub async fn delete_build_artifact(
        &self,
        principal: &Principal,
        path: JobPath,
        artifact_id: i64,
    ) -> Result<(), BuildError> {
        let (asked, principal, now) = (principal.asked(), principal.clone(), principal.now);
        let allow = move |db: &mut Db| deletable(db, &principal, &path, artifact_id);
        self.change(asked, allow, move |db, (artifact, _)| Ok(tombstones::delete(db, artifact.id, now)?))
            .await
    }

    /// Returns the digests of files that are known, by the UUIDs of the files.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn file_digests(&self, uuids: Vec<Uuid>) -> Result<HashMap<Uuid, FileDigests>, BuildError> {
        self.catalog.read(move |db| Ok(artifacts::digests(db, &uuids)?)).await
    }

    /// Keeps digests of files of an artifact that were computed.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn keep_file_digests(
        &self,
        artifact_id: i64,
        computed: Vec<(Uuid, FileDigests)>,
    ) -> Result<(), BuildError> {
        self.catalog.write(move |db| Ok(artifacts::keep_digests(db, artifact_id, &computed)?)).await
    }
}

fn deletable(
    db: &mut Db,
    principal: &Principal,
    path: &JobPath,
    artifact_id: i64,
) -> Result<(Artifact, i64), BuildError> {
    let (project, job_id, _) = find_job(db, principal, path)?;
    principal.audit().set_job(job_id);
    principal.audit().update(|event| event.artifact_id = Some(artifact_id));
    let states = [ArtifactState::Finished, ArtifactState::Expired];
    let found = artifacts::of_jobs_in(db, &[job_id], &states)?.into_iter().find(|it| it.id == artifact_id);
    let may_read = |it: &Artifact| project.decide(Action::ReadArtifact(it.accessibility)) == Decision::Allow;
    let artifact = found.filter(may_read).ok_or(BuildError::NoArtifact)?;
    project.require(Action::DeleteArtifacts)?;
    match &project.actor {
        Actor::User(_) | Actor::Foreign(_) => Ok((artifact, project.project.id)),
        Actor::Anonymous | Actor::Job { .. } | Actor::VouchedJob { .. } => Err(BuildError::NoArtifact),
    }
}

/// Lists the artifacts of the jobs of a build that were read with it.
pub(in crate::access) fn of_jobs(
    db: &mut Db,
    project: &AuthorizedProject,
    build: &Build,
    deleted_too: bool,
) -> Result<BuildArtifacts, BuildError> {
    let jobs: Vec<(i64, Uuid)> = build.jobs.iter().map(|job| (job.id, job.uuid)).collect();
    let ids: Vec<i64> = jobs.iter().map(|(id, _)| *id).collect();
    let mut states = vec![ArtifactState::Finished, ArtifactState::Expired];
    states.extend(deleted_too.then_some(ArtifactState::Deleted));
    // Uploads before artifacts: one that is completed meanwhile is found in one of the two.
    let listed = [&UploadState::ALIVE[..], &[UploadState::Failed]].concat();
    let mut uploads = uploads::of_jobs(db, &ids, &listed)?;
    let mut complete: HashSet<Uuid> = HashSet::new();
    let mut by_job: HashMap<i64, Vec<Artifact>> = HashMap::new();
    for artifact in artifacts::of_jobs_in(db, &ids, &states)? {
        complete.insert(artifact.uuid);
        by_job.entry(artifact.job_id).or_default().push(artifact);
    }
    uploads.retain(|upload| !complete.contains(&upload.uuid));
    let is_due = |artifact: &Artifact| !is_available(artifact.expire_at, false, project.now);
    let in_doubt = by_job.values().flatten().any(is_due);
    let locked = in_doubt && !latest::locked_among(db, &[build.build.id])?.is_empty();
    let state = |artifact: &Artifact| match artifact.state {
        ArtifactState::Finished if is_due(artifact) && !locked => ArtifactState::Expired,
        state => state,
    };
    let mut found = Vec::new();
    for (id, job_uuid) in &jobs {
        for artifact in by_job.remove(id).unwrap_or_default() {
            // Of an archive, deleted or rewritten, nothing is left to list.
            let is_listed = artifact.state != ArtifactState::Deleted || artifact.name.file_path().is_some();
            let action = Action::ReadArtifact(artifact.accessibility);
            if is_listed && project.decide(action) == Decision::Allow {
                found.push(BuildArtifact { state: state(&artifact), artifact, job_uuid: *job_uuid });
            }
        }
    }
    let uuid_of = |id: i64| jobs.iter().find(|(job, _)| *job == id).map(|(_, uuid)| *uuid);
    let uploads = uploads.into_iter().filter_map(|upload| {
        let may_read = project.decide(Action::ReadArtifact(upload.accessibility)) == Decision::Allow;
        let job = uuid_of(upload.job_id).filter(|_| may_read)?;
        Some((upload, job))
    });
    let slugs = build.project.slugs();
    Ok(BuildArtifacts { slugs, number: build.build.iid, artifacts: found, uploads: uploads.collect() })
}
