//! Runners that ask for a job through the gateway: passed on as they come, and told of the archives that are here.

use artigate::settings::PullMode;

use super::{BUILD, DEVELOPER, OPEN, TEST, World, in_front_on_both};
use crate::support::gateway::Gateway;
use crate::support::gitlab::StubJob;
use crate::support::http_client::{Answer, Request, read_answer};
use crate::support::{until, zips};

in_front_on_both!(
    dependencies_whose_archives_are_here_are_filled_in,
    an_archive_that_has_expired_or_is_a_copy_is_not_told,
);

const ASK: &str = "/api/v4/jobs/request";
const QUESTION: &str = r#"{"info":{"name":"gitlab-runner"},"token":"glrt-up-runner","last_update":"x"}"#;
const JSON: (&str, &str) = ("Content-Type", "application/json");

/// The question as a runner puts it.
fn question(world: &World) -> Request {
    let request = world.gateway.post(ASK).header("Content-Type", "application/json");
    let request = request.header("Accept", "application/json").header("Accept-Encoding", "gzip");
    let request = request.header("User-Agent", "gitlab-runner 19.4.0 (19-4-stable; go1.26.5; linux/amd64)");
    request.header("Runner-Token", "glrt-up-runner").header("X-Request-Id", "abc").body(QUESTION.into())
}

fn ask(world: &World) -> Answer {
    question(world).send()
}

fn answer(world: &World, status: u16, headers: &[(&str, &str)], body: &str) {
    world.gitlab.state().polls.answer(status, headers, body.as_bytes());
}

/// A job of a project, with these dependencies.
fn job(project: i64, dependencies: &str) -> String {
    format!(
        "{{ \"id\": 7003,\"token\":\"glcbt-64_x\", \"job_info\":{{\"project_id\":{project},\"name\":\"a\\u0062\"}},\
         \"big\": 123456789012345678901234567890.10, \"twice\": 1, \"twice\": 2,\n\
         \"dependencies\" : [ {dependencies} ],\"features\":{{}} }}\n"
    )
}

fn dependencies_whose_archives_are_here_are_filled_in(world: World) {
    let world = world.with_archive("private");
    assert_eq!(world.upload(8001, OPEN, "", "x").status, 201);
    let size = zips::deflated(&[("a.txt", b"text")]).len();
    let archive = format!("{{\"filename\":\"artifacts.zip\",\"size\":{size}}}");
    let all = "{\"id\":7001,\"token\":\"t\"}, {\"id\":7001,\"artifacts_file\" : null}, \
               {\"id\":7001,\"artifacts_file\":{\"filename\":\"own.zip\"}}, {\"id\":7002,\"artifacts_file\":null}, \
               {\"id\":8001}, {\"id\":7999}";
    let filled = all.replacen("\"t\"}", &format!("\"t\",\"artifacts_file\":{archive}}}"), 1).replacen(
        " : null}",
        &format!(" : {archive}}}"),
        1,
    );
    let headers = [
        ("Content-Type", "application/json; charset=utf-8"),
        ("ETag", "W/\"1\""),
        ("X-GitLab-Last-Update", "y"),
        ("X-Request-Id", "gitlabs"),
    ];
    answer(&world, 201, &headers, &job(7, all));
    let got = ask(&world);
    assert_eq!((got.status, got.text(), got.complete), (201, job(7, &filled).as_str(), true));
    assert_eq!(got.header("content-length"), Some(job(7, &filled).len().to_string().as_str()));
    assert_eq!(got.header("etag"), None, "it is that of other bytes");
    assert_eq!(
        (got.header("x-gitlab-last-update"), got.header("x-request-id")),
        (Some("y"), Some("gitlabs"))
    );
    // A runner fetches what it is told of.
    let fetched = world.gateway.get("/api/v4/jobs/7001/artifacts").job_token(TEST).send();
    assert_eq!((fetched.status, fetched.body.len()), (200, size));
    // Only jobs of the job's own project are told of.
    let other = all.replacen(
        "\"id\":8001}",
        &format!("\"id\":8001,\"artifacts_file\":{}}}", {
            let size = zips::deflated(&[("a.txt", b"x")]).len();
            format!("{{\"filename\":\"artifacts.zip\",\"size\":{size}}}")
        }),
        1,
    );
    for (project, expected) in [(8, other.as_str()), (9, all), (99, all)] {
        answer(&world, 201, &headers, &job(project, all));
        let got = ask(&world);
        assert_eq!((got.status, got.text()), (201, job(project, expected).as_str()));
        assert_eq!(got.header("etag").is_some(), expected == all);
    }
    // And in no other answer.
    for status in [200, 202, 409] {
        answer(&world, status, &headers, &job(7, all));
        assert_eq!(ask(&world).text(), job(7, all));
    }
}

