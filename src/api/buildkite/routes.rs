//! Routes of the REST API, matched on the raw path; a slash at its end makes no difference.

use actix_web::http::header::{ACCEPT, HeaderMap};
use percent_encoding::percent_decode_str;

use super::PREFIX;
use super::error::ApiError;
use crate::access::{BuildPath, BuildScope, JobPath, JobScope};
use crate::domain::Uuid;
use crate::domain::build::Slugs;
use crate::http::target;

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// The root.
    Root,
    /// The caller's user.
    User,
    /// The caller's token.
    AccessToken,
    /// All organizations.
    Organizations,
    /// One organization.
    Organization(String),
    /// The pipelines of an organization.
    Pipelines(String),
    /// One pipeline.
    Pipeline(Slugs),
    /// A list of builds.
    Builds(BuildScope),
    /// One build.
    Build(BuildPath),
    /// The call that cancels a build.
    Cancel(BuildPath),
    /// The call that repeats a build.
    Rebuild(BuildPath),
    /// The call that tries the failed jobs of a build again.
    RetryFailedJobs(BuildPath),
    /// The jobs of a build.
    Jobs(BuildPath),
    /// One job.
    Job(JobPath),
    /// The call that tries a job again.
    RetryJob(JobPath),
    /// The log of a job.
    Log(JobPath, LogForm),
    /// The artifacts of a build.
    BuildArtifacts(BuildPath),
    /// The artifacts of a job.
    JobArtifacts(JobPath),
    /// One artifact.
    Artifact(JobPath, Uuid),
    /// The bytes of an artifact.
    Download(JobPath, Uuid),
}

/// The form of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogForm {
    /// JSON with the text inside.
    Json,
    /// The text.
    Text,
    /// A page.
    Html,
}

impl LogForm {
    /// Returns the form that a client accepts where the address names none.
    pub(super) fn or_accepted(self, headers: &HeaderMap) -> Self {
        let accepted = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match (self, accepted.split([',', ';']).next().unwrap_or_default().trim()) {
            (Self::Json, "text/plain") => Self::Text,
            (Self::Json, "text/html") => Self::Html,
            (form, _) => form,
        }
    }
}

impl Route {
    /// Returns the template of its path.
    pub(super) fn template(&self) -> &'static str {
        match self {
            Self::Root => "/v2",
            Self::User => "/v2/user",
            Self::AccessToken => "/v2/access-token",
            Self::Organizations => "/v2/organizations",
            Self::Organization(_) => "/v2/organizations/:organization",
            Self::Pipelines(_) => "/v2/organizations/:organization/pipelines",
            Self::Pipeline(_) => "/v2/organizations/:organization/pipelines/:pipeline",
            Self::Builds(_) => "/v2/…/builds",
            Self::Build(_) => "/v2/…/builds/:number",
            Self::Cancel(_) => "/v2/…/builds/:number/cancel",
            Self::Rebuild(_) => "/v2/…/builds/:number/rebuild",
            Self::RetryFailedJobs(_) => "/v2/…/builds/:number/retry_failed_jobs",
            Self::Jobs(_) => "/v2/…/builds/:number/jobs",
            Self::Job(_) => "/v2/…/jobs/:id",
            Self::RetryJob(_) => "/v2/…/jobs/:id/retry",
            Self::Log(..) => "/v2/…/jobs/:id/log",
            Self::BuildArtifacts(_) => "/v2/…/builds/:number/artifacts",
            Self::JobArtifacts(_) => "/v2/…/jobs/:id/artifacts",
            Self::Artifact(..) => "/v2/…/artifacts/:id",
            Self::Download(..) => "/v2/…/artifacts/:id/download",
        }
    }
}

/// Parses a raw path.
///
/// # Errors
/// [`ApiError::NotFound`] for one that is no route, or that names a build or job as none is named.
pub(super) fn parse(path: &str) -> Result<Route, ApiError> {
    let no_route = || ApiError::no_route(path);
    let rest = path.strip_prefix(PREFIX).ok_or_else(no_route)?;
    let rest = rest.strip_prefix('/').unwrap_or(rest);
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let segments: Option<Vec<String>> = rest.split('/').map(decode).collect();
    let segments = segments.ok_or_else(no_route)?;
    let names: Vec<&str> = segments.iter().map(String::as_str).collect();
    match names[..] {
        [""] => Ok(Route::Root),
        ["user"] => Ok(Route::User),
        ["access-token"] => Ok(Route::AccessToken),
        ["builds"] => Ok(Route::Builds(BuildScope::All)),
        ["organizations"] => Ok(Route::Organizations),
        ["organizations", organization, ref rest @ ..] => {
            of_organization(organization.to_owned(), rest).unwrap_or_else(|| Err(no_route()))
        }
        _ => Err(no_route()),
    }
}

