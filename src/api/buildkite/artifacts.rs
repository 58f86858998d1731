//! Artifacts: the files that jobs handed over, alone or in archives, as lists and one by one.

use std::ops::Range;
use std::slice;

use actix_web::HttpResponse;
use actix_web::http::header;
use serde_json::json;

use super::answer;
use super::credentials::{reader, writer};
use super::error::ApiError;
use super::files::{self, File};
use super::json::artifact::ArtifactJson;
use super::json::build::Shown;
use crate::access::{BuildArtifacts, BuildPath, JobPath, Total};
use crate::auth::signed_links::Purpose;
use crate::deliver::FileFilter;
use crate::domain::Uuid;
use crate::domain::artifact::ArtifactState;
use crate::domain::path_pattern::PathPattern;
use crate::domain::scope::Scope;
use crate::http::context::RequestContext;
use crate::ingest::RemoveOutcome;

/// The states that a filter may name.
const STATES: &[ArtifactState] = &[
    ArtifactState::New,
    ArtifactState::Error,
    ArtifactState::Finished,
    ArtifactState::Deleted,
    ArtifactState::Expired,
];

/// `GET …/builds/:number/artifacts`
pub(super) async fn of_build(ctx: &RequestContext, path: BuildPath) -> Result<HttpResponse, ApiError> {
    let principal = reader(ctx, Scope::ReadArtifacts);
    let state = ctx.after_authentication(&principal, state(ctx)).await?;
    let deleted_too = state == Some(ArtifactState::Deleted);
    let found = ctx.access().artifacts_of_build(&principal, path, deleted_too).await?;
    list(ctx, found, state).await
}

/// `GET …/jobs/:id/artifacts`
pub(super) async fn of_job(ctx: &RequestContext, path: JobPath) -> Result<HttpResponse, ApiError> {
    let principal = reader(ctx, Scope::ReadArtifacts);
    let state = ctx.after_authentication(&principal, state(ctx)).await?;
    let deleted_too = state == Some(ArtifactState::Deleted);
    let found = ctx.access().artifacts_of_build_job(&principal, path, deleted_too).await?;
    list(ctx, found, state).await
}

/// Reads the state of the filter.
fn state(ctx: &RequestContext) -> Result<Option<ArtifactState>, ApiError> {
    let Some(text) = ctx.query.get_filled("state") else { return Ok(None) };
    let found = STATES.iter().copied().find(|state| state.as_str() == text);
    let unknown = || {
        let names: Vec<&str> = STATES.iter().map(|state| state.as_str()).collect();
        ApiError::Unprocessable(format!("state must be one of {}", names.join(", ")).into())
    };
    found.map(Some).ok_or_else(unknown)
}

async fn list(
    ctx: &RequestContext,
    found: BuildArtifacts,
    state: Option<ArtifactState>,
) -> Result<HttpResponse, ApiError> {
    let pattern = ctx.query.get_filled("path").map(PathPattern::new);
    let page = answer::page(ctx);
    let Range { start, end } = page.range();
    let filter = FileFilter { pattern, is_readable: None };
    let (total, mut listed) = files::select(ctx, &found, state, filter, start..end).await?;
    files::add_digests(&ctx.app, &mut listed, files::Digesting::OfSmallPages).await?;
    let shown = Shown::of(ctx);
    let bytes = listed.iter().map(File::json_bytes).sum();
    let make = move || -> Vec<ArtifactJson> {
        listed.iter().map(|file| ArtifactJson::new(file.parts(&found), &shown)).collect()
    };
    answer::list(ctx, Scope::ReadArtifacts, (page, Total::Known(total)), bytes, make).await
}

/// Finds a file of a job by its UUID.
async fn find(ctx: &RequestContext, path: JobPath, uuid: Uuid) -> Result<(BuildArtifacts, File), ApiError> {
    let principal = reader(ctx, Scope::ReadArtifacts);
    let found = ctx.access().artifacts_of_build_job(&principal, path, false).await?;
    let file = files::find(ctx, &found, uuid).await?.ok_or(ApiError::missing("artifact"))?;
    Ok((found, file))
}

/// `GET …/jobs/:id/artifacts/:id`
pub(super) async fn one(ctx: &RequestContext, path: JobPath, uuid: Uuid) -> Result<HttpResponse, ApiError> {
    let (found, mut file) = find(ctx, path, uuid).await?;
    files::add_digests(&ctx.app, slice::from_mut(&mut file), files::Digesting::OfAll).await?;
    let json = ArtifactJson::new(file.parts(&found), &Shown::of(ctx));
    answer::json(ctx, HttpResponse::Ok(), Some(Scope::ReadArtifacts), &json)
}

/// `GET …/jobs/:id/artifacts/:id/download`: redirects to a link that needs no credential.
pub(super) async fn download(
    ctx: &RequestContext,
    path: JobPath,
    uuid: Uuid,
) -> Result<HttpResponse, ApiError> {
    let (_, file) = find(ctx, path, uuid).await?;
    if file.state() != "finished" {
        let text = format!("Artifact is {}", file.state());
        return Err(ApiError::NotFound(text.into(), "artifact is not finished".into()));
    }
    let (artifact, entry) = file.place().ok_or(ApiError::missing("artifact"))?;
    let lifetime = ctx.app.settings.download_lifetime;
    let url = ctx.signed_url_of_file(Purpose::Download, artifact.uuid, entry, lifetime).await?;
    Ok(HttpResponse::Found()
        .insert_header((header::LOCATION, url.as_str()))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("X-Accepted-OAuth-Scopes", Scope::ReadArtifacts.as_str()))
        .insert_header((header::CONTENT_TYPE, "application/json; charset=utf-8"))
        .body(json!({ "url": url }).to_string()))
}

/// `DELETE …/jobs/:id/artifacts/:id`: a file of an archive is taken out of it.
pub(super) async fn delete(
    ctx: &RequestContext,
    path: JobPath,
    uuid: Uuid,
) -> Result<HttpResponse, ApiError> {
    ctx.audit.start("artifact.delete");
    let principal = writer(ctx, Scope::WriteArtifacts);
    let found = ctx.access().artifacts_of_build_job(&principal, path.clone(), false).await?;
    let file = files::find(ctx, &found, uuid).await?.ok_or(ApiError::missing("artifact"))?;
    let (artifact, entry) = file.place().ok_or(ApiError::missing("artifact"))?;
    let Some(entry) = entry else {
        ctx.access().delete_build_artifact(&principal, path, artifact.id).await?;
        return Ok(gone());
    };
    let (archive, project_id) = ctx.access().deletable_artifact(&principal, path, artifact.id).await?;
    let turn = ctx.app.ingest.removal_turn(project_id, archive.job_id).await?;
    match ctx.app.ingest.remove_file(&turn, &archive, &entry).await? {
        RemoveOutcome::Removed => Ok(gone()),
        RemoveOutcome::NotFound => Err(ApiError::missing("artifact")),
    }
}

fn gone() -> HttpResponse {
    HttpResponse::NoContent().insert_header((header::CACHE_CONTROL, "no-cache")).finish()
}
