//! Paths as real clients send them, and whatever else may come.

use proptest::prelude::*;

use super::parse::{DECODED_BYTES, MAX_CANDIDATES, joined_bytes, joined_text, project_ref};
use super::*;
use crate::domain::pipeline::RefKind;

fn candidate_routes(path: &str) -> Vec<Route> {
    super::candidate_routes(&Segments::of(path)).collect()
}

fn browser_candidates(path: &str) -> Vec<Route> {
    super::browser_candidates(&Segments::of(path)).collect()
}

fn project(path: &str) -> ProjectRef {
    ProjectRef::Path(path.into())
}

fn first(path: &str) -> Route {
    candidate_routes(path).into_iter().next().unwrap_or_else(|| panic!("{path} has no meaning"))
}

#[test]
fn a_project_comes_by_number_by_encoded_path_and_by_bare_path() {
    for (id, expected) in [
        ("7", ProjectRef::Id(7)),
        ("grp%2Fsub%2Fpro.j", project("grp/sub/pro.j")),
        ("grp%2Fsub%2Fpro%2Ej", project("grp/sub/pro.j")),
        ("grp/sub/pro.j", project("grp/sub/pro.j")),
        ("99999999999999999999", ProjectRef::Id(i64::MAX)),
        ("jobs", project("jobs")),
    ] {
        let route = first(&format!("/projects/{id}/jobs/42/artifacts"));
        assert_eq!(route, Route::ArchiveOfJob { project: expected, job_id: "42".into() });
    }
}

#[test]
fn a_project_called_jobs_is_found_when_its_path_is_bare() {
    let route = first("/projects/grp/jobs/jobs/42/artifacts");
    assert_eq!(route, Route::ArchiveOfJob { project: project("grp/jobs"), job_id: "42".into() });
}

#[test]
fn a_ref_holds_slashes_encoded_or_not() {
    for ref_name in ["feature/x", "feature%2Fx", "feature%2fx"] {
        let archive = Route::ArchiveOfRef { project: ProjectRef::Id(1), ref_name: "feature/x".into() };
        assert_eq!(first(&format!("/projects/1/jobs/artifacts/{ref_name}/download")), archive);
        let file = Route::FileOfRef {
            project: ProjectRef::Id(1),
            ref_name: "feature/x".into(),
            path: b"out/a b#1.txt".to_vec(),
        };
        assert_eq!(first(&format!("/projects/1/jobs/artifacts/{ref_name}/raw/out/a%20b%231.txt")), file);
        assert_eq!(first(&format!("/projects/1/jobs/artifacts/{ref_name}/raw/out%2Fa%20b%231.txt")), file);
    }
}

#[test]
fn a_path_with_several_meanings_lists_the_longest_ref_first() {
    let routes = candidate_routes("/projects/1/jobs/artifacts/main/raw/a/raw/b");
    let split = |ref_name: &str, path: &str| Route::FileOfRef {
        project: ProjectRef::Id(1),
        ref_name: ref_name.into(),
        path: path.into(),
    };
    assert_eq!(routes, [split("main/raw/a", "b"), split("main", "a/raw/b")]);
    let routes = candidate_routes("/projects/1/jobs/artifacts/main/raw/bin/download");
    let archive = Route::ArchiveOfRef { project: ProjectRef::Id(1), ref_name: "main/raw/bin".into() };
    assert_eq!(routes, [archive, split("main", "bin/download")]);
}

#[test]
fn the_runners_paths_and_a_slash_at_the_end_are_known() {
    assert_eq!(first("/jobs/5/artifacts"), Route::JobArtifacts { job_id: "5".into() });
    assert_eq!(first("/jobs/5/artifacts/authorize"), Route::AuthorizeUpload { job_id: "5".into() });
    let archive = Route::ArchiveOfJob { project: ProjectRef::Id(1), job_id: "5".into() };
    assert_eq!(first("/projects/1/jobs/5/artifacts/"), archive);
}

