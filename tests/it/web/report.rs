//! Reports as browsers ask for them: what they consist of, how it is sent, and what may be done with it.

use super::{html, is_page, link, links, navigation, open, submit};
use crate::support::fixture::Fixture;
use crate::support::fixtures;
use crate::support::gateway::Gateway;
use crate::support::http_client::Answer;
use crate::support::zips;

/// Where the report of job 10 is among the pages.
pub const REPORT: &str = "/group/project/-/jobs/10/artifacts/report/";

pub const PAGE: &[u8] =
    b"<!DOCTYPE html>\n<html lang=\"en\"><head><title>x</title></head><body>report</body></html>\n";
const STYLE: &[u8] = b"body { color: red }\nbody { color: red }\nbody { color: red }\n";

pub fn archive() -> Vec<u8> {
    zips::deflated(&[
        ("index.html", PAGE),
        ("style.css", STYLE),
        ("d/index.html", b"<p>below</p>"),
        ("d/data.json", b"{}"),
        ("d/a b#c.html", b"<p>odd</p>"),
        ("film.mp4", &zips::noise(200_000)),
        ("e/only.txt", b"text"),
    ])
}

pub fn with(archive: &[u8]) -> Gateway {
    let gateway = Gateway::on_sqlite();
    fixtures::small(&gateway, archive);
    gateway
}

/// Opens a report like somebody who was told who wrote it; returns where that leads.
pub fn lead(gateway: &Gateway, token: &str, path: &str) -> String {
    let told = submit(gateway, token, path);
    assert_eq!(told.status, 303, "{}", told.text());
    let cookie = told.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let request = navigation(gateway, "GET", path).header("Cookie", &cookie);
    let lead = if token.is_empty() { request } else { request.private_token(token) }.send();
    assert_eq!(lead.status, 303, "{}", lead.text());
    lead.header("location").unwrap().to_owned()
}

/// The same, as the path of this server that it leads to.
pub fn address(gateway: &Gateway, token: &str, path: &str) -> String {
    let lead = lead(gateway, token, path);
    lead.strip_prefix(&gateway.base_url()).unwrap_or_else(|| panic!("{lead}")).to_owned()
}

/// The address of the folder that a report's token opens, with a slash at its end.
pub fn folder(address: &str) -> String {
    let token = address.strip_prefix("/-/r/").unwrap().split('/').next().unwrap();
    format!("/-/r/{token}/")
}

/// A request of a script or a tag of a report.
pub fn fetch(gateway: &Gateway, path: &str) -> Answer {
    gateway.get(path).header("Sec-Fetch-Mode", "cors").header("Origin", "null").send()
}

fn shim(gateway: &Gateway, text: &str) -> String {
    let src = text.split("<script src=\"").nth(1).unwrap().split('"').next().unwrap();
    src.strip_prefix(&gateway.base_url()).unwrap_or_else(|| panic!("{src}")).to_owned()
}

#[test]
fn a_report_is_shown_below_an_address_that_is_its_permission() {
    let gateway = with(&archive());
    let address = address(&gateway, "", &format!("{REPORT}index.html"));
    let folder = folder(&address);
    assert_eq!(address, format!("{folder}index.html"));
    let token = folder.trim_start_matches("/-/r/").trim_end_matches('/');
    assert!((50..100).contains(&token.len()), "{token}");
    let page = open(&gateway, "", &address);
    assert_eq!(page.status, 200, "{}", page.text());
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("sandbox allow-scripts ") && !policy.contains("allow-same-origin"),
        "{policy}"
    );
    let own = format!("{}{folder}", gateway.base_url());
    assert!(policy.contains(&format!("default-src {own} 'unsafe-inline'")), "{policy}");
    assert!(policy.contains(&format!("connect-src {own} data: blob:; form-action {own}; base-uri {own}")));
    for (name, value) in [
        ("content-type", "text/html"),
        ("access-control-allow-origin", "*"),
        ("cross-origin-resource-policy", "cross-origin"),
        ("referrer-policy", "no-referrer"),
        ("x-robots-tag", "noindex"),
        ("x-dns-prefetch-control", "off"),
        ("cache-control", "private, max-age=3600"),
        ("x-content-type-options", "nosniff"),
        ("accept-ranges", "none"),
    ] {
        assert_eq!(page.header(name), Some(value), "{name}");
    }
    for name in [
        "content-disposition",
        "cross-origin-opener-policy",
        "x-frame-options",
        "set-cookie",
        "service-worker-allowed",
        "access-control-allow-credentials",
    ] {
        assert_eq!(page.header(name), None, "{name}");
    }
    let text = page.text();
    let script = gateway.get(&shim(&gateway, text)).send();
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(script.header("cross-origin-resource-policy"), Some("cross-origin"));
    assert!(script.text().contains("localStorage"));
    let tag = format!("<script src=\"{}{}\"></script>", gateway.base_url(), shim(&gateway, text));
    assert!(text.contains(&format!("<head>{tag}<title>")), "{text}");
    assert_eq!(text.replace(&tag, "").as_bytes(), PAGE);
    let head = gateway.head(&address).send();
    assert_eq!(head.header("content-length"), Some(&*page.body.len().to_string()));
}

