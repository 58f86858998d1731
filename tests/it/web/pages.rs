//! Pages of projects, pipelines and jobs.

use super::{html, link, links, open};
use crate::support::fixture::Fixture;
use crate::support::fixtures::{DEVELOPER, MAINTAINER, OUTSIDER, REPORTER};
use crate::support::gateway::Gateway;
use crate::support::zips;

on_both_databases!(
    a_person_finds_a_file_by_links_alone,
    what_one_may_not_see_is_on_no_page,
    lists_are_filtered_and_come_in_pages,
    a_job_says_until_when_its_artifacts_are_kept_and_why,
    artifacts_of_every_kind_have_their_pages,
    a_project_shows_what_its_branches_and_tags_left,
    a_project_without_jobs_says_how_to_begin,
    all_artifacts_of_a_project_are_in_one_list,
    addresses_by_ref_lead_to_the_newest_success,
    badges_tell_the_state_and_nothing_that_is_private,
);

fn site() -> Vec<u8> {
    zips::deflated(&[
        ("docs/index.html", b"<h1>hello</h1>"),
        ("a.txt", b"one\ntwo"),
        ("README.md", b"# Site"),
    ])
}

fn a_person_finds_a_file_by_links_alone(gateway: Gateway) {
    Fixture::project("group/sub/app")
        .public()
        .pipeline(100, "main")
        .job(10, "build")
        .archive(&site())
        .load(&gateway);
    let mut page = open(&gateway, "", "/");
    for text in ["group/sub/app", "Pipelines", "100", "build"] {
        let address = link(html(&page), text);
        page = open(&gateway, "", &address);
    }
    assert!(page.text().contains("<h1>Job build</h1>"), "{}", page.text());
    page = open(&gateway, "", &link(html(&page), "Browse"));
    assert!(
        html(&page).contains("<h2>Site</h2>"),
        "the text that tells about the folder, below its own heading"
    );
    page = open(&gateway, "", &link(html(&page), "docs/"));
    page = open(&gateway, "", &link(html(&page), "index.html"));
    let shown = html(&page);
    assert!(shown.contains("&lt;h1&gt;hello&lt;/h1&gt;"), "{shown}");
    assert!(
        shown.contains("<title>index.html – docs – Archive – Job build – Pipeline 100 – Pipelines – app – sub – group – artigate</title>"),
        "{shown}"
    );
    let raw = gateway.get(&link(shown, "Download")).send();
    assert_eq!((raw.status, raw.text()), (200, "<h1>hello</h1>"));
    // Every link of every page on the way leads to something.
    for address in links(shown).into_iter().filter(|address| address.starts_with('/')) {
        assert_eq!(open(&gateway, "", &address).status, 200, "{address}");
    }
}

fn what_one_may_not_see_is_on_no_page(gateway: Gateway) {
    Fixture::project("open/app")
        .public()
        .pipeline(100, "main")
        .job(10, "build")
        .archive(&site())
        .and_project("closed/app")
        .members()
        .pipeline(200, "main")
        .job(20, "build")
        .archive(&site())
        .and_project("open/shy")
        .public()
        .public_jobs(false)
        .pipeline(300, "main")
        .job(30, "build")
        .archive(&site())
        .load(&gateway);
    let home = open(&gateway, "", "/");
    assert!(html(&home).contains("open/app") && !home.text().contains("closed"));
    assert!(!home.text().contains("/-/pipelines/300"), "its jobs are not for everybody");
    assert!(html(&open(&gateway, REPORTER, "/")).contains("closed/app"));
    for path in [
        "/closed/app",
        "/closed",
        "/closed/app/-/pipelines",
        "/closed/app/-/pipelines/200",
        "/closed/app/-/jobs/20",
        "/closed/app/-/jobs/20/artifacts/browse/",
        "/closed/app/-/jobs/20/artifacts/view/a.txt",
        "/closed/app/-/artifacts",
        "/open/shy/-/jobs/30",
        "/open/shy/-/pipelines",
        "/open/app/-/jobs/20",
        "/open/app/-/pipelines/200",
    ] {
        let missing = open(&gateway, OUTSIDER, "/nothing/like/it");
        let without_id = |text: &str| text.split("<code>").next().unwrap().to_owned();
        let answer = open(&gateway, OUTSIDER, path);
        super::is_page(&answer);
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(without_id(answer.text()), without_id(missing.text()), "{path}");
        // Who is not signed in is asked to, unless the jobs of the project are for everybody.
        let expected = if path.starts_with("/open/app") { 404 } else { 302 };
        assert_eq!(open(&gateway, "", path).status, expected, "{path}");
        if path.starts_with("/closed") {
            assert_eq!(open(&gateway, REPORTER, path).status, 200, "{path}");
        }
    }
    assert!(html(&open(&gateway, "", "/open/shy")).contains("not its jobs"));
    assert!(html(&open(&gateway, "", "/open")).contains("open/app"));
    assert_eq!(open(&gateway, "wrong", "/open/app").status, 401);
}