#[test]
fn a_file_path_keeps_what_makes_it_absolute_or_undecodable() {
    let path = |path: &str| match first(&format!("/projects/1/jobs/5/artifacts/{path}")) {
        Route::FileOfJob { path, .. } => path,
        other => panic!("{other:?}"),
    };
    assert_eq!(path("/etc/passwd"), b"/etc/passwd");
    assert_eq!(path("%2Fetc/passwd"), b"/etc/passwd");
    assert_eq!(path("a%00b%ff"), b"a\0b\xff");
    assert_eq!(path("100%"), b"100%");
}

#[test]
fn the_lists_of_a_project_and_what_is_in_them_are_known() {
    for (id, expected) in [
        ("7", ProjectRef::Id(7)),
        ("grp%2Fpro%2Ej", project("grp/pro.j")),
        ("grp/pro.j", project("grp/pro.j")),
    ] {
        let project = || expected.clone();
        let pipeline_id = || "5".to_owned();
        let named = |kind, name: &str| Route::Ref { project: project(), kind, name: name.into() };
        for (path, route) in [
            ("", Route::Project { project: project() }),
            ("/", Route::Project { project: project() }),
            ("/jobs", Route::Jobs { project: project() }),
            ("/jobs/5", Route::Job { project: project(), job_id: "5".into() }),
            ("/pipelines", Route::Pipelines { project: project() }),
            ("/pipelines/latest", Route::LatestPipeline { project: project() }),
            ("/pipelines/5", Route::Pipeline { project: project(), pipeline_id: pipeline_id() }),
            ("/pipelines/5/jobs", Route::PipelineJobs { project: project(), pipeline_id: pipeline_id() }),
            ("/jobs/5/trace", Route::Trace { project: project(), job_id: "5".into() }),
            ("/repository/branches", Route::Refs { project: project(), kind: RefKind::Branch }),
            ("/repository/tags/", Route::Refs { project: project(), kind: RefKind::Tag }),
            ("/repository/branches/feature/x", named(RefKind::Branch, "feature/x")),
            ("/repository/branches/feature%2Fx", named(RefKind::Branch, "feature/x")),
            ("/repository/tags/v1.0", named(RefKind::Tag, "v1.0")),
            ("/repository/commits", Route::Commits { project: project() }),
            ("/repository/commits/a/b", Route::Commit { project: project(), name: "a/b".into() }),
            ("/pipelines/5/bridges", Route::Bridges { project: project(), pipeline_id: pipeline_id() }),
        ] {
            assert_eq!(first(&format!("/projects/{id}{path}")), route, "{id}{path}");
        }
    }
    assert_eq!(first("/projects"), Route::Projects);
    assert_eq!(first("/projects/"), Route::Projects);
    for (path, route) in [
        ("/job", Route::CurrentJob),
        ("/user", Route::CurrentUser),
        ("/personal_access_tokens/self", Route::CurrentToken),
        ("/version", Route::Version),
        ("/metadata", Route::Metadata),
    ] {
        assert_eq!(candidate_routes(path), [route]);
    }
}

#[test]
fn a_bare_path_that_ends_like_a_list_may_be_a_project() {
    assert_eq!(
        candidate_routes("/projects/grp/jobs"),
        [Route::Jobs { project: project("grp") }, Route::Project { project: project("grp/jobs") }]
    );
}

#[test]
fn everything_else_has_no_meaning() {
    for path in [
        "",
        "/",
        "/jobs",
        "/users",
        "/personal_access_tokens",
        "/projects/1/jobs/artifacts/download",
        "/projects/1/repository",
        "/projects/grp%2Fpro/repository/files/a",
        "/projects//x",
        "/projects/1/pipelines/5/variables",
    ] {
        assert_eq!(candidate_routes(path), [], "{path}");
    }
}

