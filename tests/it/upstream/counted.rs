//! What a node tells of the GitLab behind it among its metrics.

use std::collections::BTreeMap;

use artigate::settings::{PullMode, Settings};

use super::{APP, DEVELOPER, OUTSIDER, World, small, upstream};
use crate::support::gateway::Gateway;
use crate::support::gitlab::{Failure, StubJob};
use crate::support::http_client::Request;
use crate::support::until;
use crate::support::zips;

fn samples(gateway: &Gateway) -> BTreeMap<String, f64> {
    let answer = Request::new(gateway.metrics.unwrap(), "GET", "/metrics").send();
    let of_upstream = answer.text().lines().filter(|line| line.starts_with("artigate_upstream_"));
    let sample = |line: &str| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        (series.trim_start_matches("artigate_upstream_").to_owned(), value.parse().unwrap())
    };
    of_upstream.map(sample).collect()
}

fn with_metrics(settings: &mut Settings) {
    settings.metrics_listen = Some("127.0.0.1:0".into());
}

#[test]
fn questions_calls_pulls_and_whether_it_is_left_alone_are_metrics() {
    let gitlab = small();
    let mut settings_of = upstream(&gitlab.url);
    settings_of.pull = PullMode::Archives;
    let gateway = Gateway::on_sqlite_with(|settings| {
        with_metrics(settings);
        settings.upstreams = vec![settings_of];
    });
    let world = World { gateway, gitlab }.with_archive("public");
    let archive = zips::deflated(&[("a.txt", b"old")]);
    {
        let mut state = world.gitlab.state();
        let mut job = StubJob::of(701, "before", "success", Some(30));
        job.archive = Some(archive.clone());
        state.jobs.insert(7000, job);
    }
    let before = samples(&world.gateway);
    let moved = |name: &str| {
        let after = samples(&world.gateway);
        after.get(name).unwrap_or_else(|| panic!("{name} is none of {after:?}")) - before[name]
    };
    assert_eq!((world.status(APP, DEVELOPER), world.status(APP, OUTSIDER)), (200, 404));
    assert_eq!(world.status(APP, DEVELOPER), 200);
    let questions = |outcome: &str| moved(&format!("questions_total{{outcome=\"{outcome}\"}}"));
    assert_eq!(["granted", "refused", "failed"].map(questions), [1.0, 1.0, 0.0]);
    assert!(questions("remembered") >= 1.0);
    assert_eq!(moved("calls_total"), 2.0);
    assert_eq!(world.status(&APP.replace("7001", "7000"), DEVELOPER), 200);
    until(60_000, "the copy is stored", || moved("pulls_total{outcome=\"stored\"}") == 1.0);
    assert_eq!(moved("pulled_bytes_total"), archive.len() as f64);
    world.gitlab.state().failure = Some(Failure::Hangup);
    world.forget();
    for _ in 0..5 {
        assert_eq!(world.status(APP, DEVELOPER), 503);
    }
    assert_eq!((questions("failed"), moved("left_alone")), (5.0, 1.0));
    world.gateway.advance_clock(5);
    assert_eq!(moved("left_alone"), 0.0);
    assert!(
        samples(&Gateway::on_sqlite_with(with_metrics)).is_empty(),
        "without one there is nothing to tell"
    );
}
