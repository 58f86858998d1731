//! API paths, parsed segment by segment.
//!
//! A crafted path may have very many candidate routes. Each owns its text, so they are made one by one, on
//! demand, and never more than [`MAX_CANDIDATES`].

use percent_encoding::percent_decode_str;

use super::Route;
use crate::domain::pipeline::RefKind;
use crate::domain::project::ProjectRef;
use crate::http::target::MAX_SEGMENTS;

/// Most candidate routes of a path: each may cost a lookup.
pub(super) const MAX_CANDIDATES: usize = 8;

/// A raw path, split at its slashes; borrowed and not decoded.
#[derive(Debug)]
pub struct Segments<'a>(Vec<&'a str>);

impl<'a> Segments<'a> {
    /// Splits a raw path, without the slashes at its ends. A path that does not begin with a slash, or has
    /// more than [`MAX_SEGMENTS`], has no segments.
    pub fn of(raw_path: &'a str) -> Self {
        let Some(path) = raw_path.strip_prefix('/') else { return Self(Vec::new()) };
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments: Vec<&str> = path.split('/').take(MAX_SEGMENTS + 1).collect();
        if segments.len() > MAX_SEGMENTS { Self(Vec::new()) } else { Self(segments) }
    }

    pub(super) fn as_slice(&self) -> &[&'a str] {
        &self.0
    }
}

/// Returns the candidate routes of a path after the API's prefix, most likely first, at most eight; none for
/// an unknown path.
pub fn candidate_routes(path: &Segments<'_>) -> impl Iterator<Item = Route> {
    let number = |segment: &str| joined_text(&[segment]);
    let mut below: &[&str] = &[];
    let only = match *path.as_slice() {
        ["jobs", job_id, "artifacts"] => Some(Route::JobArtifacts { job_id: number(job_id) }),
        ["jobs", job_id, "artifacts", "authorize"] => Some(Route::AuthorizeUpload { job_id: number(job_id) }),
        ["jobs", "request"] => Some(Route::JobRequests),
        ["projects"] => Some(Route::Projects),
        ["projects", ref rest @ ..] => {
            below = rest;
            None
        }
        ["job"] => Some(Route::CurrentJob),
        ["user"] => Some(Route::CurrentUser),
        ["personal_access_tokens", "self"] => Some(Route::CurrentToken),
        ["version"] => Some(Route::Version),
        ["metadata"] => Some(Route::Metadata),
        _ => None,
    };
    only.into_iter().chain(below_projects(below)).take(MAX_CANDIDATES)
}

fn below_projects<'a>(rest: &'a [&'a str]) -> impl Iterator<Item = Route> {
    let artifacts = match rest {
        [project @ .., "artifacts"] if !project.is_empty() && !project.contains(&"jobs") => {
            Some(Route::ProjectArtifacts { project: project_ref(project) })
        }
        _ => None,
    };
    let longest = longest_project(rest);
    // A last segment `raw` begins no file's path.
    let last_raw = rest.split_last().and_then(|(_, rest)| rest.iter().rposition(|word| *word == "raw"));
    let inside = (1..=longest.min(rest.len().saturating_sub(1))).flat_map(move |at| {
        let (project, behind) = (&rest[..at], &rest[at + 1..]);
        let has_raw = last_raw.is_some_and(|raw| raw > at);
        let jobs = (rest[at] == "jobs").then(|| below_jobs(project, behind, has_raw));
        let pipelines = (rest[at] == "pipelines").then(|| below_pipelines(project, behind)).flatten();
        let repository = (rest[at] == "repository").then(|| below_repository(project, behind)).flatten();
        jobs.into_iter().flatten().chain(pipelines).chain(repository)
    });
    let itself = !rest.is_empty() && longest == rest.len();
    artifacts.into_iter().chain(inside).chain(itself.then(|| Route::Project { project: project_ref(rest) }))
}

/// Returns how many segments a project's name may have at most: one if that is an ID or an encoded path, and
/// none that is empty.
fn longest_project(rest: &[&str]) -> usize {
    let filled = rest.iter().position(|segment| segment.is_empty()).unwrap_or(rest.len());
    match rest.first() {
        Some(first) if filled > 1 && is_whole_project(first) => 1,
        _ => filled,
    }
}

/// Whether a project's name ends with its first segment: an ID or an encoded path.
fn is_whole_project(first: &str) -> bool {
    let first = joined_text(&[first]);
    first.contains('/') || first.bytes().all(|b| b.is_ascii_digit())
}

