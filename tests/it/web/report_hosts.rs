//! Hosts of reports: what they answer, and what the host of the pages does then.

use artigate::settings::Settings;

use super::report::{REPORT, archive, lead};
use super::{ACCEPT, html, open};
use crate::support::fixtures;
use crate::support::gateway::Gateway;
use crate::support::http_client::Answer;

const PAGES: &str = "https://ci.example.com";

fn set(settings: &mut Settings, key: &str, value: &str) {
    let variables = [(key, value), ("ARTIGATE_SERVER__EXTERNAL_URL", PAGES)];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let read = Settings::load(Some(std::path::Path::new("/dev/null")), variables).unwrap();
    settings.reports_url = read.reports_url;
    settings.external_url = read.external_url;
}

fn with(reports_url: &str) -> Gateway {
    let gateway = Gateway::on_sqlite_with(|settings| {
        set(settings, "ARTIGATE_SERVER__REPORTS_URL", reports_url);
        settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    });
    fixtures::small(&gateway, &archive());
    gateway
}

/// Opens an address as a browser does that asks `host` for it.
fn at(gateway: &Gateway, host: &str, path: &str) -> Answer {
    let request = gateway.get(path).at_host(host).header("Accept", ACCEPT);
    request.header("Sec-Fetch-Mode", "navigate").header("Sec-Fetch-Dest", "document").send()
}

/// Opens the report of a job; returns the host to which that leads, and the path there.
fn place(gateway: &Gateway, path: &str) -> (String, String) {
    let lead = open(gateway, "", path);
    assert_eq!(lead.status, 303, "nobody has to be told: {}", lead.text());
    let lead = lead.header("location").unwrap();
    let (host, path) = lead.strip_prefix("https://").unwrap().split_once('/').unwrap();
    (host.to_owned(), format!("/{path}"))
}

#[test]
fn reports_are_shown_on_their_host_without_a_sandbox() {
    let gateway = with("https://reports.example.net");
    let (host, path) = place(&gateway, &format!("{REPORT}index.html"));
    assert_eq!(host, "reports.example.net");
    let page = at(&gateway, &host, &path);
    assert_eq!(page.status, 200, "{}", page.text());
    assert_eq!(page.body, super::report::PAGE, "without the shim");
    let folder = format!("https://{host}{}", super::report::folder(&path));
    let policy = page.header("content-security-policy").unwrap();
    assert!(!policy.contains("sandbox") && policy.contains("; frame-ancestors 'self'"), "{policy}");
    assert!(
        policy.contains(&format!("default-src {folder} "))
            && policy.contains(&format!("worker-src {folder} ")),
        "{policy}"
    );
    assert!(!policy.contains("ci.example.com"), "{policy}");
    for (name, value) in [
        ("cross-origin-resource-policy", Some("same-origin")),
        ("access-control-allow-origin", None),
        ("origin-agent-cluster", None),
        ("accept-ranges", Some("bytes")),
        ("set-cookie", None),
        ("service-worker-allowed", None),
    ] {
        assert_eq!(page.header(name), value, "{name}");
    }
    let worker = gateway.get(&path).at_host(&host).header("Service-Worker", "script").send();
    assert_eq!(worker.status, 200, "it has an origin of its own");
}