#[test]
fn an_address_from_a_browser_means_what_the_apis_does() {
    let job = |path: &str| browser_candidates(&format!("/grp/sub/pro.j/-/jobs/42/artifacts/{path}"));
    let (project, job_id) = (|| project("grp/sub/pro.j"), || "42".to_owned());
    assert_eq!(job("download"), [Route::ArchiveOfJob { project: project(), job_id: job_id() }]);
    for word in ["raw", "file"] {
        let file = Route::FileOfJob { project: project(), job_id: job_id(), path: b"a b/-/c.txt".to_vec() };
        assert_eq!(job(&format!("{word}/a%20b/-/c.txt")), [file]);
    }
    let by_ref = |path: &str| browser_candidates(&format!("/grp/sub/pro.j/-/jobs/artifacts/{path}"));
    let ref_name = || "feature/x".to_owned();
    for path in ["feature/x/download", "feature%2Fx/download", "feature/x/download/"] {
        assert_eq!(by_ref(path), [Route::ArchiveOfRef { project: project(), ref_name: ref_name() }]);
    }
    for word in ["raw", "file"] {
        let path = b"out/a.txt".to_vec();
        assert_eq!(
            by_ref(&format!("feature/x/{word}/out/a.txt")),
            [Route::FileOfRef { project: project(), ref_name: ref_name(), path }]
        );
    }
    assert_eq!(by_ref("main/raw/a/file/b").len(), 2);
}

#[test]
fn other_addresses_of_a_browser_have_no_meaning() {
    for path in [
        "",
        "/",
        "/-/jobs/1/artifacts/download",
        "/grp/pro",
        "/grp/pro/jobs/1/artifacts/download",
        "/grp/pro/-/jobs/1/artifacts",
        "/grp/pro/-/jobs/1/artifacts/browse",
        "/grp/pro/-/jobs/1/artifacts/raw",
        "/grp/pro/-/jobs/1x/artifacts/download",
        "/grp/pro/-/jobs/artifacts/download",
        "/grp/pro/-/pipelines/1",
        "//pro/-/jobs/1/artifacts/download",
    ] {
        assert_eq!(browser_candidates(path), [], "{path}");
    }
}

/// Returns every candidate route of an API path, all made at once: simple, and far too much for a path that
/// was built to have many.
fn all_meanings(path: &str) -> Vec<Route> {
    let Some(path) = path.strip_prefix("/projects/") else { return Vec::new() };
    let rest: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').collect();
    let mut routes = Vec::new();
    if let [project @ .., "artifacts"] = &rest[..]
        && !project.is_empty()
        && !project.contains(&"jobs")
    {
        routes.push(Route::ProjectArtifacts { project: project_ref(project) });
    }
    let first = joined_text(&rest[..1]);
    let is_whole = first.contains('/') || first.bytes().all(|b| b.is_ascii_digit());
    let may_be_project = |segments: &[&str]| match segments {
        [one] => !one.is_empty(),
        [_, _, ..] => !is_whole && !segments.contains(&""),
        [] => false,
    };
    for at in (0..rest.len()).filter(|at| may_be_project(&rest[..*at])) {
        let (project, behind) = (project_ref(&rest[..at]), &rest[at + 1..]);
        match rest[at] {
            "jobs" => all_below_jobs(&project, behind, &mut routes),
            "pipelines" => all_below_pipelines(&project, behind, &mut routes),
            _ => {}
        }
    }
    if may_be_project(&rest) {
        routes.push(Route::Project { project: project_ref(&rest) });
    }
    routes
}

fn all_below_pipelines(project: &ProjectRef, rest: &[&str], routes: &mut Vec<Route>) {
    let project = project.clone();
    match rest {
        [] => routes.push(Route::Pipelines { project }),
        ["latest"] => routes.push(Route::LatestPipeline { project }),
        [id] => routes.push(Route::Pipeline { project, pipeline_id: joined_text(&[id]) }),
        [id, "jobs"] => routes.push(Route::PipelineJobs { project, pipeline_id: joined_text(&[id]) }),
        [id, "bridges"] => routes.push(Route::Bridges { project, pipeline_id: joined_text(&[id]) }),
        _ => {}
    }
}

