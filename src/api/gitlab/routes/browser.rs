//! Browser paths: those that people copy from an address bar or a badge. GitLab serves them to signed-in
//! people; here they are served like the API's route for the same thing.

use super::Route;
use super::parse::{MAX_CANDIDATES, Segments, files_of_ref, joined_bytes, joined_text, project_ref};

/// Returns the candidate routes of a path outside the API, the longest ref first, at most eight; none for an
/// unknown path:
pub fn browser_candidates(path: &Segments<'_>) -> impl Iterator<Item = Route> {
    let (project, rest) = split(path.as_slice()).unwrap_or((&[], &[]));
    let name = move || project_ref(project);
    // A ref may have any name, an ID has only digits.
    let by_ref: &[&str] = match rest {
        ["jobs", "artifacts", rest @ ..] => rest,
        _ => &[],
    };
    let only = match *rest {
        ["jobs", "artifacts", ref ref_name @ .., "download"] if !ref_name.is_empty() => {
            Some(Route::ArchiveOfRef { project: name(), ref_name: joined_text(ref_name) })
        }
        ["jobs", "artifacts", ..] => None,
        ["jobs", job_id, "artifacts", "download"] if is_number(job_id) => {
            Some(Route::ArchiveOfJob { project: name(), job_id: job_id.to_owned() })
        }
        ["jobs", job_id, "artifacts", "raw" | "file", ref path @ ..]
            if is_number(job_id) && !path.is_empty() =>
        {
            Some(Route::FileOfJob { project: name(), job_id: job_id.to_owned(), path: joined_bytes(path) })
        }
        _ => None,
    };
    let files = files_of_ref(by_ref, |word| matches!(word, "raw" | "file"))
        .map(move |(ref_name, path)| Route::FileOfRef { project: name(), ref_name, path });
    only.into_iter().chain(files).take(MAX_CANDIDATES)
}

/// Splits at the dash that ends a project's path: none of its segments is a dash.
fn split<'a, 's>(segments: &'a [&'s str]) -> Option<(&'a [&'s str], &'a [&'s str])> {
    let dash = segments.iter().position(|segment| *segment == "-")?;
    let (project, rest) = (&segments[..dash], &segments[dash + 1..]);
    (!project.is_empty() && !project.contains(&"")).then_some((project, rest))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}