fn lists_are_filtered_and_come_in_pages(gateway: Gateway) {
    let mut fixture = Fixture::project("group/app").public();
    for id in 1..=45 {
        let ref_name = if id % 9 == 0 { "feature/x" } else { "main" };
        fixture = fixture
            .pipeline(id, ref_name)
            .status(if id % 2 == 0 { "failed" } else { "success" })
            .job(id, "job");
    }
    fixture.load(&gateway);
    let first = open(&gateway, "", "/group/app/-/pipelines");
    assert!(html(&first).contains("1–20 of 45"), "{}", first.text());
    let second = open(&gateway, "", &link(first.text(), "Next page"));
    let last = open(&gateway, "", &link(html(&second), "Next page"));
    assert!(html(&last).contains("41–45 of 45") && !last.text().contains("Next page"));
    assert_eq!(link(last.text(), "Previous page"), "/group/app/-/pipelines?page=2");
    let some = open(&gateway, "", "/group/app/-/pipelines?ref=feature%2Fx&status=failed");
    assert!(html(&some).contains("/-/pipelines/36\"") && some.text().contains("/-/pipelines/18\""));
    assert!(!some.text().contains("/-/pipelines/9\"") && some.text().contains("value=\"feature/x\""));
    let none = open(&gateway, "", "/group/app/-/pipelines?ref=none");
    assert!(html(&none).contains("No pipeline matches"));
    assert_eq!(
        open(&gateway, "", &link(none.text(), "Clear filters")).text().matches("/-/pipelines/4").count(),
        6
    );
    assert!(html(&open(&gateway, "", "/?search=nothing")).contains("No project that you may see"));
    assert!(html(&open(&gateway, "", "/?search=APP")).contains("group/app"));
    for odd in ["page=0", "page=x", "page=99999999999999999999", "status=none", "page=400"] {
        assert_eq!(open(&gateway, "", &format!("/group/app/-/pipelines?{odd}")).status, 200, "{odd}");
    }
}

fn a_job_says_until_when_its_artifacts_are_kept_and_why(gateway: Gateway) {
    Fixture::project("group/app")
        .public()
        .pipeline(100, "main")
        .job(10, "build")
        .archive(&site())
        .expire_in("1 day")
        .artifact("junit", b"report")
        .pipeline(200, "main")
        .job(20, "build")
        .archive(&site())
        .expire_in("3 days")
        .load(&gateway);
    let of = |id: i64| open(&gateway, "", &format!("/group/app/-/jobs/{id}"));
    let before = of(20);
    let kept = |then: &str| format!("<span class=\"kept\">kept: newest of main</span>{then}</td>");
    let then = " <span class=\"date\" title=\"2026-02-04 12:00 UTC\">else expires in 3 days</span>";
    assert!(html(&before).contains(&kept(then)), "{}", before.text());
    let list = open(&gateway, "", "/group/app/-/artifacts");
    assert!(html(&list).contains(&kept(then)), "{}", list.text());
    assert!(html(&of(10)).contains("expires in 1 day") && !of(10).text().contains("kept: newest"));
    gateway.advance_clock(4 * 86_400);
    let after = of(20);
    assert!(html(&after).contains(&kept("")) && !after.text().contains("expires in"), "{}", after.text());
    assert!(!after.text().contains("past its date"), "a date at which nothing happens is told nowhere");
    let gone = of(10);
    assert!(html(&gone).contains("expired 3 days ago") && gone.text().contains("never expires"));
    assert!(!links(gone.text()).iter().any(|address| address.contains("/browse/")), "{}", gone.text());
    for what in ["browse/", "view/a.txt", "browse/docs/"] {
        let answer = open(&gateway, "", &format!("/group/app/-/jobs/10/artifacts/{what}"));
        assert_eq!(answer.status, 410, "{what}");
        super::is_page(&answer);
        assert_eq!(
            open(&gateway, "", &format!("/group/app/-/jobs/20/artifacts/{what}")).status,
            200,
            "{what}"
        );
    }
    gateway.sweep();
    assert!(html(&of(10)).contains("expired 3 days ago"), "its name is still known");
}

