//! Paths that people copy from a browser's address bar or a badge. GitLab serves them to people who are
//! signed in there; here they answer what the API's route for the same thing would.

use super::Route;
use super::parse::{MAX_MEANINGS, joined_bytes, joined_text, project_ref};

/// Every meaning of a raw path outside the API, the longest ref first; none for a path that is not
/// ours: `/GROUP/PROJECT/-/jobs/:id/artifacts/{download,raw/*path,file/*path}` and
/// `/GROUP/PROJECT/-/jobs/artifacts/:ref/{download,raw/*path,file/*path}`.
pub fn browser_meanings(raw_path: &str) -> Vec<Route> {
    let Some(path) = raw_path.strip_prefix('/') else { return Vec::new() };
    let segments: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').collect();
    // No segment of a project's path is a dash, so the first one ends it.
    let Some(dash) = segments.iter().position(|segment| *segment == "-") else { return Vec::new() };
    let (project, rest) = (&segments[..dash], &segments[dash + 1..]);
    if project.is_empty() || project.contains(&"") {
        return Vec::new();
    }
    let project = || project_ref(project);
    let mut routes = Vec::new();
    match rest {
        // A ref may be called anything, a number nothing but digits.
        ["jobs", "artifacts", rest @ ..] => {
            if let [ref_name @ .., "download"] = rest
                && !ref_name.is_empty()
            {
                routes.push(Route::ArchiveOfRef { project: project(), ref_name: joined_text(ref_name) });
            }
            let words = rest.iter().enumerate().rev();
            for (at, _) in words.filter(|(_, segment)| matches!(**segment, "raw" | "file")) {
                if at > 0 && at + 1 < rest.len() {
                    let (ref_name, path) = (joined_text(&rest[..at]), joined_bytes(&rest[at + 1..]));
                    routes.push(Route::FileOfRef { project: project(), ref_name, path });
                }
            }
        }
        ["jobs", job_id, "artifacts", rest @ ..] if is_number(job_id) => {
            let job_id = (*job_id).to_owned();
            match rest {
                ["download"] => routes.push(Route::ArchiveOfJob { project: project(), job_id }),
                ["raw" | "file", path @ ..] if !path.is_empty() => {
                    let path = joined_bytes(path);
                    routes.push(Route::FileOfJob { project: project(), job_id, path });
                }
                _ => {}
            }
        }
        _ => {}
    }
    routes.truncate(MAX_MEANINGS);
    routes
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}