fn below_pipelines(project: &[&str], rest: &[&str]) -> Option<Route> {
    let project = || project_ref(project);
    let number = |segment: &str| joined_text(&[segment]);
    Some(match *rest {
        [] => Route::Pipelines { project: project() },
        ["latest"] => Route::LatestPipeline { project: project() },
        [id] => Route::Pipeline { project: project(), pipeline_id: number(id) },
        [id, "jobs"] => Route::PipelineJobs { project: project(), pipeline_id: number(id) },
        [id, "bridges"] => Route::Bridges { project: project(), pipeline_id: number(id) },
        _ => return None,
    })
}

fn below_repository(project: &[&str], rest: &[&str]) -> Option<Route> {
    let project = || project_ref(project);
    let [list, name @ ..] = rest else { return None };
    let kind = match *list {
        "branches" => Some(RefKind::Branch),
        "tags" => Some(RefKind::Tag),
        "commits" => None,
        _ => return None,
    };
    Some(match (kind, name) {
        (Some(kind), []) => Route::Refs { project: project(), kind },
        (Some(kind), name) => Route::Ref { project: project(), kind, name: joined_text(name) },
        (None, []) => Route::Commits { project: project() },
        (None, name) => Route::Commit { project: project(), name: joined_text(name) },
    })
}

/// Returns the routes below `jobs`. `has_raw` says whether a segment `raw` follows at all, so that it is not
/// searched again and again.
fn below_jobs<'a>(project: &'a [&'a str], rest: &'a [&'a str], has_raw: bool) -> impl Iterator<Item = Route> {
    let name = move || project_ref(project);
    let number = |segment: &str| joined_text(&[segment]);
    let first = match *rest {
        [] => Some(Route::Jobs { project: name() }),
        [job_id] => Some(Route::Job { project: name(), job_id: number(job_id) }),
        ["artifacts", ref ref_name @ .., "download"] if !ref_name.is_empty() => {
            Some(Route::ArchiveOfRef { project: name(), ref_name: joined_text(ref_name) })
        }
        _ => None,
    };
    let by_ref = match rest {
        ["artifacts", rest @ ..] if has_raw => rest,
        _ => &[],
    };
    let files = files_of_ref(by_ref, |word| word == "raw").map(move |(ref_name, path)| Route::FileOfRef {
        project: name(),
        ref_name,
        path,
    });
    let (second, third) = match *rest {
        [job_id, "artifacts"] => {
            (Some(Route::ArchiveOfJob { project: name(), job_id: number(job_id) }), None)
        }
        [job_id, "trace"] => (Some(Route::Trace { project: name(), job_id: number(job_id) }), None),
        [job_id, "erase"] => (Some(Route::Erase { project: name(), job_id: number(job_id) }), None),
        [job_id, "artifacts", "tree"] => {
            (Some(Route::Tree { project: name(), job_id: number(job_id) }), None)
        }
        [job_id, "artifacts", ref path @ ..] => {
            let keep = path == ["keep"];
            let file = Route::FileOfJob { project: name(), job_id: number(job_id), path: joined_bytes(path) };
            (keep.then(|| Route::Keep { project: name(), job_id: number(job_id) }), Some(file))
        }
        _ => (None, None),
    };
    first.into_iter().chain(files).chain(second).chain(third)
}

/// Parses `:ref_name/WORD/*path` in every possible way, the longest ref first.
pub(super) fn files_of_ref<'a>(
    rest: &'a [&'a str],
    is_word: impl Fn(&str) -> bool,
) -> impl Iterator<Item = (String, Vec<u8>)> {
    let inner = 1..rest.len().saturating_sub(1);
    let words = inner.rev().filter(move |at| is_word(rest[*at]));
    words.map(|at| (joined_text(&rest[..at]), joined_bytes(&rest[at + 1..])))
}

/// Parses a project: a number is an ID, everything else a path. A number too large for an ID matches none.
pub(super) fn project_ref(segments: &[&str]) -> ProjectRef {
    let name = joined_text(segments);
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()) {
        ProjectRef::Id(name.parse().unwrap_or(i64::MAX))
    } else {
        ProjectRef::Path(name)
    }
}

pub(super) fn joined_bytes(segments: &[&str]) -> Vec<u8> {
    let joined = segments.join("/");
    #[cfg(test)]
    DECODED_BYTES.with(|all| all.set(all.get() + joined.len()));
    percent_decode_str(&joined).collect()
}

/// Decodes text. Bytes that are not UTF-8, and NUL, which PostgreSQL rejects, match no stored name; they
/// become U+FFFD, which matches none either.
pub(super) fn joined_text(segments: &[&str]) -> String {
    String::from_utf8_lossy(&joined_bytes(segments)).replace('\0', "\u{fffd}")
}

#[cfg(test)]
thread_local! {
    /// Bytes that this thread has decoded.
    pub(super) static DECODED_BYTES: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}
