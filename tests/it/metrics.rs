//! Metrics: the listener of their own, their names, and that they move.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::SocketAddr;

use crate::support::fixtures::{self, ARCHIVE, REPORTER, RUNNING, UPLOAD};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Form, Request};
use crate::support::tls::Pair;
use crate::support::{until, zips};

fn watched(gateway: &Gateway) -> SocketAddr {
    gateway.metrics.expect("metrics.listen is set")
}

pub fn with_metrics(settings: &mut artigate::settings::Settings) {
    settings.metrics_listen = Some("127.0.0.1:0".into());
}

fn scrape(gateway: &Gateway) -> Answer {
    Request::new(watched(gateway), "GET", "/metrics").send()
}

/// Samples by name and labels, as they are written.
pub fn samples(gateway: &Gateway) -> BTreeMap<String, f64> {
    let answer = scrape(gateway);
    let lines = answer.text().lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        })
        .collect()
}

/// The value of a series; 0 if there is none.
pub fn value(gateway: &Gateway, series: &str) -> f64 {
    samples(gateway).get(series).copied().unwrap_or_default()
}

#[test]
fn metrics_have_a_listener_of_their_own_and_the_main_one_has_none() {
    let gateway = Gateway::on_sqlite_with(with_metrics);
    let answer = scrape(&gateway);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
    let open = Request::new(watched(&gateway), "GET", "/metrics").header("Accept", accept).send();
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(open.header("content-type"), Some(media_type));
    assert!(open.text().ends_with("# EOF\n"));
    assert_eq!(Request::new(watched(&gateway), "GET", "/-/liveness").send().status, 200);
    for path in ["/", "/api/v4/projects", "/-/readiness", "/metrics/x"] {
        assert_eq!(Request::new(watched(&gateway), "GET", path).send().status, 404, "{path}");
    }
    for path in ["/metrics", "/-/metrics", "/api/v4/metrics"] {
        let refused = gateway.get(path).send();
        assert!(refused.status == 404 && !refused.text().contains("artigate_"), "{path}");
    }
    assert!(Gateway::on_sqlite().metrics.is_none(), "off by default");
}