#[test]
fn the_host_of_reports_answers_nothing_else() {
    let gateway = with("https://reports.example.net");
    let (host, path) = place(&gateway, &format!("{REPORT}index.html"));
    for other in [
        "/",
        "/group/project",
        "/group/project/-/jobs/10",
        REPORT,
        "/api/v4/version",
        "/-/liveness",
        "/-/blobs/x",
        "/v2/access-token",
        "/-/sign_in",
        "/-/metrics",
        "/twirp/x",
    ] {
        for spelled in ["reports.example.net", "REPORTS.example.net:443"] {
            let answer = at(&gateway, spelled, other);
            assert_eq!((answer.status, answer.header("set-cookie")), (404, None), "{spelled} {other}");
            assert!(answer.body.len() < 1000 && !answer.text().contains("href"), "{}", answer.text());
        }
        let posted = gateway
            .request("POST", other)
            .at_host(&host)
            .private_token(fixtures::ADMIN)
            .body(b"{}".to_vec())
            .send();
        assert!(matches!(posted.status, 404 | 405), "{other}: {}", posted.status);
    }
    assert_eq!(at(&gateway, "reports.example.net", &path).status, 200);
    let style = html(&at(&gateway, "ci.example.com", "/group/project"))
        .split("stylesheet\" href=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(at(&gateway, "reports.example.net", &style).status, 200, "assets");
}

#[test]
fn the_host_of_the_pages_shows_no_report() {
    let gateway = with("https://reports.example.net");
    let (host, path) = place(&gateway, &format!("{REPORT}index.html"));
    for pages in ["ci.example.com", "127.0.0.1", "anything"] {
        let lead = at(&gateway, pages, &format!("{path}?x=y"));
        assert_eq!(
            (lead.status, lead.header("location")),
            (302, Some(&*format!("https://{host}{path}?x=y"))),
            "{pages}"
        );
        assert_eq!(lead.body.len(), 0);
        let bent = at(&gateway, pages, &path.replace("/-/r/", "/-/r/A"));
        assert_eq!((bent.status, bent.header("location")), (403, None), "{pages}");
    }
    // A proxy that is trusted says which host was asked.
    let behind = gateway.get(&path).at_host("127.0.0.1").header("X-Forwarded-Host", &host).send();
    assert_eq!(behind.status, 200);
    let hidden =
        gateway.get("/group/project").at_host("ci.example.com").header("X-Forwarded-Host", &host).send();
    assert_eq!(hidden.status, 404);
}

#[test]
fn a_report_that_has_ended_leads_back_to_the_pages() {
    let gateway = with("https://reports.example.net");
    let (host, path) = place(&gateway, &format!("{REPORT}index.html"));
    gateway.advance_clock(8 * 3600);
    let page = at(&gateway, &host, &path);
    assert_eq!((page.status, page.header("location")), (302, Some(&*format!("{PAGES}{REPORT}index.html"))));
}

#[test]
fn each_report_has_an_origin_of_its_own() {
    let gateway = with("https://*.reports.example.net");
    gateway.write_file("other.zip", &archive());
    gateway.load(
        "projects: [{id: 2, path: group/other, visibility: public, pipelines: [{id: 300, ref: main, sha: a, \
         status: success, jobs: [{id: 30, name: build, status: success, artifacts: [{file: other.zip}]}]}]}]",
    );
    let (one, path) = place(&gateway, &format!("{REPORT}index.html"));
    let (other, other_path) = place(&gateway, "/group/other/-/jobs/30/artifacts/report/index.html");
    let label = one.strip_suffix(".reports.example.net").unwrap();
    assert!(
        label.len() == 32 && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
        "{label}"
    );
    assert_ne!(one, other);
    let page = at(&gateway, &one, &path);
    assert_eq!((page.status, page.header("origin-agent-cluster")), (200, Some("?1")));
    for wrong in [other.as_str(), "reports.example.net", "x.reports.example.net", &format!("a.{one}")] {
        let answer = at(&gateway, wrong, &path);
        assert_eq!((answer.status, answer.header("location")), (403, None), "{wrong}");
    }
    assert_eq!(at(&gateway, &other, &other_path).status, 200);
    assert_eq!(
        at(&gateway, "ci.example.com", &path).header("location"),
        Some(&*format!("https://{one}{path}"))
    );
    let again = place(&gateway, &format!("{REPORT}d/"));
    assert_eq!(again.0, one, "the origin is that of the archive");
}

#[test]
fn without_scripts_a_report_is_in_a_sandbox_on_its_host_too() {
    let gateway = Gateway::on_sqlite_with(|settings| {
        set(settings, "ARTIGATE_SERVER__REPORTS_URL", "https://reports.example.net");
        settings.report_scripts = artigate::settings::ReportScripts::None;
    });
    fixtures::small(&gateway, &archive());
    let (host, path) = place(&gateway, &format!("{REPORT}index.html"));
    let policy = at(&gateway, &host, &path);
    let policy = policy.header("content-security-policy").unwrap();
    assert!(policy.starts_with("sandbox allow-forms") && policy.contains("script-src 'none'"), "{policy}");
}

#[test]
fn pages_below_a_path_have_reports_below_it() {
    let gateway =
        Gateway::on_sqlite_with(|settings| settings.external_url = Some("https://ci.example.com/art".into()));
    fixtures::small(&gateway, &archive());
    let lead = lead(&gateway, "", &format!("{REPORT}index.html"));
    let path = lead.strip_prefix("https://ci.example.com/art").unwrap_or_else(|| panic!("{lead}")).to_owned();
    let page = open(&gateway, "", &path);
    let folder = format!("https://ci.example.com/art{}", super::report::folder(&path));
    assert!(page.header("content-security-policy").unwrap().contains(&format!("default-src {folder} ")));
    assert!(
        page.text().contains("<script src=\"https://ci.example.com/art/-/assets/shim-"),
        "{}",
        page.text()
    );
}

#[test]
fn a_host_of_reports_must_not_be_that_of_the_pages() {
    for (reports, pages, why) in [
        ("https://reports.example.net", "", "it needs server.external_url"),
        ("https://ci.example.com:8443", PAGES, "it must name another host"),
        ("https://*.example.com", PAGES, "it must name another host"),
        ("https://reports.example.net/x", PAGES, "expected https://HOST"),
    ] {
        let variables = [("ARTIGATE_SERVER__REPORTS_URL", reports), ("ARTIGATE_SERVER__EXTERNAL_URL", pages)];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let error =
            Settings::load(Some(std::path::Path::new("/dev/null")), variables).unwrap_err().to_string();
        let expected = "server.reports_url (from environment variable ARTIGATE_SERVER__REPORTS_URL): ";
        assert!(error.starts_with(expected) && error.contains(why), "{error}");
    }
}

#[test]
fn the_sign_in_may_lead_to_a_report() {
    for (reports_url, source) in [
        ("https://reports.example.net", "https://reports.example.net"),
        ("https://*.reports.example.net", "https://*.reports.example.net"),
    ] {
        let gateway = with(reports_url);
        let form = at(&gateway, "ci.example.com", "/-/sign_in");
        let policy = form.header("content-security-policy").unwrap();
        assert!(policy.contains(&format!("form-action 'self' {source};")), "{policy}");
        let page = at(&gateway, "ci.example.com", "/");
        assert!(page.header("content-security-policy").unwrap().contains("form-action 'self';"));
    }
}