/// Parses what comes after an organization; `None` if it is no route.
fn of_organization(organization: String, rest: &[&str]) -> Option<Result<Route, ApiError>> {
    Some(match *rest {
        [] => Ok(Route::Organization(organization)),
        ["builds"] => Ok(Route::Builds(BuildScope::Organization(organization))),
        ["pipelines"] => Ok(Route::Pipelines(organization)),
        ["pipelines", pipeline, ref rest @ ..] => {
            let slugs = Slugs { organization, pipeline: pipeline.to_owned() };
            return of_pipeline(slugs, rest);
        }
        ["jobs", uuid, ref rest @ ..] => return of_job(JobScope::Organization(organization), uuid, rest),
        _ => return None,
    })
}

fn of_pipeline(slugs: Slugs, rest: &[&str]) -> Option<Result<Route, ApiError>> {
    Some(match *rest {
        [] => Ok(Route::Pipeline(slugs)),
        ["builds"] => Ok(Route::Builds(BuildScope::Pipeline(slugs))),
        ["builds", number, ref rest @ ..] => {
            let Some(number) = target::number(number) else { return Some(Err(ApiError::missing("build"))) };
            let path = BuildPath { slugs, number };
            match *rest {
                [] => Ok(Route::Build(path)),
                ["cancel"] => Ok(Route::Cancel(path)),
                ["rebuild"] => Ok(Route::Rebuild(path)),
                ["retry_failed_jobs"] => Ok(Route::RetryFailedJobs(path)),
                ["jobs"] => Ok(Route::Jobs(path)),
                ["artifacts"] => Ok(Route::BuildArtifacts(path)),
                ["jobs", uuid, ref rest @ ..] => return of_job(JobScope::Build(path), uuid, rest),
                _ => return None,
            }
        }
        _ => return None,
    })
}

fn of_job(scope: JobScope, uuid: &str, rest: &[&str]) -> Option<Result<Route, ApiError>> {
    let Ok(uuid) = uuid.parse() else { return Some(Err(ApiError::missing("job"))) };
    let path = JobPath { scope, uuid };
    if let ["artifacts", uuid, ref rest @ ..] = *rest {
        let Ok(uuid) = uuid.parse() else { return Some(Err(ApiError::missing("artifact"))) };
        return match *rest {
            [] => Some(Ok(Route::Artifact(path, uuid))),
            ["download"] => Some(Ok(Route::Download(path, uuid))),
            _ => None,
        };
    }
    Some(Ok(match *rest {
        ["artifacts"] => Route::JobArtifacts(path),
        [] => Route::Job(path),
        ["retry"] => Route::RetryJob(path),
        ["log"] => Route::Log(path, LogForm::Json),
        ["log.txt"] => Route::Log(path, LogForm::Text),
        ["log.html"] => Route::Log(path, LogForm::Html),
        _ => return None,
    }))
}

/// Decodes a segment once; one that is no text is part of no route.
fn decode(segment: &str) -> Option<String> {
    let decoded = percent_decode_str(segment).decode_utf8().ok()?;
    (!decoded.contains('\0')).then(|| decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const JOB: &str = "01980e4c-0a3f-7c3e-9b6d-2f0d1b2c3d4e";

    #[test]
    fn routes_are_found_with_and_without_a_slash_at_the_end() {
        let slugs = Slugs { organization: "acme".into(), pipeline: "web".into() };
        let build = BuildPath { slugs: slugs.clone(), number: 7 };
        let job = JobPath { scope: JobScope::Build(build.clone()), uuid: JOB.parse().unwrap() };
        let short = JobPath { scope: JobScope::Organization("acme".into()), ..job.clone() };
        let base = "/v2/organizations/acme/pipelines/web";
        for (path, route) in [
            ("/v2".to_owned(), Route::Root),
            ("/v2/builds".to_owned(), Route::Builds(BuildScope::All)),
            (base.to_owned(), Route::Pipeline(slugs.clone())),
            (format!("{base}/builds"), Route::Builds(BuildScope::Pipeline(slugs))),
            (format!("{base}/builds/7"), Route::Build(build.clone())),
            (format!("{base}/builds/%37/cancel"), Route::Cancel(build)),
            (format!("{base}/builds/7/jobs/{JOB}/log.txt"), Route::Log(job, LogForm::Text)),
            (format!("/v2/organizations/acme/jobs/{JOB}"), Route::Job(short)),
        ] {
            assert_eq!(parse(&path).unwrap(), route, "{path}");
            assert_eq!(parse(&format!("{path}/")).unwrap(), route, "{path}/");
        }
        for path in ["/v2/nothing", "/v2///", "/v2/organizations/acme/pipelines/web/builds/x", "/v2/%ff"] {
            assert!(parse(path).is_err(), "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_is_a_panic(path in "/v2/[ -~]{0,60}") {
            let _ = parse(&path);
        }
    }
}
