//! Fast path: a job's archive and everything that the permission check needs, found in one statement.
//!
//! Nothing is recorded or refused before all of it is known to exist; the slow path finds out what is missing, in the
//! order in which clients are told.

use crate::access::foreign::rights_in;
use crate::access::project::{AuthorizedProject, Rights};
use crate::access::{AccessError, Principal};
use crate::auth::{self, Actor};
use crate::catalog::artifact_access::ArtifactAccess;
use crate::catalog::artifacts::Artifact;
use crate::catalog::jobs::Job;
use crate::catalog::projects::Project;
use crate::catalog::{Db, latest};
use crate::domain::artifact::Availability;
use crate::domain::permissions::Action;
use crate::domain::project::ProjectRef;
use crate::domain::{self, ErrorKind, Sha256Digest};

/// Whether one statement can authenticate the principal: by a personal token, or anonymously. A job token's
/// reach takes more statements.
fn has_fast_path(principal: &Principal) -> bool {
    let credentials = &principal.credentials;
    auth::personal_digest(credentials).is_some() || !credentials.has_job_token()
}

/// Finds a job's archive and everything that the permission check needs in one statement. `None` if something
/// is missing: the slow path then finds out what, in the order of the errors.
pub(super) fn archive_fast_path(
    db: &mut Db,
    principal: &Principal,
    project: &ProjectRef,
    job_id: i64,
) -> Result<Option<Artifact>, AccessError> {
    let found = fast_path(db, principal, Some(project), |db, digest| {
        ArtifactAccess::find(db, project, job_id, digest)
    })?;
    let Some((project, job, archive)) = found else { return Ok(None) };
    // The job may have another archive that has not expired.
    if latest::availability(db, &project.project, &job, &archive, project.now)? == Availability::Expired {
        return Ok(None);
    }
    project.record(Some(&archive));
    Ok(Some(archive))
}

/// Like [`archive_fast_path`], for the archive of a ref and a job's name.
pub(super) fn archive_of_ref_fast_path(
    db: &mut Db,
    principal: &Principal,
    project: &ProjectRef,
    (ref_name, job_name): (&str, &str),
) -> Result<Option<Artifact>, AccessError> {
    // What a ref leads to in a project of the upstream is asked there first.
    let found = fast_path(db, principal, None, |db, digest| {
        ArtifactAccess::find_by_ref(db, project, ref_name, job_name, digest, principal.now)
    })?;
    let Some((project, _, archive)) = found else { return Ok(None) };
    project.record(Some(&archive));
    Ok(Some(archive))
}

/// Authorizes the result of one statement, in the order of the slow path. Nothing is recorded or refused
/// before all of it is known to exist.
fn fast_path(
    db: &mut Db,
    principal: &Principal,
    meant: Option<&ProjectRef>,
    find: impl FnOnce(&mut Db, Option<Sha256Digest>) -> domain::Result<Option<ArtifactAccess>>,
) -> Result<Option<(AuthorizedProject, Job, Artifact)>, AccessError> {
    if !has_fast_path(principal) {
        return Ok(None);
    }
    let digest = auth::personal_digest(&principal.credentials);
    let found = match find(db, digest) {
        // A text that no column can store; the slow path reports it after the credential.
        Err(error) if error.kind() == ErrorKind::Invalid => None,
        found => found?,
    };
    let Some(ArtifactAccess { project, job, artifact, token, role, has_files: false }) = found else {
        return Ok(None);
    };
    // The slow path tells the error, and asks where that is of use.
    if project.is_gone() {
        return Ok(None);
    }
    let Principal { scopes, now, .. } = principal;
    let (actor, rights) = match (digest, token) {
        // The token, if there is one, is not known here. A project of the upstream has to be the one that is meant.
        (None, _) | (Some(_), None) if project.upstream.is_some() => {
            match meant.map_or(Ok(None), |meant| foreign_fast_path(db, principal, meant, &project))? {
                Some(found) => found,
                None => return Ok(None),
            }
        }
        (None, _) => {
            let actor = principal.authenticate(db)?;
            let rights = Rights::Registered(auth::grant_in(db, &actor, &project)?);
            (actor, rights)
        }
        (Some(_), None) => return Ok(None),
        (Some(digest), Some((token, user))) => {
            let audit = principal.audit();
            let grant = auth::grant_with_token((token, digest), &user, role, *scopes, *now, audit)?;
            let Some(grant) = grant else { return Ok(None) };
            (Actor::User(user), Rights::Registered(grant))
        }
    };
    principal.audit().set_project(&project);
    let project = AuthorizedProject::with_rights(principal, actor, rights, project);
    project.require(Action::ReadJobs)?;
    principal.audit().set_job(job.id);
    project.require_artifact(Some(&artifact))?;
    Ok(Some((project, job, artifact)))
}

/// Returns the actor behind a credential that is not known here, or nobody, with the rights in a project of the
/// upstream. `None` where that takes more than one statement: for a token that may be a job's, and for a path that the
/// upstream has not confirmed lately.
fn foreign_fast_path(
    db: &mut Db,
    principal: &Principal,
    meant: &ProjectRef,
    project: &Project,
) -> Result<Option<(Actor, Rights)>, AccessError> {
    let is_meant = match meant {
        ProjectRef::Id(_) => true,
        ProjectRef::Path(path) => principal.asked().project_at(path) == Some(project.id),
    };
    if !is_meant || principal.asked().upstream() != project.upstream.as_deref() {
        return Ok(None);
    }
    let actor = match auth::known_to_be_foreign(&principal.credentials, principal.scopes)? {
        Some(actor) => actor,
        None if principal.credentials.list.is_empty() => principal.authenticate(db)?,
        None => return Ok(None),
    };
    let rights = rights_in(db, principal, &actor, project)?;
    Ok(Some((actor, rights)))
}