#[test]
fn everything_but_html_is_sent_as_it_lies_in_the_archive() {
    let gateway = with(&archive());
    let folder = folder(&address(&gateway, "", REPORT));
    let style = fetch(&gateway, &format!("{folder}style.css"));
    assert_eq!((style.header("content-type"), style.body.as_slice()), (Some("text/css"), STYLE));
    assert_eq!(style.header("access-control-allow-origin"), Some("*"));
    assert_eq!(style.header("content-disposition"), None);
    let packed = gateway.get(&format!("{folder}style.css")).header("Accept-Encoding", "gzip").send();
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.body.starts_with(b"\x1f\x8b"));
    let film = gateway.get(&format!("{folder}film.mp4")).header("Range", "bytes=1000-1999").send();
    assert_eq!((film.status, film.header("content-range")), (206, Some("bytes 1000-1999/200000")));
    assert_eq!(film.body, zips::noise(200_000)[1000..2000]);
    assert!(film.header("content-security-policy").unwrap().starts_with("sandbox "));
    let none = gateway.get(&format!("{folder}film.mp4")).header("Range", "bytes=900000-").send();
    assert_eq!((none.status, none.header("content-range")), (416, Some("bytes */200000")));
    let html = fetch(&gateway, &format!("{folder}index.html"));
    let raw = gateway.get("/api/v4/projects/1/jobs/10/artifacts/index.html").send();
    assert_ne!(html.header("etag"), raw.header("etag"), "the bytes are not the same");
    for (path, answer) in [("index.html", &html), ("style.css", &style)] {
        let again =
            gateway.get(&format!("{folder}{path}")).header("If-None-Match", answer.header("etag").unwrap());
        let again = again.send();
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        assert_eq!(again.header("content-security-policy"), answer.header("content-security-policy"));
    }
    let odd = open(&gateway, "", &format!("{folder}d/a%20b%23c.html"));
    assert!(odd.text().ends_with("<p>odd</p>"), "{}", odd.text());
}

#[test]
fn html_of_any_size_and_packing_has_the_shim_and_all_of_its_bytes() {
    let long = format!(
        "<!doctype html><html><head><meta charset=utf-8>{}</head>",
        "<p>words of a report</p>\n".repeat(200_000)
    );
    let files: &[(&str, &[u8])] =
        &[("long.html", long.as_bytes()), ("empty.html", b""), ("odd.html", &[0xff, 0xfe, b'<', 0])];
    for method in
        [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated, zip::CompressionMethod::Zstd]
    {
        let gateway = with(&zips::packed(method, files));
        let folder = folder(&address(&gateway, "", &format!("{REPORT}long.html")));
        let page = gateway.get(&format!("{folder}long.html")).header("Accept-Encoding", "gzip, zstd").send();
        assert_eq!((page.status, page.complete, page.header("content-encoding")), (200, true, None));
        let tag = format!(
            "<script src=\"{}{}\"></script>",
            gateway.base_url(),
            shim(&gateway, &page.text()[..1000])
        );
        assert!(page.text().starts_with(&format!("<!doctype html><html><head>{tag}<meta ")));
        assert!(page.text().replacen(&tag, "", 1) == long);
        assert!(gateway.get(&format!("{folder}empty.html")).send().text().ends_with("</script>"));
        assert_eq!(gateway.get(&format!("{folder}odd.html")).send().body, files[2].1);
    }
}

