//! What a path of the API may mean.
//!
//! A ref, a project and a file may each hold slashes, encoded or not, so one path can have several
//! meanings. They are listed as GitLab would try them: the longest ref first, a project that is
//! encoded before one that is not.

use percent_encoding::percent_decode_str;

use crate::domain::project::ProjectRef;

/// More meanings than this are not tried: each may cost a lookup.
const MAX_MEANINGS: usize = 8;

/// One meaning of a path; numbers are still text, as a wrong one has an answer of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// `/projects/:id/jobs/:job_id/artifacts`
    ArchiveOfJob {
        /// The project.
        project: ProjectRef,
        /// The job's number.
        job_id: String,
    },
    /// `/projects/:id/jobs/artifacts/:ref_name/download`
    ArchiveOfRef {
        /// The project.
        project: ProjectRef,
        /// The ref.
        ref_name: String,
    },
    /// `/projects/:id/jobs/:job_id/artifacts/*artifact_path`
    FileOfJob {
        /// The project.
        project: ProjectRef,
        /// The job's number.
        job_id: String,
        /// The path in the archive, decoded.
        path: Vec<u8>,
    },
    /// `/projects/:id/jobs/artifacts/:ref_name/raw/*artifact_path`
    FileOfRef {
        /// The project.
        project: ProjectRef,
        /// The ref.
        ref_name: String,
        /// The path in the archive, decoded.
        path: Vec<u8>,
    },
    /// `/projects/:id/jobs/:job_id/artifacts/tree`; it hides a file of that name.
    Tree {
        /// The project.
        project: ProjectRef,
        /// The job's number.
        job_id: String,
    },
    /// `/projects/:id/jobs/:job_id/artifacts/keep`
    Keep {
        /// The project.
        project: ProjectRef,
        /// The job's number.
        job_id: String,
    },
    /// `/projects/:id/jobs/:job_id/erase`
    Erase {
        /// The project.
        project: ProjectRef,
        /// The job's number.
        job_id: String,
    },
    /// `/projects/:id/artifacts`
    ProjectArtifacts {
        /// The project.
        project: ProjectRef,
    },
    /// `/jobs/:id/artifacts`, the runner's.
    JobArtifacts {
        /// The job's number.
        job_id: String,
    },
    /// `/jobs/:id/artifacts/authorize`, the proxy's.
    AuthorizeUpload {
        /// The job's number.
        job_id: String,
    },
}

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
        ["projects", ref project @ .., "artifacts"] if !project.is_empty() && !project.contains(&"jobs") => {
            routes.push(Route::ProjectArtifacts { project: project_ref(project) });
        }
        ["projects", ref rest @ ..] => {
            for (jobs, _) in rest.iter().enumerate().skip(1).filter(|(_, segment)| **segment == "jobs") {
                let project = project_ref(&rest[..jobs]);
                below_jobs(&project, &rest[jobs + 1..], &mut routes);
            }
        }
        _ => {}
    }
    routes.truncate(MAX_MEANINGS);
    routes
}

fn below_jobs(project: &ProjectRef, rest: &[&str], routes: &mut Vec<Route>) {
    let project = || project.clone();
    match rest {
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
fn project_ref(segments: &[&str]) -> ProjectRef {
    let name = joined_text(segments);
    match !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()) {
        true => ProjectRef::Id(name.parse().unwrap_or(i64::MAX)),
        false => ProjectRef::Path(name),
    }
}

fn joined_bytes(segments: &[&str]) -> Vec<u8> {
    percent_decode_str(&segments.join("/")).collect()
}

/// Decoded text. What is not UTF-8, or holds a NUL that PostgreSQL would stumble over, can name
/// nothing that we have and turns into text that does not either.
fn joined_text(segments: &[&str]) -> String {
    String::from_utf8_lossy(&joined_bytes(segments)).replace('\0', "\u{fffd}")
}

#[cfg(test)]
#[path = "routes_tests.rs"]
mod tests;