fn artifacts_of_every_kind_have_their_pages(gateway: Gateway) {
    Fixture::project("group/app")
        .public()
        .members()
        .pipeline(100, "main")
        .job(10, "build")
        .archive(&site())
        .artifact("junit", &gzip(b"<testsuite><testcase name='a'/><testcase name='b'><failure>no &lt;b></failure></testcase></testsuite>"))
        .artifact("codequality", b"[]")
        .artifact("trace", b"\x1b[32mok\x1b[0m\n")
        .artifact("sast", b"{}")
        .accessibility("private")
        .load(&gateway);
    let job = open(&gateway, "", "/group/app/-/jobs/10");
    assert!(html(&job).contains("for developers of the project"), "{}", job.text());
    let log = open(&gateway, "", &link(job.text(), "View"));
    assert_eq!(log.status, 200);
    let report = open(&gateway, "", "/group/app/-/jobs/10/artifacts/view?file_type=junit");
    let text = html(&report);
    assert!(
        text.contains("<dt>Tests</dt><dd>2</dd>") && text.contains("<dt>Failed</dt><dd>1</dd>"),
        "{text}"
    );
    assert!(text.contains("no &#60;b&#62;") || text.contains("no &lt;b&gt;"), "{text}");
    let log = open(&gateway, "", "/group/app/-/jobs/10/artifacts/view?file_type=trace");
    assert!(html(&log).contains("<span class=\"f2\">ok</span>"), "{}", log.text());
    assert_eq!(
        open(&gateway, "", "/group/app/-/jobs/10/artifacts/view?file_type=sast").status,
        302,
        "for others"
    );
    assert_eq!(open(&gateway, DEVELOPER, "/group/app/-/jobs/10/artifacts/view?file_type=sast").status, 200);
    assert_eq!(open(&gateway, "", "/group/app/-/jobs/10/artifacts/view?file_type=dast").status, 404);
    let pipeline = open(&gateway, "", "/group/app/-/pipelines/100");
    for address in links(html(&pipeline)).into_iter().filter(|address| address.contains("/artifacts/")) {
        let expected = if address.contains("sast") { 302 } else { 200 };
        assert_eq!(open(&gateway, "", &address).status, expected, "{address}");
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn a_project_shows_what_its_branches_and_tags_left(gateway: Gateway) {
    Fixture::project("group/app")
        .public()
        .pipeline(100, "main")
        .job(10, "build")
        .archive(&site())
        .filename("site.zip")
        .job(11, "secret")
        .archive(&site())
        .filename("secret.zip")
        .accessibility("maintainer")
        .pipeline(200, "main")
        .status("failed")
        .job(20, "build")
        .status("failed")
        .pipeline(300, "v1.0")
        .tag()
        .job(30, "build")
        .archive(&site())
        .filename("release.zip")
        .load(&gateway);
    let page = open(&gateway, "", "/group/app");
    let text = html(&page);
    let (main, tag) = (text.find(">main<").unwrap(), text.find(">v1.0<").unwrap());
    assert!(tag < main, "what ran last comes first");
    assert!(
        text.contains("site.zip") && text.contains("release.zip") && !text.contains("secret.zip"),
        "{text}"
    );
    assert!(text.contains("Newest success: <a href=\"/group/app/-/pipelines/100\">"), "{text}");
    assert!(text.contains("<a href=\"/group/app/-/pipelines/200\">pipeline 200</a>"), "{text}");
    assert_eq!(open(&gateway, "", &link(text, "site.zip")).status, 200);
    let case = open(&gateway, "", "/Group/APP");
    assert!(html(&case).contains("site.zip"), "a path is found in any case");
}

fn a_project_without_jobs_says_how_to_begin(gateway: Gateway) {
    assert!(html(&open(&gateway, "", "/")).contains("There is no public project"));
    Fixture::project("group/app").public().load(&gateway);
    let page = open(&gateway, "", "/group/app");
    assert!(html(&page).contains("/api/registry/v1/documents"), "{}", page.text());
    assert!(html(&open(&gateway, "", "/group/app/-/pipelines")).contains("There is no pipeline yet"));
    assert!(html(&open(&gateway, "", "/group/app/-/artifacts")).contains("no artifacts that you may read"));
}

fn all_artifacts_of_a_project_are_in_one_list(gateway: Gateway) {
    Fixture::project("group/app")
        .public()
        .members()
        .pipeline(100, "main")
        .job(10, "build")
        .archive(&site())
        .filename("small.zip")
        .artifact("codequality", b"[]")
        .filename("quality.json")
        .pipeline(200, "feature/x")
        .job(20, "pack")
        .archive(&zips::packed(zip::CompressionMethod::Stored, &[("big", &zips::noise(5000))]))
        .filename("big.zip")
        .job(21, "hidden")
        .archive(&zips::deflated(&[("x", b"y")]))
        .filename("hidden.zip")
        .accessibility("private")
        .load(&gateway);
    let list = |token: &str, query: &str| open(&gateway, token, &format!("/group/app/-/artifacts{query}"));
    let order = |answer: &crate::support::http_client::Answer| {
        let text = html(answer).to_owned();
        let names = ["small.zip", "quality.json", "big.zip", "hidden.zip"];
        let mut found: Vec<_> =
            names.iter().filter_map(|name| Some((text.find(&format!(">{name}<"))?, *name))).collect();
        found.sort_unstable();
        found.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
    };
    assert_eq!(order(&list("", "")), ["big.zip", "quality.json", "small.zip"]);
    assert_eq!(order(&list("", "?sort=oldest")), ["small.zip", "quality.json", "big.zip"]);
    assert_eq!(order(&list("", "?sort=largest")), ["big.zip", "small.zip", "quality.json"]);
    assert_eq!(order(&list(DEVELOPER, "?job=hidden")), ["hidden.zip"]);
    assert_eq!(order(&list("", "?ref=main&type=codequality")), ["quality.json"]);
    assert_eq!(order(&list("", "?ref=feature%2Fx&sort=largest")), ["big.zip"]);
    assert!(html(&list("", "?job=none")).contains("No artifact matches"));
    assert!(!list("", "").text().contains("checkbox") && !list(DEVELOPER, "").text().contains("checkbox"));
    assert_eq!(
        list(MAINTAINER, "").text().matches("type=\"checkbox\"").count(),
        3,
        "a report goes with its job alone"
    );
}

fn addresses_by_ref_lead_to_the_newest_success(gateway: Gateway) {
    Fixture::project("group/app")
        .public()
        .pipeline(100, "feature/x")
        .job(10, "build")
        .archive(&site())
        .pipeline(200, "feature/x")
        .status("failed")
        .job(20, "build")
        .archive(&site())
        .load(&gateway);
    let lead = |what: &str| {
        let answer = open(&gateway, "", &format!("/group/app/-/jobs/artifacts/feature/x/{what}"));
        (answer.status, answer.header("location").unwrap_or_default().to_owned())
    };
    let of_job = |what: &str| (302, format!("/group/app/-/jobs/10/artifacts/{what}"));
    assert_eq!(lead("browse?job=build"), of_job("browse/"));
    assert_eq!(lead("browse/docs?job=build"), of_job("browse/docs/"));
    assert_eq!(lead("view/docs/index.html?job=build"), of_job("view/docs/index.html"));
    assert_eq!(lead("file/a.txt?job=build"), of_job("view/a.txt"));
    assert_eq!(lead("raw/a.txt?job=build"), of_job("raw/a.txt"));
    assert_eq!(lead("download?job=build"), of_job("download"));
    assert_eq!((lead("browse?job=none").0, lead("browse").0), (404, 400));
    Fixture::project("group/app")
        .public()
        .pipeline(300, "feature/x")
        .job(30, "build")
        .archive(&site())
        .load(&gateway);
    assert_eq!(lead("browse?job=build").1, "/group/app/-/jobs/30/artifacts/browse/");
    assert_eq!(open(&gateway, "", "/group/app/-/jobs/10/artifacts/browse/").status, 200, "the old one stays");
}

fn badges_tell_the_state_and_nothing_that_is_private(gateway: Gateway) {
    Fixture::project("group/app")
        .public()
        .pipeline(100, "main")
        .job(10, "build")
        .archive(&site())
        .and_project("closed/app")
        .pipeline(200, "main")
        .job(20, "build")
        .archive(&site())
        .load(&gateway);
    let badge = |path: &str| {
        let answer = gateway.get(path).send();
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/svg+xml")), "{path}");
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("cross-origin"));
        let text = answer.text().to_owned();
        text.split("<title>").nth(1).unwrap().split("</title>").next().unwrap().to_owned()
    };
    assert_eq!(badge("/group/app/badges/main/pipeline.svg"), "pipeline: passed");
    assert_eq!(badge("/group/app/badges/main/coverage.svg"), "coverage: unknown");
    assert_eq!(badge("/group/app/-/jobs/artifacts/main/badge.svg?job=build"), "job: passed");
    for unknown in ["/closed/app", "/none/app"] {
        assert_eq!(badge(&format!("{unknown}/badges/main/pipeline.svg")), "pipeline: unknown");
        assert_eq!(badge(&format!("{unknown}/-/jobs/artifacts/main/badge.svg?job=build")), "job: unknown");
    }
}
