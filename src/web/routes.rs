//! Routes: which page an address names. They are GitLab's addresses where GitLab has one.

use super::operator_page::OperatorPage;
use super::person_page::PersonPage;
use super::project_page::{BadgeKind, ProjectPage, text};
use crate::domain::project::is_valid_path;

/// First segments of the addresses of APIs and operations, which name no project.
const RESERVED: &[&str] = &["-", "api", "v2", "v3", "twirp", "_apis"];

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
    /// A page for operators of the server.
    OfOperator(OperatorPage),
    /// A page of a project.
    OfProject { project: String, page: ProjectPage },
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
        if let Some(page) = OperatorPage::parse(raw_path) {
            return Some(Self::OfOperator(page));
        }
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments: Vec<&str> = path.split('/').collect();
        if RESERVED.contains(&segments[0]) {
            return None;
        }
        if let Some(dash) = segments.iter().position(|segment| *segment == "-") {
            let project = name(&segments[..dash])?;
            return Some(Self::OfProject { project, page: ProjectPage::parse(&segments[dash + 1..])? });
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
            Self::Home | Self::Named(_) | Self::Groups(_) | Self::OfOperator(_) => false,
        }
    }

    /// Returns the template of the address, for the metrics.
    pub(super) fn template(&self) -> &'static str {
        match self {
            Self::Home => "/",
            Self::Named(_) => "/:name",
            Self::Groups(_) => "/groups/:name",
            Self::OfPerson(page) => page.template(),
            Self::OfOperator(page) => page.template(),
            Self::OfProject { page, .. } => page.template(),
        }
    }

    /// Returns the audit log's name for what a request does.
    pub(super) fn action(&self, is_change: bool) -> &'static str {
        match self {
            Self::Home | Self::Groups(_) => "project.list",
            Self::Named(_) => "project.read",
            Self::OfPerson(page) => page.action(),
            Self::OfOperator(page) => page.action(),
            Self::OfProject { page, .. } => page.action(is_change),
        }
    }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::project_page::{MAX_CANDIDATES, RefPage};
    use super::*;
    use crate::domain::pipeline::RefKind;

    fn page(path: &str) -> ProjectPage {
        match Route::parse(path) {
            Some(Route::OfProject { project, page }) if project == "a/b" => page,
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn addresses_are_those_that_are_handed_out() {
        assert_eq!(Route::parse("/"), Some(Route::Home));
        assert_eq!(Route::parse("/-/operate"), Some(Route::OfOperator(OperatorPage::Operate)));
        assert_eq!(page("/a/b/-/branches"), ProjectPage::Refs(RefKind::Branch));
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
            "/-/operate/",
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