#[test]
fn a_folder_shows_its_index_behind_a_slash() {
    let gateway = with(&archive());
    let folder = folder(&address(&gateway, "", REPORT));
    let leads = |path: &str| {
        let answer = open(&gateway, "", &format!("{folder}{path}"));
        (
            answer.status,
            answer.header("location").map(|to| to.replace(&format!("{}{folder}", gateway.base_url()), "")),
        )
    };
    assert_eq!(leads("d?x=y"), (302, Some("d/?x=y".to_owned())));
    assert_eq!(
        open(&gateway, "", folder.trim_end_matches('/')).header("location"),
        Some(&*format!("{}{folder}", gateway.base_url()))
    );
    assert!(open(&gateway, "", &format!("{folder}d/")).text().ends_with("<p>below</p>"));
    assert!(open(&gateway, "", &folder).text().contains("report"));
    for missing in ["e", "e/", "no", "d/no.json", "index.html/"] {
        assert_eq!(leads(missing).0, 404, "{missing}");
    }
    let page = open(&gateway, "", &format!("{folder}no"));
    assert_eq!(page.header("content-security-policy"), Some("default-src 'none'; sandbox"));
    assert!(page.text().contains("<p>The report holds no such file.</p>"), "{}", page.text());
    let missing = fetch(&gateway, &format!("{folder}no.json"));
    assert_eq!((missing.status, missing.body.len()), (404, 0));
    assert_eq!(missing.header("access-control-allow-origin"), Some("*"), "scripts may know what is missing");
}

