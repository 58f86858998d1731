//! Routes of the REST API, matched on the raw path: an owner may hold an encoded slash.

use percent_encoding::percent_decode_str;

use crate::domain::project::ProjectRef;
use crate::http::context::RequestContext;
use crate::http::target;

/// A repository as a path names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Repository {
    /// The project.
    pub(super) project: ProjectRef,
    /// The path of the repository with its mount, as the client wrote it.
    pub(super) path: String,
}

impl Repository {
    /// Returns its absolute URL.
    pub(super) fn url(&self, ctx: &RequestContext) -> String {
        format!("{}{}", ctx.base_url(), self.path)
    }
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

impl Route {
    /// Returns the template of its path.
    pub(super) fn template(self) -> &'static str {
        match self {
            Self::Repository => "/repos/:owner/:repo",
            Self::Runs => "/repos/:owner/:repo/actions/runs",
            Self::Run(_) => "/repos/:owner/:repo/actions/runs/:id",
            Self::RunArtifacts(_) => "/repos/:owner/:repo/actions/runs/:id/artifacts",
            Self::Artifacts => "/repos/:owner/:repo/actions/artifacts",
            Self::Artifact(_) => "/repos/:owner/:repo/actions/artifacts/:id",
            Self::Download(_) => "/repos/:owner/:repo/actions/artifacts/:id/zip",
        }
    }
}

/// Parses a raw path below `prefix`, where the API is mounted.
pub(super) fn parse(prefix: &str, path: &str) -> Option<(Repository, Route)> {
    let segments: Vec<&str> = path.strip_prefix(prefix)?.strip_prefix('/')?.split('/').collect();
    let (project, length) = match segments[..] {
        ["repos", owner, name, ..] => (ProjectRef::Path(format!("{}/{}", decode(owner)?, decode(name)?)), 3),
        ["repositories", id, ..] => (ProjectRef::Id(target::number(id)?), 2),
        _ => return None,
    };
    let (repository, rest) = segments.split_at(length);
    let path = format!("{prefix}/{}", repository.join("/"));
    let route = match *rest {
        [] | [""] => Route::Repository,
        ["actions", "runs"] => Route::Runs,
        ["actions", "runs", id] => Route::Run(target::number(id)?),
        ["actions", "runs", id, "artifacts"] => Route::RunArtifacts(target::number(id)?),
        ["actions", "artifacts"] => Route::Artifacts,
        ["actions", "artifacts", id] => Route::Artifact(target::number(id)?),
        ["actions", "artifacts", id, "zip"] => Route::Download(target::number(id)?),
        _ => return None,
    };
    Some((Repository { project, path }, route))
}

/// Decodes a segment; one that is empty, or no text, is part of no route.
fn decode(segment: &str) -> Option<String> {
    let decoded = percent_decode_str(segment).decode_utf8().ok()?;
    (!decoded.is_empty() && !decoded.contains('\0')).then(|| decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_owner_may_hold_encoded_slashes_and_a_number_names_a_project() {
        let (repository, route) =
            parse("/api/v3", "/api/v3/repos/grp%2Fsub/p.x/actions/artifacts/7/zip").unwrap();
        assert_eq!(repository.project, ProjectRef::Path("grp/sub/p.x".into()));
        assert_eq!((repository.path.as_str(), route), ("/api/v3/repos/grp%2Fsub/p.x", Route::Download(7)));
        let (repository, route) = parse("", "/repositories/12/actions/runs/3/artifacts").unwrap();
        assert_eq!(
            (repository.project, repository.path.as_str(), route),
            (ProjectRef::Id(12), "/repositories/12", Route::RunArtifacts(3))
        );
        for path in
            ["", "/", "/repos/o", "/repos/o//actions/runs", "/repos/o/r/actions/artifacts/x", "/repos/o/%ff"]
        {
            assert_eq!(parse("", path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_is_a_panic(path in "[ -~]{0,60}") {
            let _ = parse("", &path);
        }
    }
}
