//! Routes of the agent's API. A job or build is named by its UUID, or by its number.

use percent_encoding::percent_decode_str;

use super::PREFIX;
use super::worker::WorkerRoute;
use crate::api::buildkite::error::ApiError;
use crate::domain::{RowId, Uuid};
use crate::http::target;

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// One job.
    Job(RowId),
    /// The artifacts of a job.
    JobArtifacts(RowId),
    /// The search among the artifacts of a build.
    Search(RowId),
    /// What an agent calls to serve builds.
    Worker(WorkerRoute),
}

impl Route {
    /// Returns the template of its path.
    pub(super) fn template(&self) -> &'static str {
        match self {
            Self::Job(_) => "/v3/jobs/:id",
            Self::JobArtifacts(_) => "/v3/jobs/:id/artifacts",
            Self::Search(_) => "/v3/builds/:id/artifacts/search",
            Self::Worker(route) => route.template(),
        }
    }
}

/// Parses a raw path.
///
/// # Errors
/// [`ApiError::NotFound`].
pub(super) fn parse(path: &str) -> Result<Route, ApiError> {
    let no_route = || ApiError::no_route(path);
    let rest = path.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('/')).ok_or_else(no_route)?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let decoded: Option<Vec<String>> = rest.split('/').map(decode).collect();
    let decoded = decoded.ok_or_else(no_route)?;
    let segments: Vec<&str> = decoded.iter().map(String::as_str).collect();
    match segments[..] {
        ["jobs", id] => Ok(Route::Job(job(id)?)),
        ["jobs", id, "artifacts"] => Ok(Route::JobArtifacts(job(id)?)),
        ["builds", id, "artifacts", "search"] => {
            Ok(Route::Search(read_id(id).ok_or_else(|| ApiError::missing("build"))?))
        }
        _ => WorkerRoute::parse(&segments)?.map(Route::Worker).ok_or_else(no_route),
    }
}

pub(super) fn build(text: &str) -> Result<RowId, ApiError> {
    read_id(text).ok_or_else(|| ApiError::missing("build"))
}

pub(super) fn job(text: &str) -> Result<RowId, ApiError> {
    read_id(text).ok_or_else(|| ApiError::missing("job"))
}

fn read_id(text: &str) -> Option<RowId> {
    let number = target::number(text).map(RowId::Number);
    number.or_else(|| text.parse::<Uuid>().ok().map(RowId::Uuid))
}

/// Decodes a segment once; agents write every dot as `%2E`.
fn decode(segment: &str) -> Option<String> {
    percent_decode_str(segment).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn jobs_and_builds_are_named_by_uuid_or_number() {
        let uuid = "01980e4c-0a3f-7c3e-9b6d-2f0d1b2c3d4e";
        let id = RowId::Uuid(uuid.parse().unwrap());
        for (path, route) in [
            ("/v3/jobs/17".to_owned(), Route::Job(RowId::Number(17))),
            (format!("/v3/jobs/{uuid}/"), Route::Job(id)),
            (format!("/v3/jobs/{uuid}/artifacts"), Route::JobArtifacts(id)),
            (format!("/v3/builds/{uuid}/artifacts/search"), Route::Search(id)),
            ("/v3/builds/%31/artifacts/search".to_owned(), Route::Search(RowId::Number(1))),
        ] {
            assert_eq!(parse(&path).unwrap(), route, "{path}");
        }
        for path in ["/v3", "/v3/", "/v3/jobs", "/v3/jobs/x", "/v3/jobs/-1", "/v3/builds/1", "/v3/%ff"] {
            assert!(parse(path).is_err(), "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_is_a_panic(path in "/v3/[ -~]{0,60}") {
            let _ = parse(&path);
        }
    }
}