#[test]
fn a_person_is_told_once_for_an_archive_who_wrote_its_report() {
    let gateway = Gateway::on_sqlite();
    let reports = zips::deflated(&[("index.html", PAGE), ("other.html", PAGE)]);
    Fixture::project("group/project")
        .public()
        .pipeline(100, "main")
        .job(10, "build")
        .archive(&reports)
        .job(11, "test")
        .archive(&reports)
        .load(&gateway);
    let notice = open(&gateway, "", &format!("{REPORT}index.html"));
    assert!(html(&notice).contains("Type no password and no token into it."), "{}", notice.text());
    assert!(notice.text().contains("Playwright’s trace viewer, need a host of their own"));
    assert!(notice.text().contains(&format!("<form method=\"post\" action=\"{REPORT}index.html\">")));
    let told = submit(&gateway, "", &format!("{REPORT}index.html"));
    let cookie = told.header("set-cookie").unwrap();
    let path = "/group/project/-/jobs/10/artifacts/report";
    assert!(
        cookie.contains(&format!("; Path={path}; ")) && cookie.contains("HttpOnly; SameSite=Lax"),
        "{cookie}"
    );
    assert!(!cookie.contains("Secure") && !cookie.contains("Domain"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    let again =
        |path: &str| navigation(&gateway, "GET", path).header("Cookie", &format!("a=b; {pair}; c=d")).send();
    assert_eq!(again(&format!("{REPORT}other.html")).status, 303, "another file of the same archive");
    assert_eq!(again("/group/project/-/jobs/11/artifacts/report/index.html").status, 200, "another archive");
    let elsewhere = navigation(&gateway, "POST", &format!("{REPORT}index.html"))
        .header("Sec-Fetch-Site", "cross-site")
        .body(Vec::new())
        .send();
    assert_eq!(
        (elsewhere.status, elsewhere.header("set-cookie")),
        (403, None),
        "nobody is told by another site"
    );
}

#[test]
fn an_address_leads_to_the_report_that_is_there() {
    let gateway =
        with(&zips::deflated(&[("htmlcov/index.html", PAGE), ("htmlcov/a.html", PAGE), ("x.txt", b"x")]));
    let leads = |path: &str| address(&gateway, "", &format!("{REPORT}{path}"));
    for (path, shown) in [
        ("", "htmlcov/index.html"),
        ("htmlcov", "htmlcov/"),
        ("htmlcov/", "htmlcov/"),
        ("htmlcov/a.html", "htmlcov/a.html"),
        ("x.txt", "x.txt"),
    ] {
        let address = leads(path);
        assert_eq!(address, format!("{}{shown}", folder(&address)), "{path}");
    }
    for missing in ["no.html", "htmlcov/no/", "..%2Fx"] {
        let answer = open(&gateway, "", &format!("{REPORT}{missing}"));
        assert_eq!(answer.status, 404, "{missing}");
        is_page(&answer);
    }
    let by_ref = open(&gateway, "", "/group/project/-/jobs/artifacts/main/report/htmlcov/a.html?job=build");
    assert_eq!(by_ref.header("location"), Some(&*format!("{REPORT}htmlcov/a.html")));
    let none = with(&zips::deflated(&[("x.txt", b"x")]));
    assert_eq!(open(&none, "", REPORT).status, 404);
    let unreadable = with(b"no zip");
    assert_eq!(open(&unreadable, "", REPORT).status, 422);
    // A script that asks is no person.
    assert_eq!(gateway.get(REPORT).send().status, 404);
}

#[test]
fn pages_lead_to_reports_where_there_are_some() {
    let gateway = Gateway::on_sqlite();
    gateway.write_file(
        "archive.zip",
        &zips::deflated(&[("cov/index.html", PAGE), ("cov/f/a.html", PAGE), ("t/x", b"x")]),
    );
    gateway.write_file("plain.zip", &zips::deflated(&[("x.txt", b"x")]));
    gateway.write_file("own.html", b"<p>own</p>");
    gateway.load(
        "projects: [{id: 1, path: group/project, visibility: public, pipelines: [{id: 100, ref: main, sha: a, \
         status: success, jobs: [{id: 10, name: build, status: success, artifacts: [{file: archive.zip}, \
         {path: own/page.html, file: own.html}, {path: own/page.txt, file: own.html}, \
         {name: extra, file: archive.zip}]}, \
         {id: 11, name: plain, status: success, artifacts: [{file: plain.zip}]}]}]}]",
    );
    let job = open(&gateway, "", "/group/project/-/jobs/10");
    let of_job: Vec<String> = links(html(&job)).into_iter().filter(|to| to.contains("/report/")).collect();
    assert_eq!(of_job.len(), 3, "{of_job:?}");
    assert!(
        of_job.contains(&format!("{REPORT}cov/index.html"))
            && of_job.contains(&format!("{REPORT}own/page.html"))
    );
    let named = of_job.iter().find(|to| to.contains("?artifact=")).unwrap();
    let named = address(&gateway, "", named);
    assert!(open(&gateway, "", &named).text().contains("report"));
    assert_eq!(
        open(&gateway, "", &format!("{}own/page.html", folder(&named))).status,
        404,
        "it is not of that archive"
    );
    let standing = folder(&address(&gateway, "", REPORT));
    assert!(open(&gateway, "", &format!("{standing}own/page.html")).text().ends_with("<p>own</p>"));
    assert!(!html(&open(&gateway, "", "/group/project/-/jobs/11")).contains("/report/"));
    let browse = "/group/project/-/jobs/10/artifacts/browse/";
    assert_eq!(link(html(&open(&gateway, "", browse)), "Open report"), format!("{REPORT}cov/index.html"));
    let below = open(&gateway, "", &format!("{browse}cov/"));
    assert_eq!(link(html(&below), "Open report"), format!("{REPORT}cov/"));
    for without in ["cov/f/", "t/"] {
        let page = open(&gateway, "", &format!("{browse}{without}"));
        assert!(!html(&page).contains("Open report"), "{without}");
    }
    let view = open(&gateway, "", "/group/project/-/jobs/10/artifacts/view/cov/f/a.html");
    assert_eq!(link(html(&view), "Open report"), format!("{REPORT}cov/f/a.html"));
    assert!(
        !html(&open(&gateway, "", "/group/project/-/jobs/10/artifacts/view/t/x")).contains("Open report")
    );
}

#[test]
fn only_whom_the_setting_names_gets_scripts() {
    use artigate::settings::ReportScripts;
    for (scripts, anonymous, signed_in) in [
        (ReportScripts::All, true, true),
        (ReportScripts::SignedIn, false, true),
        (ReportScripts::None, false, false),
    ] {
        let gateway = Gateway::on_sqlite_with(|settings| settings.report_scripts = scripts);
        fixtures::small(&gateway, &archive());
        for (token, expected) in [("", anonymous), (fixtures::REPORTER, signed_in)] {
            let asked = open(&gateway, token, &format!("{REPORT}index.html"));
            assert_eq!(asked.status == 200, expected, "who runs scripts is told, {scripts:?} {token}");
            let page = open(&gateway, "", &address(&gateway, token, &format!("{REPORT}index.html")));
            let policy = page.header("content-security-policy").unwrap();
            assert_eq!(policy.contains("allow-scripts"), expected, "{policy}");
            assert_eq!(policy.contains("script-src 'none'"), !expected, "{policy}");
            assert_eq!(page.text().contains("<script src"), expected);
            assert!(policy.starts_with("sandbox "), "{policy}");
        }
    }
}

#[test]
fn a_report_may_load_from_the_hosts_that_are_set_and_tell_them_nothing() {
    let gateway =
        Gateway::on_sqlite_with(|settings| settings.report_sources = vec!["https://cdn.example.org".into()]);
    fixtures::small(&gateway, &archive());
    let page = open(&gateway, "", &address(&gateway, "", REPORT));
    let policy = page.header("content-security-policy").unwrap();
    let of = |name: &str| {
        policy.split("; ").find(|part| part.starts_with(name)).unwrap().contains("cdn.example.org")
    };
    assert!(
        of("default-src ") && of("script-src ") && !of("connect-src ") && !of("form-action "),
        "{policy}"
    );
}

#[test]
fn scripts_ask_before_they_ask_in_unusual_ways_and_may_only_read() {
    let gateway = with(&archive());
    let address = address(&gateway, "", REPORT);
    let asks = gateway.request("OPTIONS", &address).header("Origin", "null");
    let answer = asks
        .header("Access-Control-Request-Method", "GET")
        .header("Access-Control-Request-Headers", "x-requested-with")
        .send();
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("*"));
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET, HEAD"));
    for method in ["POST", "PUT", "DELETE"] {
        assert_eq!(gateway.request(method, &address).body(Vec::new()).send().status, 405, "{method}");
    }
    let worker =
        gateway.get(&format!("{}film.mp4", folder(&address))).header("Service-Worker", "script").send();
    assert_eq!((worker.status, worker.body.len() < 2000), (403, true));
}

#[test]
fn a_damaged_file_of_a_report_is_never_taken_for_whole() {
    let long = [PAGE, zips::noise(300_000).as_slice()].concat();
    let mut damaged = zips::Entry::stored("bad.html", &long);
    damaged.crc32 ^= 1;
    let mut small = zips::Entry::stored("small.html", PAGE);
    small.crc32 ^= 1;
    let mut unknown = zips::Entry::stored("unknown.html", PAGE);
    unknown.method = 97;
    let good = zips::Entry::stored("index.html", PAGE);
    let gateway = with(&zips::by_hand(&[good, damaged, small, unknown]));
    let folder = folder(&address(&gateway, "", REPORT));
    let cut = gateway.get(&format!("{folder}bad.html")).send();
    assert!(cut.status == 200 && !cut.complete);
    for name in ["small.html", "unknown.html"] {
        let refused = open(&gateway, "", &format!("{folder}{name}"));
        assert_eq!(refused.status, 422, "{name}");
        assert!(refused.text().contains("This cannot be shown: "), "{}", refused.text());
        assert_eq!(refused.header("content-security-policy"), Some("default-src 'none'; sandbox"));
    }
}
