//! Application of checked documents to the catalog, inside one transaction.
//!
//! Parents of pipelines are set after all rows exist, so a document may list parents and children in any
//! order.

use std::collections::{BTreeMap, HashSet};

use super::document::{
    ArtifactDocument, GroupDocument, JobDocument, Patch, PipelineDocument, ProjectDocument, Size,
    SlugsDocument, UserDocument,
};
use super::fields::{of_job, of_pipeline};
use super::parse::{numbered, wrong};
use super::stage::Staged;
use super::{LoadError, Source};
use crate::catalog::artifacts::{ArtifactChanges, InsertOutcome, NewArtifact};
use crate::catalog::jobs::JobChanges;
use crate::catalog::pipelines::{CommitFields, PipelineChanges};
use crate::catalog::projects::ProjectChanges;
use crate::catalog::tokens::TokenChanges;
use crate::catalog::users::UserChanges;
use crate::catalog::{Db, artifacts, builds, jobs, pipelines, projects, quotas, tokens, tombstones, users};
use crate::domain::artifact::{Accessibility, clean_filename};
use crate::domain::build::Slugs;
use crate::domain::project::ProjectRef;
use crate::domain::status::Status;
use crate::domain::step::Steps;
use crate::domain::{Error, ErrorKind, Sha256Digest, Timestamp};
use crate::store::StoreKey;

/// Applies all documents. Returns the keys of the staged blobs that rows reference now.
pub(super) fn apply(
    db: &mut Db,
    sources: &[Source],
    staged: &Staged,
    now: Timestamp,
) -> Result<HashSet<StoreKey>, LoadError> {
    db.lock_whole_catalog().map_err(Error::from)?;
    let mut applying = Applying { db, staged, now, used: HashSet::new() };
    for source in sources {
        for (place, user) in numbered("users", &source.document.users) {
            applying.user(user).map_err(|why| why.at(source, &place))?;
        }
    }
    for source in sources {
        for (place, group) in numbered("groups", &source.document.groups) {
            applying.group(group).map_err(|why| why.at(source, &place))?;
        }
    }
    for source in sources {
        for (place, project) in numbered("projects", &source.document.projects) {
            applying.project(project).map_err(|why| why.at(source, &place))?;
            for (place, pipeline) in numbered(&format!("{place}.pipelines"), &project.pipelines) {
                applying.pipeline(project.id, pipeline).map_err(|why| why.at(source, &place))?;
                for (place, job) in numbered(&format!("{place}.jobs"), &pipeline.jobs) {
                    applying.job(project.id, pipeline.id, job).map_err(|why| why.at(source, &place))?;
                    for (place, artifact) in numbered(&format!("{place}.artifacts"), &job.artifacts) {
                        applying
                            .artifact(project.id, job.id, artifact)
                            .map_err(|why| why.at(source, &place))?;
                    }
                }
            }
        }
    }
    applying.parents(sources)?;
    applying.check_originals(sources)?;
    Ok(applying.used)
}

/// Why an item was not applied: the item is invalid, or the catalog failed.
enum ApplyError {
    Invalid(String),
    Failed(Error),
}

impl ApplyError {
    fn at(self, source: &Source, place: &str) -> LoadError {
        match self {
            Self::Invalid(why) => wrong(source, place, why),
            // A conflict or an invalid value that the catalog finds is an error in the document.
            Self::Failed(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Invalid) => {
                wrong(source, place, error)
            }
            Self::Failed(error) => error.into(),
        }
    }
}

/// Returns the error for an item that an upstream tells of: what is registered here never overwrites it.
fn of_upstream(field: &str, what: &str, name: impl std::fmt::Display, upstream: &str) -> ApplyError {
    ApplyError::Invalid(format!("{field}: {what} {name} belongs to the upstream {upstream}"))
}

impl From<Error> for ApplyError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

struct Applying<'a> {
    db: &'a mut Db,
    staged: &'a Staged,
    now: Timestamp,
    used: HashSet<StoreKey>,
}

