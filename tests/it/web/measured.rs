//! Pages in the metrics: by the templates of their addresses, however many addresses are opened.

use std::collections::BTreeSet;

use super::{ACCEPT, open, submit};
use crate::metrics::{ask, is_of_a_path, samples, value, with_metrics};
use crate::support::fixtures::{self, ADMIN, MAINTAINER};
use crate::support::gateway::Gateway;
use crate::support::{until, zips};

fn gateway() -> Gateway {
    let gateway = Gateway::on_sqlite_with(with_metrics);
    fixtures::small(&gateway, &zips::deflated(&[("d/a.txt", b"hello")]));
    gateway
}

#[test]
fn pages_count_under_the_templates_of_their_addresses() {
    let gateway = gateway();
    let of_job = "/group/project/-/jobs/10/artifacts";
    for (path, template, code) in [
        ("/", "/", 200),
        ("/group", "/:name", 200),
        ("/group/project", "/:name", 200),
        ("/nobody", "/:name", 302),
        ("/groups/group", "/groups/:name", 302),
        ("/group/project/-/pipelines", "/:project/-/pipelines", 200),
        ("/group/project/-/pipelines/100", "/:project/-/pipelines/:id", 200),
        ("/group/project/-/jobs/10", "/:project/-/jobs/:id", 200),
        ("/group/project/-/jobs/99", "/:project/-/jobs/:id", 404),
        (&format!("{of_job}/browse/d/"), "/:project/-/jobs/:id/artifacts/browse/*path", 200),
        (&format!("{of_job}/view/d/a.txt"), "/:project/-/jobs/:id/artifacts/view/*path", 200),
        (&format!("{of_job}/delete"), "/:project/-/jobs/:id/artifacts/delete", 200),
        ("/group/project/-/artifacts", "/:project/-/artifacts", 200),
        ("/group/project/-/jobs/artifacts/main/browse/?job=build", "/:project/-/jobs/artifacts/*ref", 302),
        ("/group/project/-/artifacts?file=a", "/:project/-/artifacts", 200),
        ("/group/project/-/branches", "/:project/-/branches", 200),
        ("/group/project/-/tags", "/:project/-/tags", 200),
        ("/-/operate", "/-/operate", 302),
        ("/group/project/-/tree/main", "/:project/-/tree/*ref", 302),
        ("/group/project/badges/main/pipeline.svg", "/:project/badges/*ref", 200),
    ] {
        let of = |method: &str| {
            format!(
                "artigate_http_requests_total{{route=\"{template}\",method=\"{method}\",code=\"{code}\"}}"
            )
        };
        let before = value(&gateway, &of("GET"));
        assert_eq!(open(&gateway, "", path).status, code, "{path}");
        assert_eq!(value(&gateway, &of("GET")) - before, 1.0, "{path}");
    }
    assert_eq!(submit(&gateway, ADMIN, &format!("{of_job}/keep")).status, 303);
    let keep = "/:project/-/jobs/:id/artifacts/keep";
    assert_eq!(submit(&gateway, MAINTAINER, "/-/operate/sweep").status, 404);
    let kept = format!("artigate_http_requests_total{{route=\"{keep}\",method=\"POST\",code=\"303\"}}");
    assert_eq!(value(&gateway, &kept), 1.0);
}

#[test]
fn the_bytes_of_pages_are_counted_apart_from_those_of_apis() {
    let gateway = gateway();
    let sent = "artigate_sent_bytes_total{kind=\"page\"}";
    let before = value(&gateway, sent);
    let page = open(&gateway, "", "/group/project");
    until(10_000, "it is counted", || value(&gateway, sent) - before == page.body.len() as f64);
    until(10_000, "none is in progress", || {
        value(&gateway, "artigate_http_requests_in_flight{kind=\"page\"}") == 0.0
    });
    // A download from a page's address is one of the bytes of an archive, as it is elsewhere.
    let entry = "artigate_sent_bytes_total{kind=\"entry\"}";
    assert_eq!(open(&gateway, "", "/group/project/-/jobs/10/artifacts/raw/d/a.txt").text(), "hello");
    until(10_000, "the file is counted", || value(&gateway, entry) == 5.0);
}

#[test]
fn addresses_that_a_scanner_opens_as_a_browser_make_no_series_of_their_own() {
    let gateway = gateway();
    let headers = format!("Accept: {ACCEPT}\r\nSec-Fetch-Mode: navigate\r\n");
    let mut stream = std::net::TcpStream::connect(gateway.address).unwrap();
    let ends = [
        "",
        "/-/pipelines",
        "/-/pipelines/123456",
        "/-/jobs/123456",
        "/-/jobs/123456/artifacts/browse/123456",
        "/-/jobs/123456/artifacts/view/123456",
        "/-/artifacts",
        "/badges/123456/pipeline.svg",
        "/-/jobs/artifacts/123456/browse/x?job=x",
        "/-/nothing/123456",
    ];
    for number in 0..1_000 {
        let path = format!("/group-{number}/project{}", ends[number % ends.len()]);
        stream = ask(stream, &gateway, (["GET", "HEAD", "POST"][number % 3], &path, &headers));
    }
    let series: BTreeSet<String> = samples(&gateway).into_keys().collect();
    let of_a_path = series
        .iter()
        .find(|series| series.contains("group-") || series.split('{').nth(1).is_some_and(is_of_a_path));
    assert_eq!(of_a_path, None);
    assert!(series.len() < 2_000, "{}", series.len());
}