fn all_below_jobs(project: &ProjectRef, rest: &[&str], routes: &mut Vec<Route>) {
    let project = || project.clone();
    let number = |segment: &str| joined_text(&[segment]);
    match rest {
        [] => routes.push(Route::Jobs { project: project() }),
        [id] => routes.push(Route::Job { project: project(), job_id: number(id) }),
        ["artifacts", name @ .., "download"] if !name.is_empty() => {
            routes.push(Route::ArchiveOfRef { project: project(), ref_name: joined_text(name) });
        }
        _ => {}
    }
    if let ["artifacts", rest @ ..] = rest {
        for raw in (1..rest.len()).rev().filter(|raw| rest[*raw] == "raw" && raw + 1 < rest.len()) {
            let (ref_name, path) = (joined_text(&rest[..raw]), joined_bytes(&rest[raw + 1..]));
            routes.push(Route::FileOfRef { project: project(), ref_name, path });
        }
    }
    match rest {
        [id, "artifacts"] => routes.push(Route::ArchiveOfJob { project: project(), job_id: number(id) }),
        [id, "erase"] => routes.push(Route::Erase { project: project(), job_id: number(id) }),
        [id, "artifacts", "tree"] => routes.push(Route::Tree { project: project(), job_id: number(id) }),
        [id, "artifacts", path @ ..] => {
            if path == ["keep"] {
                routes.push(Route::Keep { project: project(), job_id: number(id) });
            }
            let (job_id, path) = (number(id), joined_bytes(path));
            routes.push(Route::FileOfJob { project: project(), job_id, path });
        }
        _ => {}
    }
}

/// Counts the bytes that are decoded while all candidate routes of a path are made.
fn decoded_bytes(path: &str, make: fn(&str) -> Vec<Route>) -> usize {
    DECODED_BYTES.set(0);
    assert!(make(path).len() <= MAX_CANDIDATES);
    DECODED_BYTES.get()
}

#[test]
fn a_path_with_thousands_of_meanings_costs_no_more_than_eight_of_them() {
    for (repeated, behind) in
        [("jobs/artifacts/r/raw/", "x"), ("raw/", "x"), ("jobs/1/artifacts/", "x"), ("jobs/artifacts/", "")]
    {
        let within = 250 / repeated.matches('/').count();
        for before in ["/projects/a/b/", "/projects/a/jobs/artifacts/"] {
            let path = format!("{before}{}{behind}", repeated.repeat(within));
            let most = (MAX_CANDIDATES + 4) * path.len();
            assert!(decoded_bytes(&path, candidate_routes) <= most, "{path}");
        }
        let path = format!("/a/b/-/jobs/artifacts/{}{behind}", repeated.repeat(within));
        assert!(decoded_bytes(&path, browser_candidates) <= (MAX_CANDIDATES + 4) * path.len(), "{path}");
    }
}

#[test]
fn only_meanings_that_are_asked_for_are_made() {
    let path = format!("/projects/a/jobs/artifacts/{}x", "raw/".repeat(200));
    DECODED_BYTES.set(0);
    assert!(super::candidate_routes(&Segments::of(&path)).next().is_some());
    assert!(DECODED_BYTES.get() <= 2 * path.len(), "{} bytes", DECODED_BYTES.get());
}

#[test]
fn a_path_of_more_segments_than_anybody_needs_has_no_meaning() {
    for path in ["/projects/a/b/jobs/artifacts/r/", "/a/b/-/jobs/artifacts/r/"] {
        let path = format!("{path}{}x", "raw/".repeat(16_000));
        assert_eq!(decoded_bytes(&path, candidate_routes) + decoded_bytes(&path, browser_candidates), 0);
        assert_eq!((candidate_routes(&path), browser_candidates(&path)), (vec![], vec![]));
    }
}

proptest! {
    #[test]
    fn no_path_panics_or_has_many_meanings(
        path in "(/(jobs|projects|pipelines|repository|branches|tags|commits|latest|artifacts|raw|file|download|-|%2F|%|[a-z0-9]{0,3})){0,40}/?"
    ) {
        prop_assert!(candidate_routes(&path).len() <= MAX_CANDIDATES);
        prop_assert!(browser_candidates(&path).len() <= MAX_CANDIDATES);
    }

    #[test]
    fn the_meanings_made_one_by_one_are_the_first_eight_of_all(
        path in "/projects(/(jobs|pipelines|latest|artifacts|raw|keep|tree|erase|download|-|%2F|a%2Fb|5|[a-z0-9]{0,3})){1,40}/?"
    ) {
        let mut all = all_meanings(&path);
        all.truncate(MAX_CANDIDATES);
        prop_assert_eq!(candidate_routes(&path), all);
    }
}