#[test]
fn a_crowd_on_the_listener_of_the_metrics_is_bounded_and_its_places_come_back() {
    let gateway = Gateway::on_sqlite_with(with_metrics);
    let held: Vec<_> = (0..40).map(|_| std::net::TcpStream::connect(watched(&gateway)).unwrap()).collect();
    drop(held);
    let asks = || {
        let mut stream = std::net::TcpStream::connect(watched(&gateway)).unwrap();
        let asked = stream.write_all(b"GET /-/liveness HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let mut answer = String::new();
        asked.and_then(|()| stream.read_to_string(&mut answer)).is_ok() && answer.starts_with("HTTP/1.1 200 ")
    };
    until(10_000, "it answers", asks);
}

#[test]
fn counters_move_with_one_and_with_twenty_requests() {
    let gateway = Gateway::on_sqlite_with(with_metrics);
    let archive = zips::deflated(&[("a.txt", b"text of a file"), ("dir/b.txt", b"b")]);
    fixtures::small(&gateway, &archive);
    let file = format!("{ARCHIVE}/a.txt");
    let route = "/api/v4/projects/:id/jobs/:job_id/artifacts";
    let answered = |route: &str, code: u16| {
        format!("artigate_http_requests_total{{route=\"{route}\",method=\"GET\",code=\"{code}\"}}")
    };
    let measured =
        format!("artigate_http_request_duration_seconds_count{{route=\"{route}\",method=\"GET\"}}");
    for count in [1, 20] {
        let before = samples(&gateway);
        for _ in 0..count {
            assert_eq!(gateway.get(ARCHIVE).private_token(REPORTER).send().status, 200);
            assert_eq!(gateway.get(&file).send().status, 200);
            assert_eq!(gateway.get(&format!("{ARCHIVE}?path=dir")).send().status, 200);
            assert_eq!(gateway.get("/api/v4/projects").private_token("wrong").send().status, 401);
            assert_eq!(gateway.get("/no/such/thing").send().status, 404);
        }
        let moved = |series: &str| {
            let after = value(&gateway, series);
            after - before.get(series).copied().unwrap_or_default()
        };
        let size = archive.len() as f64;
        for (series, by) in [
            (answered(route, 200), 2.0),
            (answered(&format!("{route}/*artifact_path"), 200), 1.0),
            (answered("/api/v4/projects", 401), 1.0),
            (answered("unmatched", 404), 1.0),
            (measured.clone(), 2.0),
            ("artigate_auth_failures_total{reason=\"unknown\"}".into(), 1.0),
            ("artigate_store_requests_total{operation=\"open\",outcome=\"done\"}".into(), 3.0),
        ] {
            assert_eq!(moved(&series), by * f64::from(count), "{series}");
        }
        let sent = "artigate_sent_bytes_total{kind=\"archive\"}";
        until(10_000, "what was sent is counted", || moved(sent) == size * f64::from(count));
        let looked: f64 = ["hit", "miss"]
            .iter()
            .map(|result| moved(&format!("artigate_index_cache_requests_total{{result=\"{result}\"}}")))
            .sum();
        assert!(looked >= 2.0 * f64::from(count));
        assert!(moved("artigate_db_query_seconds_count{kind=\"read\"}") >= 3.0 * f64::from(count));
        assert!(moved("artigate_db_wait_seconds_count{kind=\"read\"}") >= 3.0 * f64::from(count));
    }
    let idle = "artigate_http_requests_in_flight{kind=\"download\"}";
    until(10_000, "none is in progress", || value(&gateway, idle) == 0.0);
}

#[test]
fn uploads_count_by_how_they_end() {
    let gateway = Gateway::on_sqlite_with(with_metrics);
    fixtures::small(&gateway, b"");
    let upload = |bytes: &[u8]| {
        let form = Form::default().file("artifacts.zip", bytes);
        gateway.post(UPLOAD).job_token(RUNNING).form(form).send().status
    };
    let outcome = |name: &str| value(&gateway, &format!("artigate_uploads_total{{outcome=\"{name}\"}}"));
    let archive = zips::deflated(&[("a", b"a")]);
    assert_eq!((upload(&archive), outcome("stored")), (201, 1.0));
    assert_eq!((upload(b"other"), outcome("refused")), (400, 1.0));
    let begun = Form::default().file("artifacts.zip", &[0; 1000]).unfinished();
    let broken = gateway.post(UPLOAD).job_token(RUNNING).form_type().header("Content-Length", "100000");
    let mut stream = broken.connect();
    stream.write_all(&begun[..900]).unwrap();
    until(10_000, "it has begun", || {
        value(&gateway, "artigate_http_requests_in_flight{kind=\"upload\"}") == 1.0
    });
    drop(stream);
    until(10_000, "it is broken", || outcome("broken") == 1.0);
    let received = value(&gateway, "artigate_received_bytes_total{kind=\"upload\"}");
    assert!(received > 900.0, "{received}");
    assert_eq!(value(&gateway, "artigate_upload_duration_seconds_count{outcome=\"stored\"}"), 1.0);
}

on_both_databases!(with with_metrics: totals_are_what_the_catalog_holds);

fn totals_are_what_the_catalog_holds(gateway: Gateway) {
    fixtures::small(&gateway, &[1; 1000]);
    let form = Form::default().file("artifacts.zip", &[2; 500]);
    let upload = format!("{UPLOAD}?expire_in=1+hour");
    assert_eq!(gateway.post(&upload).job_token(RUNNING).form(form).send().status, 201);
    let count = || {
        gateway.block_on(gateway.app.retention.count_storage()).unwrap();
        gateway.block_on(gateway.app.retention.show_totals()).unwrap()
    };
    let shown = |name: &str| value(&gateway, name);
    count();
    assert_eq!(shown("artigate_artifacts{file_type=\"archive\"}"), 2.0);
    assert_eq!(shown("artigate_stored_bytes{file_type=\"archive\"}"), 1500.0);
    assert_eq!(shown("artigate_expired_waiting"), 0.0);
    gateway.load("{projects: [{id: 1, path: group/project, max_storage: 1876}], groups: [{path: group, max_storage: 1875}]}");
    count();
    assert_eq!(shown("artigate_quotas_nearly_full"), 1.0);
    gateway.advance_clock(2 * 3600);
    count();
    assert_eq!((shown("artigate_expired_waiting"), shown("artigate_expired_waiting_bytes")), (1.0, 500.0));
    assert_eq!(shown("artigate_sweep_lag_seconds"), 3600.0);
    gateway.sweep();
    count();
    assert_eq!(shown("artigate_artifacts{file_type=\"archive\"}"), 1.0);
    assert_eq!((shown("artigate_expired_waiting"), shown("artigate_sweep_lag_seconds")), (0.0, 0.0));
    assert_eq!(shown("artigate_quotas_nearly_full"), 0.0);
    assert_eq!((shown("artigate_swept_total"), shown("artigate_swept_bytes_total")), (1.0, 500.0));
    let last = shown("artigate_sweep_last_success_timestamp_seconds");
    assert_eq!(last, (gateway.now().as_millis() / 1000) as f64);
}

#[test]
fn ten_thousand_paths_of_a_scanner_make_no_more_than_two_thousand_series() {
    let gateway = Gateway::on_sqlite_with(|settings| {
        with_metrics(settings);
        settings.failed_auth_per_minute = 0;
    });
    fixtures::small(&gateway, b"");
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"];
    let begins = [
        "/",
        "/api/v4/projects/",
        "/api/v4/jobs/",
        "/api/v4/projects/1/jobs/",
        "/api/v3/repos/",
        "/repos/",
        "/v2/organizations/",
        "/v3/jobs/",
        "/v3/",
        "/twirp/",
        "/-/blobs/",
        "/api/registry/v1/",
        "/group/project/-/",
    ];
    let ends =
        ["", "/artifacts", "/artifacts/tree", "/pipelines", "/builds/1", "/raw/a", "/jobs", "/../x", "/keep"];
    let mut number = 0_u64;
    let mut random = |count: usize| {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (number >> 33) as usize % count
    };
    let token = format!("PRIVATE-TOKEN: {REPORTER}\r\n");
    let mut stream = std::net::TcpStream::connect(gateway.address).unwrap();
    for _ in 0..10_000 {
        let path = format!("{}{}{}", begins[random(begins.len())], random(1 << 30), ends[random(ends.len())]);
        let method = methods[random(methods.len())];
        stream = ask(stream, &gateway, (method, &path, &token));
    }
    let series: BTreeSet<String> = samples(&gateway).into_keys().collect();
    assert!(series.len() < 2_000, "{}", series.len());
    let numbered = series.iter().find(|series| series.split('{').nth(1).is_some_and(is_of_a_path));
    assert_eq!(numbered, None);
}

/// Whether labels hold a number that a path had.
pub fn is_of_a_path(labels: &str) -> bool {
    let route = labels.split("route=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
    route.split('/').any(|segment| segment.len() > 2 && segment.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Sends a request on a connection and reads its answer; returns the connection, or a new one after its end.
pub fn ask(
    mut stream: std::net::TcpStream,
    gateway: &Gateway,
    (method, path, headers): (&str, &str, &str),
) -> std::net::TcpStream {
    let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut piece).unwrap();
        answer.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            assert!(count > 0, "{method} {path}: no answer");
            continue;
        };
        if count == 0 || head.contains("connection: close") {
            return std::net::TcpStream::connect(gateway.address).unwrap();
        }
        let length = head.split("content-length: ").nth(1).map_or("0", |rest| rest.lines().next().unwrap());
        let is_whole = if head.contains("transfer-encoding: chunked") {
            body.ends_with("0\r\n\r\n")
        } else {
            body.len() >= length.parse::<usize>().unwrap()
        };
        if method == "HEAD" || is_whole {
            return stream;
        }
    }
}

#[test]
fn the_dashboard_and_the_alerts_name_only_metrics_that_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::make(folder.path(), "one");
    let gateway = Gateway::on_sqlite_with(|settings| {
        with_metrics(settings);
        pair.set(settings);
    });
    fixtures::small(&gateway, b"");
    assert!(pair.get(gateway.address, "/api/v4/projects").unwrap().starts_with("HTTP/1.1 200 "));
    gateway.block_on(gateway.app.retention.show_totals()).unwrap();
    let known: BTreeSet<String> =
        samples(&gateway).into_keys().map(|series| series.split('{').next().unwrap().to_owned()).collect();
    let dashboard: serde_json::Value =
        serde_json::from_str(include_str!("../../deploy/grafana-dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let rows = panels.iter().filter(|panel| panel["type"] == "row").count();
    assert_eq!(rows, 8);
    let alerts = include_str!("../../deploy/alerts.yml");
    let page = include_str!("../../docs/monitoring.md");
    let mut named = names(alerts);
    for target in panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten() {
        named.extend(names(target["expr"].as_str().unwrap()));
    }
    assert!(named.len() > 25, "{named:?}");
    for name in named.iter().cloned().chain(names(page)) {
        // A histogram is documented by the name of its family.
        let is_known = known.contains(&name) || known.contains(&format!("{name}_bucket"));
        assert!(is_known, "{name} is none of {known:#?}");
    }
    for name in &known {
        let family =
            ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        assert!(page.contains(&format!("`{family}`")), "docs/monitoring.md does not have {family}");
    }
}

/// Names of metrics in a text.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_name = |word: &&str| word.starts_with("artigate_") || word.starts_with("process_");
    words.filter(is_name).map(str::to_owned).collect()
}

#[test]
fn a_trace_context_gets_into_the_log_and_a_hostile_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let serving = crate::program::Serving::plain(folder.path());
    let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    for (path, value) in [
        ("/good", format!("00-{trace}-{parent}-01")),
        ("/bad", format!("00-{trace}-{parent}-01-\u{7f}forged")),
    ] {
        let asked =
            Request::new(serving.address(), "GET", path).header("traceparent", &value.replace('\u{7f}', ""));
        assert_eq!(asked.send().status, 404);
    }
    let line = |path: &str| {
        let log = serving.log.lock().unwrap();
        log.iter().find(|line| line.contains(&format!("GET {path} 404"))).cloned()
    };
    until(10_000, "both are logged", || line("/good").is_some() && line("/bad").is_some());
    let (good, bad) = (line("/good").unwrap(), line("/bad").unwrap());
    assert!(good.contains(trace) && good.contains(parent), "{good}");
    assert!(!bad.contains(trace) && !bad.contains("forged"), "{bad}");
    assert_eq!(serving.stop(), Some(0));
}