fn an_archive_that_has_expired_or_is_a_copy_is_not_told(world: World) {
    let told = |world: &World, id: i64| {
        let text = job(7, &format!("{{\"id\":{id}}}"));
        answer(world, 201, &[JSON], &text);
        let got = ask(world);
        assert_eq!(got.status, 201);
        got.text() != text
    };
    assert!(!told(&world, 7001), "there is none yet");
    assert_eq!(world.upload(7001, BUILD, "expire_in=1+hour", "text").status, 201);
    assert!(told(&world, 7001));
    world.gateway.advance_clock(3601);
    assert!(!told(&world, 7001));
    let pulling = World::on_sqlite(|settings| settings.pull = PullMode::Archives);
    let mut old = StubJob::of(701, "before", "success", Some(30));
    old.archive = Some(zips::deflated(&[("a.txt", b"old")]));
    pulling.gitlab.state().jobs.insert(7000, old);
    assert_eq!(pulling.status("/api/v4/projects/7/jobs/7000/artifacts", DEVELOPER), 200);
    assert!(!told(&pulling, 7000), "it is there as long as it is at the upstream");
}

#[test]
fn question_and_answer_are_passed_on_as_they_come() {
    let world = World::on_sqlite(|_| {});
    let zipped = [0x1f, 0x8b, 8, 0, 255, 0];
    type Answer<'a> = (u16, &'a [(&'a str, &'a str)], &'a [u8]);
    let cases: [Answer<'_>; 8] = [
        (204, &[("X-GitLab-Last-Update", "z"), ("Cache-Control", "no-cache")], b""),
        (403, &[JSON, ("Vary", "Origin")], br#"{"message":"403 Forbidden"}"#),
        (409, &[JSON], br#"{"message":"409 Conflict"}"#),
        (429, &[("Content-Type", "text/plain"), ("Retry-After", "7")], b"Retry later\n"),
        (500, &[("Content-Type", "text/html"), ("Set-Cookie", "a=b"), ("Set-Cookie", "c=d")], b"<html>"),
        (201, &[JSON], b"{\"dependencies\":[{\"id\":7001}],\"job_info\":{\"project_id\":7}"),
        (201, &[JSON, ("Content-Encoding", "gzip")], &zipped),
        (201, &[JSON, ("Keep-Alive", "timeout=5"), ("Connection", "X-Hop"), ("X-Hop", "1")], b"{}"),
    ];
    for (status, headers, body) in cases {
        world.gitlab.state().polls.answer(status, headers, body);
        let got = ask(&world);
        assert_eq!((got.status, &got.body[..]), (status, body));
        let of_connection = ["date", "content-length", "connection", "keep-alive", "x-hop"];
        let mut expected: Vec<_> =
            headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), (*value).to_owned())).collect();
        expected.retain(|(name, _)| !of_connection.contains(&name.as_str()));
        let mut came = got.headers;
        assert!(!came.iter().any(|(name, _)| matches!(name.as_str(), "keep-alive" | "x-hop")));
        came.retain(|(name, _)| !of_connection.contains(&name.as_str()));
        expected.sort();
        came.sort();
        assert_eq!(came, expected);
    }
    let seen = std::mem::take(&mut world.gitlab.state().polls.seen);
    assert_eq!(seen.len(), cases.len());
    let host = world.gitlab.authority();
    for poll in seen {
        assert_eq!(
            (poll.first.as_str(), &poll.body[..]),
            ("POST /base/api/v4/jobs/request HTTP/1.1", QUESTION.as_bytes())
        );
        let mut headers = poll.headers;
        headers.sort();
        let length = QUESTION.len().to_string();
        let expected = [
            ("accept", "application/json"),
            ("accept-encoding", "identity"),
            ("content-length", length.as_str()),
            ("content-type", "application/json"),
            ("host", host),
            ("runner-token", "glrt-up-runner"),
            ("user-agent", "gitlab-runner 19.4.0 (19-4-stable; go1.26.5; linux/amd64)"),
            ("via", "1.1 artigate"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-request-id", "abc"),
        ];
        assert_eq!(headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    world.gateway.post(&format!("{ASK}?a=b%20c&d")).chunked(QUESTION.as_bytes(), 7).send();
    let seen = world.gitlab.state().polls.seen.remove(0);
    assert_eq!(seen.first, "POST /base/api/v4/jobs/request?a=b%20c&d HTTP/1.1");
    assert_eq!(seen.body, QUESTION.as_bytes());
}

#[test]
fn runners_that_wait_take_no_turns_of_others() {
    let world = World::on_sqlite(|settings| settings.concurrency = 1);
    world.gitlab.state().polls.held = true;
    answer(&world, 204, &[], "");
    let waiting: Vec<_> = (0..40).map(|_| question(&world).connect()).collect();
    until(60_000, "all of them wait", || world.gitlab.state().polls.waiting == 40);
    let world = world.with_archive("public");
    assert_eq!(world.status(super::APP, DEVELOPER), 200);
    world.gitlab.state().polls.held = false;
    for stream in waiting {
        assert_eq!(read_answer(stream, false).unwrap().status, 204);
    }
}

#[test]
fn the_call_ends_with_the_runner_that_leaves() {
    let world = World::on_sqlite(|_| {});
    world.gitlab.state().polls.held = true;
    let stream = question(&world).connect();
    until(60_000, "it waits", || world.gitlab.state().polls.waiting == 1);
    drop(stream);
    until(60_000, "its call has ended", || world.gitlab.state().polls.left == 1);
}

#[test]
fn a_question_that_is_not_answered_in_time_is_503_and_harms_nothing_else() {
    let world = World::on_sqlite(|settings| settings.poll_timeout = std::time::Duration::from_millis(50));
    world.gitlab.state().polls.held = true;
    for _ in 0..6 {
        let got = ask(&world);
        assert_eq!((got.status, got.header("retry-after")), (503, Some("5")));
    }
    until(60_000, "the calls have ended", || world.gitlab.state().polls.left == 6);
    world.with_archive("public");
}

#[test]
fn without_an_answer_a_runner_is_told_to_come_back() {
    let world = World::on_sqlite(|_| {});
    for _ in 0..5 {
        let got = ask(&world);
        assert_eq!((got.status, got.header("retry-after")), (503, Some("5")), "{got:?}");
    }
    assert_eq!(world.gitlab.state().polls.seen.len(), 5);
    answer(&world, 204, &[], "");
    assert_eq!((ask(&world).status, world.gitlab.state().polls.seen.len()), (503, 5), "it is left alone");
    world.gateway.advance_clock(5);
    assert_eq!(ask(&world).status, 204);
    // Errors of the upstream's own concern nobody else.
    for _ in 0..6 {
        answer(&world, 502, &[("Content-Type", "text/html")], "<html>");
        assert_eq!(ask(&world).status, 502);
    }
    let world = world.with_archive("public");
    let nowhere = World::on_sqlite(|settings| settings.url = "http://127.0.0.1:1".into());
    assert_eq!(ask(&nowhere).status, 503);
    drop(world);
}

#[test]
fn sizes_are_bounded_both_ways() {
    let world = World::on_sqlite(|_| {});
    let large = vec![b'x'; (256 << 10) + 1];
    assert_eq!(world.gateway.post(ASK).body(large.clone()).send().status, 413);
    assert_eq!(world.gateway.post(ASK).chunked(&large, 4096).send().status, 413);
    assert!(world.gitlab.state().polls.seen.is_empty());
    answer(&world, 201, &[JSON], &format!("\"{}\"", "x".repeat(16 << 20)));
    assert_eq!(ask(&world).status, 503);
    answer(&world, 201, &[JSON], &format!("\"{}\"", "x".repeat((16 << 20) - 2)));
    let got = ask(&world);
    assert_eq!((got.status, got.body.len(), got.complete), (201, 16 << 20, true));
}

#[test]
fn without_an_upstream_or_by_another_method_there_is_no_such_route() {
    let alone = Gateway::on_sqlite();
    let unknown = alone.post("/api/v4/jobs/other").body(QUESTION.into()).send();
    let got = alone.post(ASK).body(QUESTION.into()).send();
    assert_eq!((got.status, got.body), (404, unknown.body));
    let world = World::on_sqlite(|_| {});
    for method in ["GET", "PUT", "DELETE"] {
        assert_eq!(world.gateway.request(method, ASK).send().status, 404, "{method}");
    }
    assert_eq!(world.gateway.post(&format!("{ASK}/x")).send().status, 404);
}

#[test]
fn what_a_proxy_sends_back_goes_round_once() {
    let world = World::on_sqlite(|_| {});
    for (method, path) in [("POST", ASK), ("GET", super::APP)] {
        let got = world.gateway.request(method, path).header("Via", "1.0 a, 1.1 artigate").send();
        assert_eq!(got.status, 508, "{path}");
        assert!(got.text().contains("own requests back"), "{got:?}");
    }
    assert!(world.gitlab.asked().is_empty() && world.gitlab.state().polls.seen.is_empty());
    let alone = Gateway::on_sqlite();
    assert_eq!(alone.get(super::APP).header("Via", "1.1 artigate").send().status, 404);
}

#[test]
fn what_a_runner_is_answered_does_not_show_that_questions_are_answered_again() {
    let world = World::on_sqlite(|_| {}).with_archive("public");
    answer(&world, 204, &[], "");
    world.gitlab.state().polls.held = true;
    std::thread::scope(|scope| {
        let runner = scope.spawn(|| ask(&world));
        until(60_000, "the runner waits", || world.gitlab.state().polls.waiting == 1);
        world.gitlab.state().failure = Some(crate::support::gitlab::Failure::Status(500));
        for _ in 0..5 {
            assert_eq!(world.status(super::APP, DEVELOPER), 503);
        }
        world.gitlab.state().polls.held = false;
        assert_eq!(runner.join().unwrap().status, 204);
    });
    world.gitlab.calls();
    assert_eq!(world.status(super::APP, DEVELOPER), 503);
    assert_eq!(world.gitlab.asked(), [""; 0], "it is left alone for five seconds all the same");
    world.gitlab.state().failure = None;
    world.gateway.advance_clock(5);
    assert_eq!(world.status(super::APP, DEVELOPER), 200);
}
