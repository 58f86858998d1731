//! Pages for people in front of a GitLab: what only it knows is shown to whom it lets read.

use artigate::settings::PullMode;

use super::{DEVELOPER, GUEST, MAINTAINER, OUTSIDER, World, in_front_on_both};
use crate::support::gitlab::{StubJob, StubPipeline};
use crate::support::zips;
use crate::web::browser::Browser;
use crate::web::report::{self, fetch};
use crate::web::report_sessions::{has_ended, opened};
use crate::web::{html, is_page, link, open, submit};

in_front_on_both!(
    a_private_project_that_only_the_upstream_knows_is_shown_to_its_members,
    what_may_be_changed_is_offered_to_whom_the_upstream_gives_the_role,
    who_only_the_upstream_knows_opens_reports,
);

fn a_private_project_that_only_the_upstream_knows_is_shown_to_its_members(world: World) {
    let world = world.with_archive("public");
    let without_id = |text: &str| text.split("<code>").next().unwrap().to_owned();
    for (path, shown) in [
        ("/group/app", "main"),
        ("/group/app/-/pipelines", "/-/pipelines/701\""),
        ("/group/app/-/pipelines/701", "/-/jobs/7001\""),
        ("/group/app/-/jobs/7001", "artifacts.zip"),
        ("/group/app/-/jobs/7001/artifacts/browse/", "a.txt"),
        ("/group/app/-/jobs/7001/artifacts/view/a.txt", "text"),
        ("/group/app/-/artifacts", "artifacts.zip"),
    ] {
        let page = open(&world.gateway, DEVELOPER, path);
        assert!(html(&page).contains(shown), "{path}: {}", page.text());
        // Who is signed in is told nothing, and nobody is asked to sign in, as where nothing is.
        for (token, status) in [(OUTSIDER, 404), ("", 302)] {
            let page = open(&world.gateway, token, path);
            let missing = open(&world.gateway, token, "/nothing/like/it");
            assert_eq!((page.status, missing.status), (status, status), "{path}");
            assert_eq!(without_id(page.text()), without_id(missing.text()), "{path}");
        }
        let unknown = open(&world.gateway, "glpat-nobodys", path);
        assert_eq!(unknown.status, 401, "{path}");
        is_page(&unknown);
    }
    let job = open(&world.gateway, DEVELOPER, "/group/app/-/jobs/7001");
    assert_eq!(open(&world.gateway, DEVELOPER, &link(job.text(), "Download")).status, 200);
    // Once more, from memory.
    world.gitlab.calls();
    assert_eq!(open(&world.gateway, DEVELOPER, "/group/app/-/jobs/7001").status, 200);
    assert_eq!(world.gitlab.asked(), [""; 0]);
}

fn what_may_be_changed_is_offered_to_whom_the_upstream_gives_the_role(world: World) {
    let world = world.with_archive("public");
    let path = "/group/app/-/jobs/7001";
    let page = |token: &str| open(&world.gateway, token, path).text().to_owned();
    let (developer, maintainer) = (page(DEVELOPER), page(MAINTAINER));
    assert!(developer.contains("Keep for ever") && !developer.contains("Delete…"), "{developer}");
    assert!(maintainer.contains("Keep for ever") && maintainer.contains("Delete…"), "{maintainer}");
    assert_eq!(open(&world.gateway, GUEST, path).status, 404, "he may not read jobs");
    assert_eq!(submit(&world.gateway, DEVELOPER, &format!("{path}/artifacts/delete")).status, 403);
    assert_eq!(submit(&world.gateway, DEVELOPER, &format!("{path}/artifacts/keep")).status, 303);
    assert!(page(MAINTAINER).contains("never expires"));
    assert_eq!(submit(&world.gateway, MAINTAINER, &format!("{path}/artifacts/delete")).status, 303);
    assert!(page(MAINTAINER).contains("nothing yet"), "{}", page(MAINTAINER));
}

#[test]
fn an_archive_that_only_the_upstream_has_is_fetched_when_somebody_looks_into_it() {
    let world = World::on_sqlite(|upstream| upstream.pull = PullMode::Archives);
    {
        let mut state = world.gitlab.state();
        let (ref_name, status, source) = ("old", "success", "push");
        state.pipelines.insert(501, StubPipeline { project: 7, ref_name, status, source, parent: None });
        let mut job = StubJob::of(501, "build", "success", Some(30));
        job.archive = Some(zips::deflated(&[("d/a.txt", b"old")]));
        job.archive_level = 30;
        state.jobs.insert(5001, job);
    }
    let by_ref = "/group/app/-/jobs/artifacts/old/browse/?job=build";
    let to = open(&world.gateway, DEVELOPER, by_ref);
    let browse = "/group/app/-/jobs/5001/artifacts/browse/";
    assert_eq!((to.status, to.header("location")), (302, Some(browse)));
    assert_eq!(open(&world.gateway, super::REPORTER, browse).status, 404, "it is for developers there");
    let folder = open(&world.gateway, DEVELOPER, browse);
    let folder = open(&world.gateway, DEVELOPER, &link(html(&folder), "d/"));
    let file = open(&world.gateway, DEVELOPER, &link(html(&folder), "a.txt"));
    assert!(html(&file).contains("old"));
    let job = open(&world.gateway, DEVELOPER, "/group/app/-/jobs/5001");
    assert!(link(html(&job), "Browse").ends_with("/browse/"), "{}", job.text());
    let job = open(&world.gateway, super::REPORTER, "/group/app/-/jobs/5001");
    assert!(html(&job).contains("not for you to read") && !job.text().contains(">Browse"), "{}", job.text());
    // The copy goes, and its job's page says where the archive is.
    let id = world.gateway.write_catalog(|db| {
        artigate::catalog::copies::evict_batch(db, 0, 10, artigate::domain::Timestamp::from_millis(0))
    });
    assert_eq!(id, 1);
    let job = open(&world.gateway, DEVELOPER, "/group/app/-/jobs/5001");
    assert!(html(&job).contains("fetched from the GitLab when you open it"), "{}", job.text());
    assert_eq!(open(&world.gateway, DEVELOPER, &link(job.text(), "Browse")).status, 200);
    let job = open(&world.gateway, OUTSIDER, "/group/app/-/jobs/5001");
    assert_eq!(job.status, 404);
}

fn who_only_the_upstream_knows_opens_reports(world: World) {
    let world = world.with_archive("public");
    let path = "/group/app/-/jobs/7001/artifacts/report/a.txt";
    let gateway = &world.gateway;
    let browser = Browser::signed_in(gateway, DEVELOPER);
    let of_session = opened(&browser, gateway, path);
    let of_token = report::address(gateway, MAINTAINER, path);
    for address in [&of_session, &of_token] {
        let answer = fetch(gateway, address);
        assert_eq!((answer.status, answer.text()), (200, "text"), "nobody in particular may not read it");
        assert!(!address.contains(DEVELOPER) && !address.contains(MAINTAINER));
    }
    assert_eq!(Browser::signed_in(gateway, OUTSIDER).submit(path, &[]).status, 404);
    assert_eq!(submit(gateway, OUTSIDER, path).status, 404);
    // What the upstream takes away ends the report as soon as what is remembered is old.
    world.gitlab.state().tokens.remove(MAINTAINER);
    world.forget();
    has_ended(gateway, &of_token);
    assert_eq!(fetch(gateway, &of_session).status, 200);
    assert_eq!(browser.submit("/-/sign_out", &[]).status, 303);
    has_ended(gateway, &of_session);
}
