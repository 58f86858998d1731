//! Routes: which page an address names. They are GitLab's addresses where GitLab has one.

use percent_encoding::percent_decode_str;

use super::person_page::PersonPage;
use crate::domain::project::is_valid_path;
use crate::http::target::number;

/// First segments of the addresses of APIs and operations, which name no project.
const RESERVED: &[&str] = &["-", "api", "v2", "v3", "twirp", "_apis"];

/// Most ways in which an address by ref is read: each may cost a lookup.
const MAX_CANDIDATES: usize = 8;

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// The list of projects.
    Home,
    /// A project, a group, an organization or a user.
    Named(String),
    /// A group, by GitLab's second address for it.
    Groups(String),
    /// A page about being signed in.
    OfPerson(PersonPage),
    /// A page of a project.
    OfProject { project: String, page: ProjectPage },
}

/// A page of a project. Paths in archives are decoded bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ProjectPage {
    Pipelines,
    Pipeline(i64),
    Job(i64),
    Artifacts,
    DeleteArtifacts,
    /// A folder of what stands for a job's archive.
    Browse {
        job_id: i64,
        path: Vec<u8>,
    },
    /// A file of it, or one of the job's other artifacts.
    View {
        job_id: i64,
        path: Vec<u8>,
    },
    /// A file of it as a report, or the index of a folder.
    Report {
        job_id: i64,
        path: Vec<u8>,
    },
    /// A file's bytes for a client, and its page for a browser.
    File {
        job_id: i64,
        path: Vec<u8>,
    },
    /// The bytes of an artifact by its ID, or of a file of it.
    Get {
        job_id: i64,
        artifact_id: i64,
        path: Vec<u8>,
    },
    /// Two jobs' archives; the query names the other job if the address does not.
    Compare {
        job_id: i64,
        other: Option<i64>,
    },
    /// One file of two jobs' archives.
    CompareFile {
        job_id: i64,
        other: i64,
        path: Vec<u8>,
    },
    Keep(i64),
    Delete(i64),
    /// A page of the newest successful job of a ref, in every way in which the address can be read, the longest ref first.
    ByRef(Vec<ByRef>),
    /// The pipelines of a commit.
    Commit(String),
    /// The pipelines of a ref.
    Tree(String),
    Badge {
        ref_name: String,
        kind: BadgeKind,
    },
}

/// A page of the newest successful job of a ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ByRef {
    pub(super) ref_name: String,
    pub(super) what: RefPage,
    pub(super) path: Vec<u8>,
}

/// What of a job an address by ref names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefPage {
    Browse,
    View,
    Report,
    File,
    Raw,
    Download,
}

/// What a badge shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadgeKind {
    /// The coverage of a job, or its state without one.
    Job,
    /// The state of the newest pipeline.
    Pipeline,
    /// The coverage of the newest successful pipeline.
    Coverage,
}

impl RefPage {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "browse" => Self::Browse,
            "view" => Self::View,
            "report" => Self::Report,
            "file" => Self::File,
            "raw" => Self::Raw,
            "download" => Self::Download,
            _ => return None,
        })
    }

    /// Whether the address gives a client bytes.
    fn has_bytes(self) -> bool {
        matches!(self, Self::File | Self::Raw | Self::Download)
    }
}

impl Route {
    /// Reads a raw path; `None` if it names no page.
    pub(super) fn parse(raw_path: &str) -> Option<Self> {
        let path = raw_path.strip_prefix('/')?;
        if path.is_empty() {
            return Some(Self::Home);
        }
        if let Some(page) = PersonPage::parse(raw_path) {
            return Some(Self::OfPerson(page));
        }
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments: Vec<&str> = path.split('/').collect();
        if RESERVED.contains(&segments[0]) {
            return None;
        }
        if let Some(dash) = segments.iter().position(|segment| *segment == "-") {
            let project = name(&segments[..dash])?;
            return Some(Self::OfProject { project, page: below_project(&segments[dash + 1..])? });
        }
        if let Some(badge) = of_badge(&segments) {
            return Some(badge);
        }
        match segments[..] {
            ["groups", ref rest @ ..] if !rest.is_empty() => Some(Self::Groups(name(rest)?)),
            _ => Some(Self::Named(name(&segments)?)),
        }
    }

    /// Whether the page is there for who was signed in, too, without asking to sign in again.
    pub(super) fn is_for_everybody(&self) -> bool {
        match self {
            Self::OfPerson(page) => !matches!(page, PersonPage::Sessions | PersonPage::EndSession),
            Self::OfProject { page, .. } => matches!(page, ProjectPage::Badge { .. }),
            Self::Home | Self::Named(_) | Self::Groups(_) => false,
        }
    }

