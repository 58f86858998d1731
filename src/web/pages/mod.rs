//! The pages, one module each: what it reads, and what its template shows.

mod archive;
pub(super) mod artifacts;
pub(super) mod badge;
pub(super) mod browse;
pub(super) mod by_ref;
pub(super) mod bytes;
pub(super) mod change;
pub(super) mod compare;
pub(super) mod file_search;
pub(super) mod home;
pub(super) mod job;
pub(super) mod named;
pub(super) mod operate;
pub(super) mod pipeline;
pub(super) mod pipelines;
mod project;
pub(super) mod refs;
pub(super) mod report;
pub(super) mod sessions;
mod shown;
pub(super) mod sign_in;
pub(super) mod upstream;
pub(super) mod view;

use crate::catalog::jobs::JobPlace;
use crate::web::layout::Crumb;
use crate::web::visit::Visit;

/// The way from the top to a project: its groups, and itself.
fn crumbs_to(visit: &Visit<'_>, project: &str) -> Vec<Crumb> {
    let ends = project.match_indices('/').map(|(at, _)| at).chain([project.len()]);
    let crumb = |end: usize| {
        let path = &project[..end];
        Crumb::new(path.rsplit('/').next().unwrap_or(path), visit.address(path))
    };
    ends.map(crumb).collect()
}

/// The way from the top to a pipeline.
fn crumbs_to_pipeline(visit: &Visit<'_>, project: &str, id: i64) -> Vec<Crumb> {
    let (links, mut crumbs) = (visit.project(project), crumbs_to(visit, project));
    crumbs.push(Crumb::new("Pipelines", links.pipelines()));
    crumbs.push(Crumb::new(format!("Pipeline {id}"), links.pipeline(id)));
    crumbs
}

/// The way from the top to a job.
fn crumbs_to_job(visit: &Visit<'_>, project: &str, id: i64, place: &JobPlace) -> Vec<Crumb> {
    let mut crumbs = crumbs_to_pipeline(visit, project, place.pipeline_id);
    crumbs.push(Crumb::new(format!("Job {}", place.name), visit.project(project).job(id)));
    crumbs
}
