//! Routes of the upstream's API: the only paths that are ever asked for, made of fixed words, numbers and checked
//! segments.

use std::fmt;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::question::{ArchiveAt, ProjectKey};

/// A route, displayed as its path and query.
#[derive(Debug, Clone, Copy)]
pub(super) enum Route<'a> {
    /// A job for a runner.
    JobRequest,
    /// The job of the token.
    Job,
    /// The job of the token, with the roles of its user.
    AllowedAgents,
    /// One pipeline of a project.
    Pipelines(&'a ProjectKey),
    /// One job of a project.
    Jobs(&'a ProjectKey),
    /// A project.
    Project(&'a ProjectKey),
    /// One project of which the token's owner is a member.
    Projects,
    /// The personal token itself.
    TokenSelf,
    /// The OAuth token itself.
    TokenInfo,
    /// The token's owner.
    User,
    /// The newest successful pipelines of a ref.
    Successful(i64, &'a str),
    /// The jobs of a pipeline, without those that were tried again: the numbers of the project, the pipeline and the
    /// page.
    PipelineJobs(i64, i64, usize),
    /// The pipelines that a pipeline has started.
    Bridges(i64, i64),
    /// A page of the successful jobs of a project.
    SuccessfulJobs(i64, usize),
    /// The archive of a job.
    Archive(ArchiveAt),
    /// A job: the numbers of the project and the job.
    ProjectJob(i64, i64),
    /// A page of the jobs of a project that have ended.
    EndedJobs(i64, usize),
    /// A user's membership in a project: the numbers of both.
    Member(i64, i64),
}

impl fmt::Display for Route<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::JobRequest => f.write_str("/api/v4/jobs/request"),
            Self::Job => f.write_str("/api/v4/job"),
            Self::AllowedAgents => f.write_str("/api/v4/job/allowed_agents"),
            Self::Pipelines(project) => {
                write!(f, "/api/v4/projects/{}/pipelines?per_page=1", Segment(project))
            }
            Self::Jobs(project) => write!(f, "/api/v4/projects/{}/jobs?per_page=1", Segment(project)),
            Self::Project(project) => write!(f, "/api/v4/projects/{}", Segment(project)),
            Self::Projects => f.write_str("/api/v4/projects?membership=true&simple=true&per_page=1"),
            Self::TokenSelf => f.write_str("/api/v4/personal_access_tokens/self"),
            Self::TokenInfo => f.write_str("/oauth/token/info"),
            Self::User => f.write_str("/api/v4/user"),
            Self::Successful(project, ref_name) => write!(
                f,
                "/api/v4/projects/{project}/pipelines?ref={}&status=success&order_by=id&sort=desc&per_page=20",
                utf8_percent_encode(ref_name, NON_ALPHANUMERIC)
            ),
            Self::PipelineJobs(project, pipeline, page) => {
                write!(f, "/api/v4/projects/{project}/pipelines/{pipeline}/jobs?per_page=100&page={page}")
            }
            Self::Bridges(project, pipeline) => {
                write!(f, "/api/v4/projects/{project}/pipelines/{pipeline}/bridges?per_page=100")
            }
            Self::SuccessfulJobs(project, page) => {
                write!(f, "/api/v4/projects/{project}/jobs?scope[]=success&per_page=100&page={page}")
            }
            Self::Archive(ArchiveAt { job_id, as_dependency: true, .. }) => {
                write!(f, "/api/v4/jobs/{job_id}/artifacts")
            }
            Self::Archive(ArchiveAt { project_id, job_id, .. }) => {
                write!(f, "/api/v4/projects/{project_id}/jobs/{job_id}/artifacts")
            }
            Self::ProjectJob(project, job) => write!(f, "/api/v4/projects/{project}/jobs/{job}"),
            Self::EndedJobs(project, page) => {
                write!(f, "/api/v4/projects/{project}/jobs?scope[]=success&scope[]=failed")?;
                write!(f, "&scope[]=canceled&per_page=100&page={page}")
            }
            Self::Member(project, user) => write!(f, "/api/v4/projects/{project}/members/all/{user}"),
        }
    }
}

/// A project as one segment of a path. A slash is the only character of a checked path that needs encoding.
struct Segment<'a>(&'a ProjectKey);

impl fmt::Display for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ProjectKey::Id(id) => write!(f, "{id}"),
            ProjectKey::Path(path) => {
                let mut segments = path.split('/');
                f.write_str(segments.next().unwrap_or_default())?;
                segments.try_for_each(|segment| write!(f, "%2F{segment}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::project::ProjectRef;

    proptest! {
        #[test]
        fn whatever_a_request_names_the_path_has_the_segments_of_its_route(
            path in prop_oneof![
                "[a-zA-Z0-9_./%\\-]{0,24}",
                "(\\.\\.|%2e%2e|%2F|a|-|/|\\?|#|@|:|\\\\|\u{e9}|\0| ){0,8}",
                ".{0,16}",
            ],
        ) {
            let Some(project) = ProjectKey::of(&ProjectRef::Path(path.clone())) else { return Ok(()) };
            let route = Route::Pipelines(&project).to_string();
            let url = reqwest::Url::parse(&format!("https://gitlab.example.com/base{route}")).unwrap();
            let segments: Vec<&str> = url.path_segments().unwrap().collect();
            let encoded = path.to_lowercase().replace('/', "%2F");
            prop_assert_eq!(segments, ["base", "api", "v4", "projects", encoded.as_str(), "pipelines"]);
            prop_assert_eq!(url.host_str(), Some("gitlab.example.com"));
            prop_assert_eq!(url.query(), Some("per_page=1"));
            prop_assert!(url.fragment().is_none() && url.username().is_empty());
        }

        #[test]
        fn a_ref_stays_one_value_of_the_query(ref_name in ".{0,24}") {
            let route = Route::Successful(7, &ref_name).to_string();
            let url = reqwest::Url::parse(&format!("https://gitlab.example.com{route}")).unwrap();
            prop_assert_eq!(url.path(), "/api/v4/projects/7/pipelines");
            let pairs: Vec<_> = url.query_pairs().collect();
            prop_assert_eq!(pairs.len(), 5);
            prop_assert_eq!(pairs[0].1.as_ref(), ref_name.as_str());
        }

        #[test]
        fn only_a_number_from_one_on_is_sent(id in any::<i64>()) {
            let project = ProjectKey::of(&ProjectRef::Id(id));
            prop_assert_eq!(project.is_some(), id > 0);
            if let Some(project) = project {
                prop_assert_eq!(Route::Project(&project).to_string(), format!("/api/v4/projects/{id}"));
            }
        }
    }
}