    /// Returns the template of the address, for the metrics.
    pub(super) fn template(&self) -> &'static str {
        use ProjectPage as P;
        match self {
            Self::Home => "/",
            Self::Named(_) => "/:name",
            Self::Groups(_) => "/groups/:name",
            Self::OfPerson(page) => page.template(),
            Self::OfProject { page, .. } => match page {
                P::Pipelines => "/:project/-/pipelines",
                P::Pipeline(_) => "/:project/-/pipelines/:id",
                P::Job(_) => "/:project/-/jobs/:id",
                P::Artifacts => "/:project/-/artifacts",
                P::DeleteArtifacts => "/:project/-/artifacts/delete",
                P::Browse { .. } => "/:project/-/jobs/:id/artifacts/browse/*path",
                P::View { .. } => "/:project/-/jobs/:id/artifacts/view/*path",
                P::Report { .. } => "/:project/-/jobs/:id/artifacts/report/*path",
                P::File { .. } => "/:project/-/jobs/:id/artifacts/file/*path",
                P::Get { .. } => "/:project/-/jobs/:id/artifacts/get/:artifact_id/*path",
                P::Compare { .. } => "/:project/-/jobs/:id/artifacts/compare/:other",
                P::CompareFile { .. } => "/:project/-/jobs/:id/artifacts/compare/:other/*path",
                P::Keep(_) => "/:project/-/jobs/:id/artifacts/keep",
                P::Delete(_) => "/:project/-/jobs/:id/artifacts/delete",
                P::ByRef(_) => "/:project/-/jobs/artifacts/*ref",
                P::Commit(_) => "/:project/-/commit/:sha",
                P::Tree(_) => "/:project/-/tree/*ref",
                P::Badge { .. } => "/:project/badges/*ref",
            },
        }
    }

    /// Returns the audit log's name for what a request does.
    pub(super) fn action(&self, is_change: bool) -> &'static str {
        use ProjectPage as P;
        match self {
            Self::Home | Self::Groups(_) => "project.list",
            Self::Named(_) => "project.read",
            Self::OfPerson(page) => page.action(),
            Self::OfProject { page, .. } => match page {
                P::Pipelines | P::Commit(_) | P::Tree(_) => "pipeline.list",
                P::Pipeline(_) | P::Badge { .. } => "pipeline.read",
                P::Job(_) => "job.read",
                P::Artifacts | P::Browse { .. } => "artifact.list",
                P::Keep(_) => "artifact.keep",
                P::Delete(_) | P::DeleteArtifacts if is_change => "artifact.delete",
                P::Delete(_)
                | P::DeleteArtifacts
                | P::View { .. }
                | P::Report { .. }
                | P::File { .. }
                | P::Get { .. }
                | P::Compare { .. }
                | P::CompareFile { .. }
                | P::ByRef(_) => "artifact.read",
            },
        }
    }
}

impl ProjectPage {
    /// Whether the address gives bytes to a client that brings a token.
    pub(super) fn has_bytes(&self) -> bool {
        match self {
            Self::File { .. } => true,
            Self::ByRef(all) => all.first().is_some_and(|first| first.what.has_bytes()),
            _ => false,
        }
    }

    /// Whether a form can be sent there.
    pub(super) fn is_change(&self) -> bool {
        matches!(self, Self::Keep(_) | Self::Delete(_) | Self::DeleteArtifacts | Self::Report { .. })
    }

    /// Whether there is nothing to read.
    pub(super) fn is_change_only(&self) -> bool {
        matches!(self, Self::Keep(_))
    }
}

/// Reads what stands behind the dash that ends a project's path.
fn below_project(rest: &[&str]) -> Option<ProjectPage> {
    use ProjectPage as P;
    Some(match *rest {
        ["pipelines"] => P::Pipelines,
        ["pipelines", id] => P::Pipeline(number(id)?),
        ["artifacts"] => P::Artifacts,
        ["artifacts", "delete"] => P::DeleteArtifacts,
        ["commit", sha] => P::Commit(text(&[sha])),
        ["tree", ref name @ ..] if !name.is_empty() => P::Tree(text(name)),
        ["jobs", "artifacts", ref name @ .., "badge.svg"] if !name.is_empty() => {
            P::Badge { ref_name: text(name), kind: BadgeKind::Job }
        }
        ["jobs", "artifacts", ref rest @ ..] => P::ByRef(by_ref(rest)?),
        ["jobs", id] => P::Job(number(id)?),
        ["jobs", id, "artifacts", what, ref path @ ..] => of_job(number(id)?, what, path)?,
        _ => return None,
    })
}

fn of_job(job_id: i64, what: &str, path: &[&str]) -> Option<ProjectPage> {
    use ProjectPage as P;
    Some(match (what, path) {
        ("browse", path) => P::Browse { job_id, path: bytes(path) },
        ("view", path) => P::View { job_id, path: bytes(path) },
        ("report", path) => P::Report { job_id, path: bytes(path) },
        ("file", [_, ..]) => P::File { job_id, path: bytes(path) },
        ("get", [id, path @ ..]) => P::Get { job_id, artifact_id: number(id)?, path: bytes(path) },
        ("compare", []) => P::Compare { job_id, other: None },
        ("compare", [other]) => P::Compare { job_id, other: Some(number(other)?) },
        ("compare", [other, path @ ..]) => {
            P::CompareFile { job_id, other: number(other)?, path: bytes(path) }
        }
        ("keep", []) => P::Keep(job_id),
        ("delete", []) => P::Delete(job_id),
        _ => return None,
    })
}

