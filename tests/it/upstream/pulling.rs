//! Archives that only the GitLab has: fetched once, served from here, and read by whom the GitLab lets.

use std::collections::BTreeSet;
use std::io::Read;

use artigate::catalog::{Db, artifacts};
use artigate::domain::Timestamp;
use artigate::domain::artifact::ArtifactName;
use artigate::domain::project::ProjectRef;
use artigate::ingest::pull::Fetched;
use artigate::settings::PullMode;
use artigate::upstream::{Asker, Place};

use super::{BUILD, DEVELOPER, GUEST, OUTSIDER, REPORTER, World};
use crate::support::gitlab::{StubJob, StubPipeline};
use crate::support::http_client::{Answer, Request};
use crate::support::until;
use crate::support::zips;

/// Declares tests that run once on each database, in front of a GitLab with old archives.
macro_rules! pulling_on_both {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[test]
            fn on_sqlite() {
                super::$name(super::with_archives($crate::upstream::World::on_sqlite(super::pulls)));
            }

            #[test]
            fn on_postgres() {
                super::$name(super::with_archives($crate::upstream::World::on_postgres(super::pulls)));
            }
        }
    )+};
}

pulling_on_both!(
    an_archive_that_only_the_upstream_has_is_fetched_once_and_served_like_any_other,
    each_reader_is_asked_for_however_the_copy_came,
    by_ref_the_archive_of_the_upstreams_job_is_fetched,
    a_job_gets_what_its_dependency_left_at_the_upstream,
    many_who_ask_at_once_fetch_once,
    keeping_deleting_and_expiry_concern_the_copy_alone,
    the_oldest_copies_go_when_they_take_too_much_room,
);

/// An archive of a job that ended before the switch.
const OLD: &str = "/api/v4/projects/7/jobs/5001/artifacts";

fn pulls(settings: &mut artigate::settings::UpstreamSettings) {
    settings.pull = PullMode::Archives;
}

fn archive() -> Vec<u8> {
    zips::deflated(&[("a.txt", b"old"), ("folder/b.bin", &zips::noise(200_000)), ("folder/c.txt", b"c")])
}

fn with_archives(world: World) -> World {
    {
        let mut state = world.gitlab.state();
        let (ref_name, status, source) = ("old", "success", "push");
        state.pipelines.insert(501, StubPipeline { project: 7, ref_name, status, source, parent: None });
        for id in [5001, 5002, 5003] {
            let name = ["build", "lint", "docs"][id as usize - 5001];
            let mut job = StubJob::of(501, name, "success", Some(30));
            job.archive = Some(archive());
            state.jobs.insert(id, job);
        }
    }
    world
}

/// Gets a path; after a whole archive, waits for its copy, which the client does not do.
fn get(world: &World, path: &str, token: &str) -> Answer {
    let answer = world.gateway.get(path).private_token(token).send();
    let job = path.strip_suffix("/artifacts").and_then(|job| job.rsplit('/').next()?.parse::<i64>().ok());
    if let (200, true, Some(job)) = (answer.status, answer.complete, job) {
        let is_stored = || {
            let find = move |db: &mut Db| artifacts::find(db, job, &ArtifactName::ARCHIVE);
            world.gateway.write_catalog(find).is_some()
        };
        until(60_000, "the copy is stored", is_stored);
    }
    answer
}

fn downloads(world: &World) -> usize {
    world.gitlab.asked().iter().filter(|path| path.ends_with("/artifacts")).count()
}

