//! Routes of the REST API, matched on the raw path: an owner may hold an encoded slash.

use percent_encoding::percent_decode_str;

use crate::domain::project::ProjectRef;

/// Where the API is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mount {
    /// Below `/api/v3`.
    Prefix,
    /// At the root.
    Root,
}

/// A repository as a path names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Repository {
    /// The project.
    pub(super) project: ProjectRef,
    /// The path of the repository with its mount, as the client wrote it.
    pub(super) path: String,
}

/// A route below a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// The repository itself.
    Repository,
    /// Its workflow runs.
    Runs,
    /// One workflow run.
    Run(i64),
    /// The artifacts of a run.
    RunArtifacts(i64),
    /// All artifacts.
    Artifacts,
    /// One artifact.
    Artifact(i64),
    /// An artifact's bytes.
    Download(i64),
}

/// Parses a raw path below the mount.
pub(super) fn parse(path: &str, mount: Mount) -> Option<(Repository, Route)> {
    let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    let (named, rest) = match segments[..] {
        ["repos", owner, name, ..] => (format!("repos/{owner}/{name}"), &segments[3..]),
        ["repositories", id, ..] => (format!("repositories/{id}"), &segments[2..]),
        _ => return None,
    };
    let project = match segments[..] {
        ["repos", owner, name, ..] => ProjectRef::Path(format!("{}/{}", decode(owner)?, decode(name)?)),
        ["repositories", id, ..] => ProjectRef::Id(number(id)?),
        _ => return None,
    };
    let route = match *rest {
        [] | [""] => Route::Repository,
        ["actions", "runs"] => Route::Runs,
        ["actions", "runs", id] => Route::Run(number(id)?),
        ["actions", "runs", id, "artifacts"] => Route::RunArtifacts(number(id)?),
        ["actions", "artifacts"] => Route::Artifacts,
        ["actions", "artifacts", id] => Route::Artifact(number(id)?),
        ["actions", "artifacts", id, "zip"] => Route::Download(number(id)?),
        _ => return None,
    };
    let prefix = match mount {
        Mount::Prefix => super::PREFIX,
        Mount::Root => "",
    };
    Some((Repository { project, path: format!("{prefix}/{named}") }, route))
}

/// Decodes a segment; one that is empty, or no text, is part of no route.
fn decode(segment: &str) -> Option<String> {
    let decoded = percent_decode_str(segment).decode_utf8().ok()?;
    (!decoded.is_empty() && !decoded.contains('\0')).then(|| decoded.into_owned())
}

fn number(text: &str) -> Option<i64> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_owner_may_hold_encoded_slashes_and_a_number_names_a_project() {
        let (repository, route) =
            parse("/repos/grp%2Fsub/p.x/actions/artifacts/7/zip", Mount::Prefix).unwrap();
        assert_eq!(repository.project, ProjectRef::Path("grp/sub/p.x".into()));
        assert_eq!((repository.path.as_str(), route), ("/api/v3/repos/grp%2Fsub/p.x", Route::Download(7)));
        let (repository, route) = parse("/repositories/12/actions/runs/3/artifacts", Mount::Root).unwrap();
        assert_eq!(
            (repository.project, repository.path.as_str(), route),
            (ProjectRef::Id(12), "/repositories/12", Route::RunArtifacts(3))
        );
        for path in
            ["", "/", "/repos/o", "/repos/o//actions/runs", "/repos/o/r/actions/artifacts/x", "/repos/o/%ff"]
        {
            assert_eq!(parse(path, Mount::Root), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_is_a_panic(path in "[ -~]{0,60}") {
            let _ = parse(&path, Mount::Root);
        }
    }
}