/// Reads `REF/WORD/PATH…` in every possible way, the longest ref first.
fn by_ref(rest: &[&str]) -> Option<Vec<ByRef>> {
    let candidate = |at: usize| {
        let (what, path) = (RefPage::of(rest[at])?, &rest[at + 1..]);
        let is_whole = match what {
            RefPage::Browse | RefPage::Report => true,
            RefPage::Download => path.is_empty(),
            RefPage::View | RefPage::File | RefPage::Raw => !path.is_empty(),
        };
        is_whole.then(|| ByRef { ref_name: text(&rest[..at]), what, path: bytes(path) })
    };
    let all: Vec<ByRef> = (1..rest.len()).rev().filter_map(candidate).take(MAX_CANDIDATES).collect();
    (!all.is_empty()).then_some(all)
}

/// Reads `PROJECT/badges/REF/pipeline.svg`.
fn of_badge(segments: &[&str]) -> Option<Route> {
    let (last, before) = segments.split_last()?;
    let kind = match *last {
        "pipeline.svg" => BadgeKind::Pipeline,
        "coverage.svg" => BadgeKind::Coverage,
        _ => return None,
    };
    let at = before.iter().position(|segment| *segment == "badges")?;
    let (project, ref_name) = (name(&before[..at])?, &before[at + 1..]);
    let page = ProjectPage::Badge { ref_name: text(ref_name), kind };
    (!ref_name.is_empty()).then_some(Route::OfProject { project, page })
}

/// Reads a path that may be a project's.
fn name(segments: &[&str]) -> Option<String> {
    let path = text(segments);
    is_valid_path(&path).then_some(path)
}

fn bytes(segments: &[&str]) -> Vec<u8> {
    percent_decode_str(&segments.join("/")).collect()
}

/// Decodes text. What no name can hold becomes U+FFFD, which no stored name has.
fn text(segments: &[&str]) -> String {
    String::from_utf8_lossy(&bytes(segments)).replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(path: &str) -> ProjectPage {
        match Route::parse(path) {
            Some(Route::OfProject { project, page }) if project == "a/b" => page,
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn addresses_are_those_that_are_handed_out() {
        assert_eq!(Route::parse("/"), Some(Route::Home));
        assert_eq!(Route::parse("/a/b/"), Some(Route::Named("a/b".into())));
        assert_eq!(Route::parse("/groups/a/b"), Some(Route::Groups("a/b".into())));
        assert_eq!(page("/a/b/-/pipelines"), ProjectPage::Pipelines);
        assert_eq!(page("/a/b/-/pipelines/7"), ProjectPage::Pipeline(7));
        assert_eq!(page("/a/b/-/jobs/7"), ProjectPage::Job(7));
        assert_eq!(page("/a/b/-/tree/feature/x"), ProjectPage::Tree("feature/x".into()));
        let path = b"d/a b".to_vec();
        assert_eq!(page("/a/b/-/jobs/7/artifacts/view/d/a%20b"), ProjectPage::View { job_id: 7, path });
        assert_eq!(
            page("/a/b/-/jobs/7/artifacts/browse"),
            ProjectPage::Browse { job_id: 7, path: Vec::new() }
        );
        let badge = ProjectPage::Badge { ref_name: "f/x".into(), kind: BadgeKind::Pipeline };
        assert_eq!(page("/a/b/badges/f/x/pipeline.svg"), badge);
    }

    #[test]
    fn addresses_of_apis_and_nonsense_name_no_page() {
        for path in [
            "",
            "a",
            "/api/v4/projects",
            "/-/liveness",
            "/v2/organizations",
            "/a/../b",
            "/42",
            "/a//b",
            "/%00",
            "/a/b/-/",
            "/a/b/-/jobs/x",
            "/a/b/-/jobs/7/artifacts/raw/x",
            "/a/b/-/jobs/7/artifacts/download",
            "/-",
        ] {
            assert_eq!(Route::parse(path), None, "{path}");
        }
    }

    #[test]
    fn an_address_by_ref_is_read_with_the_longest_ref_first() {
        let ProjectPage::ByRef(all) = page("/a/b/-/jobs/artifacts/main/raw/x/browse/y") else { panic!() };
        let shown: Vec<_> = all.iter().map(|it| (it.ref_name.as_str(), it.what)).collect();
        assert_eq!(shown, [("main/raw/x", RefPage::Browse), ("main", RefPage::Raw)]);
    }

    proptest! {
        #[test]
        fn no_path_is_a_panic_or_has_many_candidates(path in "/[a-b/%.0-9-]{0,30}(raw/|browse/|jobs/artifacts/){0,12}.{0,8}") {
            if let Some(Route::OfProject { page: ProjectPage::ByRef(all), .. }) = Route::parse(&path) {
                prop_assert!(all.len() <= MAX_CANDIDATES);
            }
        }
    }
}