impl Applying<'_> {
    fn user(&mut self, user: &UserDocument) -> Result<(), ApplyError> {
        if let Some(upstream) = users::upstream_of(self.db, user.id)? {
            return Err(of_upstream("id", "user", user.id, &upstream));
        }
        if users::id_by_username(self.db, &user.username)?.is_some_and(|id| id != user.id) {
            return Err(ApplyError::Invalid(format!("username: {} belongs to another user", user.username)));
        }
        let changes = UserChanges {
            username: user.username.clone(),
            name: user.name.clone(),
            email: user.email.clone(),
            admin: user.admin,
        };
        users::upsert(self.db, user.id, &changes, self.now)?;
        for token in &user.tokens {
            let changes = TokenChanges {
                user_id: user.id,
                name: token.name.clone(),
                scopes: token.scopes.as_ref().map(|scopes| scopes.join(" ")),
                expires_at: token.expires_at.map(|time| time.map(Timestamp::as_millis)),
                revoked: token.revoked,
            };
            tokens::upsert(self.db, Sha256Digest::of(token.value.as_bytes()), &changes, self.now)?;
        }
        Ok(())
    }

    fn group(&mut self, group: &GroupDocument) -> Result<(), ApplyError> {
        if let Some(max_bytes) = bytes(group.max_storage)? {
            quotas::set_of_group(self.db, &group.path, max_bytes)?;
        }
        Ok(())
    }

    fn project(&mut self, project: &ProjectDocument) -> Result<(), ApplyError> {
        let same_path = projects::find(self.db, &ProjectRef::Path(project.path.clone()))?;
        if let Some(upstream) = same_path.as_ref().and_then(|other| other.upstream.as_deref()) {
            return Err(of_upstream("path", "project", &project.path, upstream));
        }
        let same_id = projects::find(self.db, &ProjectRef::Id(project.id))?;
        if let Some(upstream) = same_id.and_then(|other| other.upstream) {
            return Err(of_upstream("id", "project", project.id, &upstream));
        }
        if same_path.is_some_and(|other| other.id != project.id) {
            return Err(ApplyError::Invalid(format!("path: {} belongs to another project", project.path)));
        }
        let changes = ProjectChanges {
            path: project.path.clone(),
            path_lower: project.path.to_lowercase(),
            name: project.name.clone(),
            visibility: project.visibility.map(|visibility| visibility.as_str()),
            public_jobs: project.public_jobs,
            default_branch: project.default_branch.clone(),
            keep_latest_artifact: project.keep_latest_artifact,
            max_artifact_bytes: bytes(project.max_artifact_size)?,
            max_storage_bytes: bytes(project.max_storage)?,
        };
        projects::upsert(self.db, project.id, &changes, self.now)?;
        if let Some(SlugsDocument { organization, pipeline }) = &project.buildkite {
            let slugs = Slugs { organization: organization.clone(), pipeline: pipeline.clone() };
            projects::set_slugs(self.db, project.id, &slugs)?;
        }
        if let Some(steps) = &project.steps {
            projects::set_steps(self.db, project.id, steps.as_ref().unwrap_or(&Steps::default()))?;
        }
        if let Some(members) = &project.members {
            let mut by_id = BTreeMap::new();
            for (username, role) in members {
                by_id.insert(self.user_id("members", username)?, *role);
            }
            projects::set_members(self.db, project.id, &by_id)?;
        }
        if let Some(paths) = &project.job_token_allowlist {
            let distinct: HashSet<&str> = paths.iter().map(String::as_str).collect();
            projects::set_allowlist(self.db, project.id, distinct)?;
        }
        Ok(())
    }

    fn pipeline(&mut self, project_id: i64, pipeline: &PipelineDocument) -> Result<(), ApplyError> {
        if pipelines::project_of(self.db, pipeline.id)?.is_some_and(|owner| owner != project_id) {
            return Err(ApplyError::Invalid(format!(
                "id: pipeline {} belongs to another project",
                pipeline.id
            )));
        }
        if let Some(commit) = &pipeline.commit {
            let fields = CommitFields {
                title: commit.title.clone(),
                message: commit.message.clone(),
                author_name: commit.author_name.clone(),
                author_email: commit.author_email.clone(),
                created_at: commit.created_at.map(Timestamp::as_millis),
            };
            pipelines::upsert_commit(self.db, project_id, &pipeline.sha, &fields)?;
        }
        let mut status = pipeline.status;
        if let Some(known) = pipelines::lock(self.db, pipeline.id)? {
            builds::require_not_canceled(self.db, pipeline.id, known.status, Some(status))?;
            if builds::is_being_canceled(self.db, pipeline.id)? {
                // A cancellation ends when its jobs have ended.
                status = Status::Canceling;
            }
        }
        let changes = PipelineChanges {
            iid: pipeline.iid,
            ref_name: pipeline.ref_name.clone(),
            tag: pipeline.tag,
            sha: pipeline.sha.clone(),
            status: status.as_str(),
            source: pipeline.source.map(|source| source.as_str()),
            user_id: self.named_user(&pipeline.user)?,
            created_at: pipeline.created_at.map(Timestamp::as_millis),
            updated_at: self.now.as_millis(),
            started_at: millis(pipeline.started_at),
            finished_at: millis(pipeline.finished_at),
        };
        pipelines::upsert(self.db, pipeline.id, project_id, &changes, self.now)?;
        of_pipeline!(pipeline).store(self.db, pipeline.id)?;
        if status.is_finished() {
            builds::follow_jobs(self.db, pipeline.id, self.now)?;
        }
        Ok(())
    }

    fn job(&mut self, project_id: i64, pipeline_id: i64, job: &JobDocument) -> Result<(), ApplyError> {
        let known = jobs::find(self.db, job.id)?;
        if known.as_ref().is_some_and(|known| known.pipeline_id != pipeline_id) {
            return Err(ApplyError::Invalid(format!("id: job {} belongs to another pipeline", job.id)));
        }
        // A late report that it runs does not undo a cancellation.
        let is_canceling = known.is_some_and(|known| known.status == Status::Canceling)
            && builds::is_being_canceled(self.db, pipeline_id)?;
        let status = if is_canceling && !job.status.is_final() { Status::Canceling } else { job.status };
        let digest = job.token.as_ref().map(|token| token.as_deref().map(|t| Sha256Digest::of(t.as_bytes())));
        if let Some(Some(digest)) = digest
            && jobs::find_by_token(self.db, digest)?.is_some_and(|other| other.job.id != job.id)
        {
            return Err(ApplyError::Invalid("token: belongs to another job".into()));
        }
        let changes = JobChanges {
            name: job.name.clone(),
            stage: job.stage.clone(),
            status: status.as_str(),
            allow_failure: job.allow_failure,
            retried: job.retried,
            user_id: self.named_user(&job.user)?,
            token_sha256: digest.map(|digest| digest.map(|digest| digest.as_bytes().to_vec())),
            coverage: job.coverage,
            failure_reason: job.failure_reason.clone(),
            created_at: job.created_at.map(Timestamp::as_millis),
            started_at: millis(job.started_at),
            finished_at: millis(job.finished_at),
            erased_at: millis(job.erased_at),
        };
        jobs::upsert(self.db, job.id, project_id, pipeline_id, &changes, self.now)?;
        of_job!(job).store(self.db, job.id)?;
        Ok(builds::follow_jobs(self.db, pipeline_id, self.now)?)
    }

    /// Applies an artifact. Different bytes replace the stored artifact; the same bytes change only the
    /// fields that the document gives, because the document is the authority.
    fn artifact(
        &mut self,
        project_id: i64,
        job_id: i64,
        artifact: &ArtifactDocument,
    ) -> Result<(), ApplyError> {
        let name = artifact.identity();
        let existing = artifacts::find_current(self.db, job_id, &name, self.now)?;
        let Some(blob) = self.staged.get(&(job_id, name.clone())) else {
            let existing = existing.ok_or_else(|| changed_meanwhile(artifact))?;
            return self.change(existing.id, artifact);
        };
        match existing {
            Some(existing) if existing.sha256 == blob.contents.sha256 => {
                return self.change(existing.id, artifact);
            }
            Some(existing) => tombstones::soft_delete(self.db, existing.id, self.now)?,
            None => {}
        }
        let expire_at = match (artifact.expire_in, artifact.expire_at) {
            (Some(lifetime), _) => {
                let expiry = lifetime.0.expires_at(self.now);
                expiry.map_err(|why| ApplyError::Invalid(format!("expire_in: {why}")))?
            }
            (None, time) => time.flatten(),
        };
        let filename = artifact.filename.as_deref().and_then(clean_filename);
        let declared = NewArtifact {
            project_id,
            job_id,
            name,
            kind: artifact.kind,
            format: artifact.own_format(),
            media_type: artifact.media_type.clone().map(|text| text.0),
            filename: filename.unwrap_or_else(|| artifact.default_filename()),
            accessibility: artifact.accessibility.unwrap_or(Accessibility::Public),
            expire_at,
        };
        match artifacts::add(self.db, &declared, &blob.contents, self.now)? {
            InsertOutcome::Inserted(_) => {
                self.used.insert(blob.key.clone());
                Ok(())
            }
            InsertOutcome::AlreadyExists(_) => Err(changed_meanwhile(artifact)),
        }
    }

    fn change(&mut self, id: i64, artifact: &ArtifactDocument) -> Result<(), ApplyError> {
        let changes = ArtifactChanges {
            filename: artifact.filename.as_deref().and_then(clean_filename),
            media_type: artifact.media_type.as_ref().map(|text| text.0.as_str().to_owned()),
            accessibility: artifact.accessibility.map(|accessibility| accessibility.as_str()),
            expire_at: millis(artifact.expire_at),
        };
        Ok(artifacts::change(self.db, id, &changes, self.now)?)
    }

    /// Sets the parents that documents give. Makes those pipelines roots first, so that a family can be
    /// rearranged in any order.
    fn parents(&mut self, sources: &[Source]) -> Result<(), LoadError> {
        let named = || {
            sources.iter().flat_map(|source| {
                numbered("projects", &source.document.projects).flat_map(move |(place, project)| {
                    numbered(&format!("{place}.pipelines"), &project.pipelines).filter_map(
                        move |(place, pipeline)| {
                            Some((source, place, project.id, pipeline.id, pipeline.parent?))
                        },
                    )
                })
            })
        };
        for (.., id, _) in named() {
            if pipelines::parent_of(self.db, id)?.is_some() {
                pipelines::set_parent(self.db, id, None)?;
            }
        }
        for (source, place, project_id, id, parent) in named() {
            let Some(parent) = parent else { continue };
            self.parent(project_id, id, parent).map_err(|why| why.at(source, &format!("{place}.parent")))?;
        }
        Ok(())
    }

    /// Checks what pipelines are said to be rebuilt from, when all of them are there.
    fn check_originals(&mut self, sources: &[Source]) -> Result<(), LoadError> {
        for source in sources {
            for (place, project) in numbered("projects", &source.document.projects) {
                for (place, pipeline) in numbered(&format!("{place}.pipelines"), &project.pipelines) {
                    let Some(Some(original)) = pipeline.rebuilt_from else { continue };
                    let checked = builds::require_same_project(self.db, pipeline.id, original);
                    checked.map_err(|why| ApplyError::from(why).at(source, &place))?;
                }
            }
        }
        Ok(())
    }

    fn parent(&mut self, project_id: i64, id: i64, parent: i64) -> Result<(), ApplyError> {
        match pipelines::project_of(self.db, parent)? {
            None => Err(ApplyError::Invalid(format!("there is no pipeline {parent}"))),
            Some(other) if other != project_id => {
                Err(ApplyError::Invalid(format!("pipeline {parent} belongs to another project")))
            }
            Some(_) => Ok(pipelines::set_parent(self.db, id, Some(parent))?),
        }
    }

    fn named_user(&mut self, username: &Option<Option<String>>) -> Result<Option<Option<i64>>, ApplyError> {
        match username {
            None => Ok(None),
            Some(None) => Ok(Some(None)),
            Some(Some(username)) => Ok(Some(Some(self.user_id("user", username)?))),
        }
    }

    fn user_id(&mut self, field: &str, username: &str) -> Result<i64, ApplyError> {
        users::id_by_username(self.db, username)?
            .ok_or_else(|| ApplyError::Invalid(format!("{field}: there is no user {username:?}")))
    }
}

fn changed_meanwhile(artifact: &ArtifactDocument) -> ApplyError {
    ApplyError::Invalid(format!("{artifact} of the job were changed meanwhile; load again"))
}

/// Returns a size as its column stores it.
fn bytes(size: Patch<Size>) -> Result<Option<Option<i64>>, Error> {
    let in_bytes = |size: Size| i64::try_from(size.0).map_err(Error::internal);
    size.map(|size| size.map(in_bytes).transpose()).transpose()
}

fn millis(time: Option<Option<Timestamp>>) -> Option<Option<i64>> {
    time.map(|time| time.map(Timestamp::as_millis))
}
