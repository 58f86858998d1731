//! Paths of the API, read from segment to segment.

use percent_encoding::percent_decode_str;

use super::Route;
use crate::domain::project::ProjectRef;

/// More meanings than this are not tried: each may cost a lookup.
pub(super) const MAX_MEANINGS: usize = 8;

/// Every meaning of a raw path behind the API's prefix, most likely first; none for a path that is
/// not ours.
pub fn meanings(raw_path: &str) -> Vec<Route> {
    let Some(path) = raw_path.strip_prefix('/') else { return Vec::new() };
    let segments: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').collect();
    let mut routes = Vec::new();
    match segments[..] {
        ["jobs", job_id, "artifacts"] => routes.push(Route::JobArtifacts { job_id: joined_text(&[job_id]) }),
        ["jobs", job_id, "artifacts", "authorize"] => {
            routes.push(Route::AuthorizeUpload { job_id: joined_text(&[job_id]) });
        }
        ["projects"] => routes.push(Route::Projects),
        ["projects", ref rest @ ..] => below_projects(rest, &mut routes),
        ["job"] => routes.push(Route::CurrentJob),
        ["user"] => routes.push(Route::CurrentUser),
        ["personal_access_tokens", "self"] => routes.push(Route::CurrentToken),
        ["version"] => routes.push(Route::Version),
        ["metadata"] => routes.push(Route::Metadata),
        _ => {}
    }
    routes.truncate(MAX_MEANINGS);
    routes
}

fn below_projects(rest: &[&str], routes: &mut Vec<Route>) {
    if let [project @ .., "artifacts"] = rest
        && !project.is_empty()
        && !project.contains(&"jobs")
    {
        routes.push(Route::ProjectArtifacts { project: project_ref(project) });
    }
    let is_whole = rest.first().is_some_and(|first| is_whole_project(first));
    let may_be_project = |segments: &[&str]| match segments {
        [one] => !one.is_empty(),
        [_, _, ..] => !is_whole && !segments.contains(&""),
        [] => false,
    };
    for (at, segment) in rest.iter().enumerate().filter(|(at, _)| may_be_project(&rest[..*at])) {
        match *segment {
            "jobs" => below_jobs(&project_ref(&rest[..at]), &rest[at + 1..], routes),
            "pipelines" => below_pipelines(&project_ref(&rest[..at]), &rest[at + 1..], routes),
            _ => {}
        }
    }
    if may_be_project(rest) {
        routes.push(Route::Project { project: project_ref(rest) });
    }
}

/// Whether a project's name ends with its first segment: a number, or an encoded path.
fn is_whole_project(first: &str) -> bool {
    let first = joined_text(&[first]);
    first.contains('/') || first.bytes().all(|b| b.is_ascii_digit())
}

fn below_pipelines(project: &ProjectRef, rest: &[&str], routes: &mut Vec<Route>) {
    let project = project.clone();
    let number = |segment: &str| joined_text(&[segment]);
    match rest {
        [] => routes.push(Route::Pipelines { project }),
        ["latest"] => routes.push(Route::LatestPipeline { project }),
        [id] => routes.push(Route::Pipeline { project, pipeline_id: number(id) }),
        [id, "jobs"] => routes.push(Route::PipelineJobs { project, pipeline_id: number(id) }),
        [id, "bridges"] => routes.push(Route::Bridges { project, pipeline_id: number(id) }),
        _ => {}
    }
}

fn below_jobs(project: &ProjectRef, rest: &[&str], routes: &mut Vec<Route>) {
    let project = || project.clone();
    match rest {
        [] => routes.push(Route::Jobs { project: project() }),
        [job_id] => routes.push(Route::Job { project: project(), job_id: joined_text(&[job_id]) }),
        ["artifacts", ref_name @ .., "download"] if !ref_name.is_empty() => {
            routes.push(Route::ArchiveOfRef { project: project(), ref_name: joined_text(ref_name) });
        }
        _ => {}
    }
    if let ["artifacts", rest @ ..] = rest {
        let raws = rest.iter().enumerate().rev().filter(|(_, segment)| **segment == "raw");
        for (raw, _) in raws.filter(|(raw, _)| *raw > 0 && raw + 1 < rest.len()) {
            let (ref_name, path) = (joined_text(&rest[..raw]), joined_bytes(&rest[raw + 1..]));
            routes.push(Route::FileOfRef { project: project(), ref_name, path });
        }
    }
    match rest {
        [job_id, "artifacts"] => {
            routes.push(Route::ArchiveOfJob { project: project(), job_id: joined_text(&[job_id]) });
        }
        [job_id, "erase"] => routes.push(Route::Erase { project: project(), job_id: joined_text(&[job_id]) }),
        [job_id, "artifacts", "tree"] => {
            routes.push(Route::Tree { project: project(), job_id: joined_text(&[job_id]) });
        }
        [job_id, "artifacts", path @ ..] => {
            if path == ["keep"] {
                routes.push(Route::Keep { project: project(), job_id: joined_text(&[job_id]) });
            }
            let (job_id, path) = (joined_text(&[job_id]), joined_bytes(path));
            routes.push(Route::FileOfJob { project: project(), job_id, path });
        }
        _ => {}
    }
}

/// A number names a project by id, everything else by path; a number too large for an id names
/// none.
pub(super) fn project_ref(segments: &[&str]) -> ProjectRef {
    let name = joined_text(segments);
    match !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()) {
        true => ProjectRef::Id(name.parse().unwrap_or(i64::MAX)),
        false => ProjectRef::Path(name),
    }
}

pub(super) fn joined_bytes(segments: &[&str]) -> Vec<u8> {
    percent_decode_str(&segments.join("/")).collect()
}

/// Decoded text. What is not UTF-8, or holds a NUL that PostgreSQL would stumble over, can name
/// nothing that we have and turns into text that does not either.
pub(super) fn joined_text(segments: &[&str]) -> String {
    String::from_utf8_lossy(&joined_bytes(segments)).replace('\0', "\u{fffd}")
}
