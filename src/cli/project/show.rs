//! `artigate project list` and `show`. Fields have the names of registry documents.

use serde_json::{Map, Value};

use crate::catalog::foreign::kept_until;
use crate::catalog::projects::{self, ProjectDetails};
use crate::cli::CommandError;
use crate::cli::catalog_session::CatalogSession;
use crate::cli::listing::{self, Record};
use crate::domain::{Error, byte_size};

/// Lists all projects.
pub(super) fn list(administration: &CatalogSession, json: bool) -> Result<(), CommandError> {
    let found = administration.read(|db| projects::details(db, None))?;
    let some_are_hidden = found.iter().any(|details| details.project.is_gone());
    let records: Vec<Record> = found.into_iter().map(record).collect();
    let mut columns =
        vec!["id", "path", "visibility", "public_jobs", "keep_latest_artifact", "max_artifact_size"];
    if some_are_hidden {
        columns.push("hidden_until");
    }
    listing::print_all(&columns, &records, json)
}

/// Shows one project with its members, its job token allowlist and its usage.
pub(super) fn show(administration: &CatalogSession, path: String, json: bool) -> Result<(), CommandError> {
    let record = administration.read(move |db| {
        let id = projects::find_by_path(db, &path)?.id;
        let details = projects::details(db, Some(id))?.pop();
        let details = details.ok_or_else(|| Error::internal("the project was deleted meanwhile"))?;
        let members: Map<String, Value> = projects::members(db, id)?
            .into_iter()
            .map(|(username, role)| (username, role.as_str().into()))
            .collect();
        let holdings = projects::usage(db, id)?;
        Ok(record(details)
            .with("members", members)
            .with("job_token_allowlist", projects::allowlist(db, id)?)
            .with("pipelines", holdings.pipelines)
            .with("jobs", holdings.jobs)
            .with("artifacts", holdings.artifacts)
            .with_shown("artifact_bytes", holdings.artifact_bytes, Some(size(holdings.artifact_bytes))))
    })?;
    listing::print_one(&record, json)
}

fn record(details: ProjectDetails) -> Record {
    let ProjectDetails { project, name, default_branch, max_storage_bytes, created_at, uuid: _ } = details;
    let limit = project.max_artifact_bytes;
    let hidden_until = project.gone_at.map(|gone_at| kept_until(gone_at).to_string());
    let record = Record::default()
        .with("id", project.id)
        .with("path", project.path)
        .with("name", name)
        .with("visibility", project.visibility.as_str())
        .with("public_jobs", project.public_jobs)
        .with("keep_latest_artifact", project.keep_latest_artifact)
        .with_shown("max_artifact_size", limit, limit.map(size))
        .with_shown("max_storage", max_storage_bytes, max_storage_bytes.map(size))
        .with("default_branch", default_branch)
        .with("created_at", created_at.to_string());
    // Deleted by its upstream, which may still tell of it again.
    match hidden_until {
        Some(until) => record.with("hidden_until", until),
        None => record,
    }
}

/// Formats a size in bytes; sizes in the catalog are never negative.
fn size(bytes: i64) -> String {
    byte_size::show(bytes.unsigned_abs())
}
