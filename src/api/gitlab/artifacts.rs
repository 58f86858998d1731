//! Downloads: a job's archive or one file of it, by job, by ref, and for a job that depends on another.

use actix_web::HttpResponse;

use crate::access::{AcceptedCredentials, AccessError, ArchiveLookup, JobArchive, RefLookup, RefSearch};
use crate::api::gitlab::artifact_types::can_be_fetched;
use crate::api::gitlab::credentials::reader;
use crate::api::gitlab::downloads::{file, whole, whole_archive, whole_or_folder};
use crate::api::gitlab::error::ApiError;
use crate::api::gitlab::parameters::{id, numbered_job};
use crate::api::gitlab::pulled::{Found, here_or_coming};
use crate::domain::artifact::ArtifactKind;
use crate::domain::project::ProjectRef;
use crate::http::context::RequestContext;
use crate::http::pulled::here;
use crate::http::query::InvalidParameter;

/// `GET /projects/:id/jobs/:job_id/artifacts`
pub(super) async fn of_job(
    ctx: &RequestContext,
    project: ProjectRef,
    job_id: &str,
) -> Result<HttpResponse, ApiError> {
    let kind = match ctx.query.choice::<ArtifactKind>("file_type")? {
        None => ArtifactKind::Archive,
        // Any type that a job may upload can be downloaded; its log and GitLab's own listing have no
        // `file_type`.
        Some(kind) if can_be_fetched(kind) => kind,
        Some(_) => return Err(InvalidParameter::Choice("file_type").into()),
    };
    if kind == ArtifactKind::Archive {
        let job_id = id(job_id, "job_id")?;
        let find = async || lookup_of_job(ctx, project.clone(), job_id).await;
        return match here_or_coming(ctx, find).await? {
            Found::Here(archive) => whole_or_folder(ctx, archive, true).await,
            Found::Coming(answer) => Ok(answer),
        };
    }
    let job_id = id(job_id, "job_id")?;
    let principal = reader(ctx, AcceptedCredentials::Any);
    let artifact = ctx.access().artifact_of_job(&principal, project, job_id, kind.into()).await?;
    whole(ctx, &artifact, true).await
}

/// `GET /projects/:id/jobs/artifacts/:ref_name/download`
pub(super) async fn of_ref(
    ctx: &RequestContext,
    project: ProjectRef,
    ref_name: String,
) -> Result<HttpResponse, ApiError> {
    let lookup = ref_lookup(ctx, ref_name)?;
    let find = async || lookup_of_ref(ctx, project.clone(), lookup.clone()).await;
    match here_or_coming(ctx, find).await? {
        Found::Here(archive) => whole_or_folder(ctx, archive, true).await,
        Found::Coming(answer) => Ok(answer),
    }
}

/// `GET /projects/:id/jobs/:job_id/artifacts/*artifact_path`
pub(super) async fn file_of_job(
    ctx: &RequestContext,
    project: ProjectRef,
    job_id: &str,
    path: Vec<u8>,
) -> Result<HttpResponse, ApiError> {
    let archive = archive_of_job(ctx, project, job_id).await?;
    refuse_folder(ctx)?;
    file(ctx, &archive, path).await
}

/// `GET /projects/:id/jobs/artifacts/:ref_name/raw/*artifact_path`
pub(super) async fn file_of_ref(
    ctx: &RequestContext,
    project: ProjectRef,
    ref_name: String,
    path: Vec<u8>,
) -> Result<HttpResponse, ApiError> {
    let lookup = ref_lookup(ctx, ref_name)?;
    let archive = here(ctx, async || lookup_of_ref(ctx, project.clone(), lookup.clone()).await).await?;
    refuse_folder(ctx)?;
    file(ctx, &archive, path).await
}

/// Refuses a URL that ends with a slash: it is that of a folder, which has no bytes, not of a file.
fn refuse_folder(ctx: &RequestContext) -> Result<(), ApiError> {
    if ctx.request.uri().path().ends_with('/') {
        Err(ApiError::absent("Not Found", "path ends with a slash, so it is not a file"))
    } else {
        Ok(())
    }
}

/// `GET /jobs/:id/artifacts`
pub(super) async fn for_dependent_job(ctx: &RequestContext, job_id: &str) -> Result<HttpResponse, ApiError> {
    let job = numbered_job(job_id)?;
    let follows = ctx.query.flag("direct_download")?;
    let principal = reader(ctx, AcceptedCredentials::UserOrJob);
    let find = async || {
        let found = ctx.access().archive_for_dependent_job(&principal, job).await;
        found.map_err(final_for_a_runner)
    };
    match here_or_coming(ctx, find).await? {
        Found::Here(archive) => whole_archive(ctx, archive, follows).await,
        Found::Coming(answer) => Ok(answer),
    }
}

/// Refuses with 403, which a runner takes as final; it does not learn that the job or project is hidden.
fn final_for_a_runner(error: AccessError) -> ApiError {
    match error {
        AccessError::JobTokenRequired | AccessError::JobNotFound { .. } | AccessError::ProjectNotFound(_) => {
            ApiError::forbidden(error.reason())
        }
        other => other.into(),
    }
}

/// Returns what stands for a job's archive, if the caller may read it.
pub(super) async fn archive_of_job(
    ctx: &RequestContext,
    project: ProjectRef,
    job_id: &str,
) -> Result<JobArchive, ApiError> {
    let job_id = id(job_id, "job_id")?;
    here(ctx, async || lookup_of_job(ctx, project.clone(), job_id).await).await
}

async fn lookup_of_job(
    ctx: &RequestContext,
    project: ProjectRef,
    job_id: i64,
) -> Result<ArchiveLookup, ApiError> {
    let principal = reader(ctx, AcceptedCredentials::Any);
    Ok(ctx.access().archive_of_job(&principal, project, job_id).await?)
}

fn ref_lookup(ctx: &RequestContext, ref_name: String) -> Result<RefLookup, ApiError> {
    let job_name = ctx.query.get("job").ok_or(ApiError::Parameter("job is missing".into()))?.to_owned();
    let search = if ctx.query.flag("search_recent_successful_pipelines")? {
        RefSearch::Recent
    } else {
        RefSearch::Newest
    };
    Ok(RefLookup { ref_name, job_name, search })
}

async fn lookup_of_ref(
    ctx: &RequestContext,
    project: ProjectRef,
    lookup: RefLookup,
) -> Result<ArchiveLookup, ApiError> {
    let principal = reader(ctx, AcceptedCredentials::Any);
    Ok(ctx.access().archive_of_ref(&principal, project, lookup).await?)
}