fn an_archive_that_only_the_upstream_has_is_fetched_once_and_served_like_any_other(world: World) {
    let whole = get(&world, OLD, DEVELOPER);
    assert_eq!((whole.status, whole.body == archive()), (200, true));
    assert!(whole.header("content-disposition").unwrap().contains("artifacts.zip"));
    let asked = [
        "/projects/7/pipelines?per_page=1",
        "/projects/7/jobs/5001/artifacts HEAD",
        "/projects/7/jobs/5001",
        "/projects/7/jobs/5001/artifacts",
    ];
    assert_eq!(world.gitlab.asked(), asked);
    let again = get(&world, OLD, DEVELOPER);
    assert!(again.body == archive() && again.header("etag").is_some());
    let part = world.gateway.get(OLD).private_token(DEVELOPER).header("Range", "bytes=4-9").send();
    assert_eq!((part.status, &part.body[..]), (206, &archive()[4..10]));
    assert_eq!(get(&world, &format!("{OLD}/a.txt"), DEVELOPER).text(), "old");
    assert!(get(&world, &format!("{OLD}/tree?recursive=true"), DEVELOPER).text().contains("folder/c.txt"));
    let folder = get(&world, &format!("{OLD}?path=folder"), DEVELOPER);
    assert_eq!(zip::ZipArchive::new(std::io::Cursor::new(folder.body)).unwrap().len(), 2);
    assert_eq!(world.gitlab.asked(), [""; 0], "all of it from here, and from memory");
    // A part, a file, a folder or a list of an archive that is not here come after it.
    let first = format!("{}/a.txt", OLD.replace("5001", "5002"));
    assert_eq!(get(&world, &first, DEVELOPER).text(), "old");
    let tree = format!("{}/tree", OLD.replace("5001", "5003"));
    assert_eq!(get(&world, &tree, DEVELOPER).status, 200);
    assert_eq!(downloads(&world), 2);
    let job = get(&world, "/api/v4/projects/7/jobs/5001", DEVELOPER);
    assert!(job.text().contains(r#""status":"success""#), "{}", job.text());
    // Without an archive there, too, it is absent.
    world.gitlab.state().jobs.insert(5004, StubJob::of(501, "none", "success", None));
    assert_eq!(get(&world, &OLD.replace("5001", "5004"), DEVELOPER).status, 404);
    assert_eq!(get(&world, &OLD.replace("5001", "5999"), DEVELOPER).status, 404);
    assert_eq!(get(&world, &OLD.replace("projects/7", "projects/8"), DEVELOPER).status, 404);
}

fn each_reader_is_asked_for_however_the_copy_came(world: World) {
    world.gitlab.state().jobs.get_mut(&5001).unwrap().archive_level = 30;
    let status = |token| get(&world, OLD, token).status;
    assert_eq!([REPORTER, GUEST, OUTSIDER].map(status), [404, 403, 404], "nothing is here yet");
    assert_eq!(status(DEVELOPER), 200);
    assert_eq!([REPORTER, GUEST, OUTSIDER, "glpat-nobodys"].map(status), [403, 403, 404, 401]);
    assert_eq!(world.gateway.get(OLD).send().status, 404);
    for path in ["/a.txt", "/tree", "?path=folder"] {
        assert_eq!(get(&world, &format!("{OLD}{path}"), REPORTER).status, 403, "{path}");
    }
    // What the upstream takes back is taken back here.
    assert_eq!(status(DEVELOPER), 200);
    world.gitlab.state().jobs.get_mut(&5001).unwrap().archive_level = 40;
    world.forget();
    assert_eq!(status(DEVELOPER), 403);
    // Other dialects know nothing of its readers, so they show it to nobody.
    let listed = world.gateway.get("/api/v3/repos/group/app/actions/artifacts");
    let listed = listed.header("Authorization", &format!("token {DEVELOPER}")).send();
    assert!(listed.text().contains(r#""total_count":0"#), "{}", listed.text());
}

fn by_ref_the_archive_of_the_upstreams_job_is_fetched(world: World) {
    let by_ref = "/api/v4/projects/7/jobs/artifacts/old/download?job=build";
    let raw = "/api/v4/projects/7/jobs/artifacts/old/raw/a.txt?job=lint";
    // Nothing of the project is known yet.
    assert!(get(&world, by_ref, DEVELOPER).body == archive());
    assert_eq!(get(&world, raw, REPORTER).text(), "old");
    assert!(get(&world, by_ref, REPORTER).body == archive());
    assert_eq!(downloads(&world), 2);
    assert_eq!(get(&world, &by_ref.replace("build", "other"), DEVELOPER).status, 404);
    // A newer one wins.
    {
        let mut state = world.gitlab.state();
        let newer =
            StubPipeline { parent: None, project: 7, ref_name: "old", status: "success", source: "push" };
        state.pipelines.insert(502, newer);
        let mut job = StubJob::of(502, "build", "success", Some(30));
        job.archive = Some(zips::deflated(&[("a.txt", b"newer")]));
        state.jobs.insert(5010, job);
    }
    world.forget();
    let raw = "/api/v4/projects/7/jobs/artifacts/old/raw/a.txt?job=build";
    assert_eq!(get(&world, raw, DEVELOPER).text(), "newer");
}

fn a_job_gets_what_its_dependency_left_at_the_upstream(world: World) {
    world.gitlab.state().jobs.insert(7000, {
        let mut job = StubJob::of(701, "before", "success", Some(30));
        job.archive = Some(archive());
        job
    });
    let dependency = |id: i64, token: &str| {
        world.gateway.get(&format!("/api/v4/jobs/{id}/artifacts")).job_token(token).send()
    };
    let got = dependency(7000, BUILD);
    assert_eq!((got.status, got.body == archive()), (200, true), "{:?}", world.gitlab.asked());
    assert!(dependency(7000, super::TEST).body == archive());
    assert_eq!(dependency(7999, BUILD).status, 403);
    assert_eq!(dependency(7000, super::OPEN).status, 403, "a job of another project");
    // A job reads by the other route what its user may read.
    let path = "/api/v4/projects/7/jobs/7000/artifacts";
    assert_eq!(world.gateway.get(path).job_token(BUILD).send().status, 200);
}

fn many_who_ask_at_once_fetch_once(world: World) {
    world.gitlab.state().stalls_after = Some(1000);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| get(&world, OLD, DEVELOPER));
        until(60_000, "the download has begun", || world.gitlab.count() > 0 && downloads_seen(&world) == 1);
        let others: Vec<_> = (0..10)
            .map(|number| {
                let path = if number % 2 == 0 { OLD.to_owned() } else { format!("{OLD}/a.txt") };
                let world = &world;
                scope.spawn(move || get(world, &path, DEVELOPER))
            })
            .collect();
        world.gitlab.state().stalls_after = None;
        assert!(first.join().unwrap().body == archive());
        for (number, other) in others.into_iter().enumerate() {
            let other = other.join().unwrap();
            assert!(other.status == 200 && (number % 2 == 1 || other.body == archive()));
        }
    });
    assert_eq!(downloads(&world), 1);
}

fn downloads_seen(world: &World) -> usize {
    world.gitlab.seen().iter().filter(|path| path.ends_with("/artifacts")).count()
}

fn keeping_deleting_and_expiry_concern_the_copy_alone(world: World) {
    assert_eq!(world.gateway.get(OLD).private_token(DEVELOPER).send().status, 200);
    // Its last byte is here before its copy is stored, for which this waits.
    let keep = world.gateway.post(&format!("{OLD}/keep")).private_token(DEVELOPER).send();
    assert_eq!(keep.status, 200, "{keep:?}");
    let delete = || world.gateway.request("DELETE", OLD).private_token(super::MAINTAINER).send().status;
    world.gitlab.calls();
    assert_eq!(delete(), 204);
    world.gateway.sweep();
    assert!(
        world.gitlab.asked().iter().all(|path| !path.ends_with("/artifacts")),
        "nothing is said of it there"
    );
    assert!(get(&world, OLD, DEVELOPER).body == archive(), "it is fetched again");
    assert_eq!(downloads(&world), 1);
    // The other jobs' copies, of no newest pipeline, end after a month.
    world.gitlab.state().pipelines.get_mut(&501).unwrap().status = "failed";
    world.gateway.write_catalog(|db| {
        use diesel::RunQueryDsl;
        Ok(diesel::sql_query("UPDATE pipelines SET status = 'failed'").execute(db).map(drop)?)
    });
    world.gateway.advance_clock(31 * 86_400);
    assert_eq!(world.gateway.sweep().expired, 1);
    assert!(get(&world, OLD, DEVELOPER).body == archive());
    assert_eq!(downloads(&world), 1);
}

fn the_oldest_copies_go_when_they_take_too_much_room(world: World) {
    let path = |id: i64| OLD.replace("5001", &id.to_string());
    for id in [5001, 5002, 5003] {
        assert_eq!(get(&world, &path(id), DEVELOPER).status, 200);
        world.gateway.advance_clock(1);
    }
    let keep = world.gateway.post(&format!("{}/keep", path(5001))).private_token(DEVELOPER).send();
    assert_eq!(keep.status, 200);
    let limit = archive().len() as u64 * 3 / 2;
    let evict = |limit: u64| {
        world.gateway.write_catalog(move |db| {
            artigate::catalog::copies::evict_batch(
                db,
                limit,
                100,
                artigate::domain::Timestamp::from_millis(0),
            )
        })
    };
    assert_eq!(evict(archive().len() as u64 * 2), 0, "they fit");
    assert_eq!(evict(limit), 1);
    world.gitlab.calls();
    for id in [5001, 5003] {
        assert_eq!(get(&world, &path(id), DEVELOPER).status, 200);
    }
    assert_eq!(downloads(&world), 0, "what somebody keeps stays, and the newest");
    assert_eq!(get(&world, &path(5002), DEVELOPER).status, 200);
    assert_eq!(downloads(&world), 1);
}

#[test]
fn a_sweep_keeps_as_many_bytes_of_copies_as_the_settings_say() {
    let world = with_archives(World::on_sqlite(|settings| {
        pulls(settings);
        settings.cache_bytes = archive().len() as u64 * 3 / 2;
    }));
    for id in ["5001", "5002", "5003"] {
        assert_eq!(get(&world, &OLD.replace("5001", id), DEVELOPER).status, 200);
        world.gateway.advance_clock(1);
    }
    assert_eq!(world.gateway.sweep().expired, 2);
}

#[test]
fn the_first_bytes_come_while_the_rest_is_on_its_way() {
    let world = with_archives(World::on_sqlite(pulls));
    world.gitlab.state().stalls_after = Some(150_000);
    let request = Request::new(world.gateway.address, "GET", OLD).private_token(DEVELOPER);
    let mut stream = request.connect();
    let mut early = vec![0; 50_000];
    stream.read_exact(&mut early).unwrap();
    assert!(early.starts_with(b"HTTP/1.1 200"), "the upstream still holds the rest back");
    world.gitlab.state().stalls_after = None;
    let end = early.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    let mut body = early.split_off(end);
    let mut rest = vec![0; archive().len() - body.len()];
    stream.read_exact(&mut rest).unwrap();
    body.extend(rest);
    assert!(body == archive());
}

#[test]
fn a_client_that_leaves_does_not_end_what_others_may_need() {
    let world = with_archives(World::on_sqlite(pulls));
    world.gitlab.state().stalls_after = Some(1000);
    let stream = Request::new(world.gateway.address, "GET", OLD).private_token(DEVELOPER).connect();
    until(60_000, "the download has begun", || downloads_seen(&world) == 1);
    drop(stream);
    world.gitlab.state().stalls_after = None;
    assert!(get(&world, OLD, DEVELOPER).body == archive());
    assert_eq!(downloads(&world), 1);
}

#[test]
fn an_archive_that_breaks_off_or_is_none_is_not_served() {
    let world = with_archives(World::on_sqlite(pulls));
    world.gitlab.state().breaks_off = true;
    let broken = get(&world, OLD, DEVELOPER);
    assert!(broken.status == 503 || !broken.complete, "{}", broken.status);
    assert_eq!(get(&world, &format!("{OLD}/a.txt"), DEVELOPER).status, 503);
    world.gitlab.state().breaks_off = false;
    let job = |archive: &[u8]| {
        world.gitlab.state().jobs.get_mut(&5001).unwrap().archive = Some(archive.to_vec());
        get(&world, OLD, DEVELOPER)
    };
    assert_eq!(job(b"<html>log in</html>").status, 503);
    let cut = archive();
    let answer = job(&cut[..cut.len() - 30]);
    assert!(answer.status == 503 || !answer.complete, "a zip without a directory");
    let answer = job(&archive());
    assert!(answer.status == 200 && answer.body == archive());
}

#[test]
fn what_is_larger_than_the_limit_is_left_where_it_is() {
    let world = with_archives(World::on_sqlite(|settings| {
        pulls(settings);
        settings.cache_bytes = 1000;
    }));
    let answer = get(&world, OLD, DEVELOPER);
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert!(answer.text().contains("larger than"), "{}", answer.text());
}

#[test]
fn a_redirect_is_followed_to_known_hosts_only_and_without_a_credential() {
    let bucket = crate::support::gitlab::StubGitLab::start();
    let host = bucket.url.trim_start_matches("http://").trim_end_matches("/base").to_owned();
    let known = host.clone();
    let world = with_archives(World::on_sqlite(move |settings| {
        pulls(settings);
        settings.pull_hosts = vec![known];
    }));
    // The bucket is another of them, with a public project.
    {
        let mut state = bucket.state();
        let mut open = world.gitlab.state().projects[&8].clone();
        open.allows = BTreeSet::new();
        state.projects.insert(8, open);
        let (ref_name, status, source) = ("old", "success", "push");
        state.pipelines.insert(801, StubPipeline { project: 8, ref_name, status, source, parent: None });
        let mut job = StubJob::of(801, "build", "success", None);
        job.archive = Some(archive());
        state.jobs.insert(8001, job);
    }
    let target = format!("{}/api/v4/projects/8/jobs/8001/artifacts", bucket.url);
    world.gitlab.state().bucket = Some(target.clone());
    assert!(get(&world, OLD, DEVELOPER).body == archive());
    let calls = bucket.calls();
    assert_eq!(calls.len(), 1);
    assert!(calls[0].credential.is_none() && calls[0].forwarded_for.is_none());
    world.gitlab.state().bucket = Some(target.replace("127.0.0.1", "localhost"));
    assert_eq!(get(&world, &OLD.replace("5001", "5002"), DEVELOPER).status, 503);
    assert_eq!(bucket.count(), 0);
}

#[test]
fn without_pulling_what_is_not_here_is_absent() {
    let world = with_archives(World::on_sqlite(|_| {}));
    assert_eq!(get(&world, OLD, DEVELOPER).status, 404);
    assert_eq!(world.gitlab.asked(), ["/projects/7/pipelines?per_page=1"]);
}

#[test]
fn the_archives_of_a_project_are_fetched_in_bulk_and_only_once() {
    let world = with_archives(World::on_sqlite(pulls));
    world.gitlab.state().jobs.insert(5004, StubJob::of(501, "none", "success", None));
    let fetch = || {
        let (app, gitlab) = (&world.gateway.app, &world.gitlab);
        let asker = Asker::with_token(Place::Bearer, &DEVELOPER.to_owned().into()).unwrap();
        let project = ProjectRef::Path("group/app".into());
        let since = Timestamp::parse("2026-01-02T12:00:00Z").unwrap();
        let fetching = async { app.pulls.fetch_all(&asker, &project, since, |_| {}).await };
        let Fetched { fetched, held, failed } = world.gateway.block_on(fetching).unwrap();
        (fetched, held, failed, gitlab.asked().len())
    };
    world.gitlab.state().jobs.get_mut(&5002).unwrap().archive_level = 40;
    let first = fetch();
    assert_eq!((first.0, first.1, first.2), (2, 0, 1), "one may not be read");
    world.gitlab.state().jobs.get_mut(&5002).unwrap().archive_level = 0;
    let second = fetch();
    assert_eq!((second.0, second.1, second.2), (1, 2, 0), "it goes on where it was");
    assert_eq!(fetch(), (0, 3, 0, 2), "what is here costs the list alone");
    assert!(get(&world, OLD, DEVELOPER).body == archive());
    assert_eq!(get(&world, OLD, OUTSIDER).status, 404);
    assert_eq!(downloads(&world), 0);
}
