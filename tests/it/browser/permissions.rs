//! Permissions in Chromium: what a session and a report's address permit, to whom, until when, and who learns of them.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::play;
use super::reports::{HOSTS, PAGES, apart};
use super::world;
use crate::program::{Serving, artigate};
use crate::support::fixtures::{self, ADMIN, USERS};
use crate::support::gateway::Gateway;
use crate::support::{until, zips};
use crate::web::report::REPORT;

const JOB: &str = "/group/project/-/jobs/10";

#[test]
fn forms_of_other_sites_and_of_reports_do_nothing_with_the_session_of_an_administrator() {
    let gateway = Gateway::on_sqlite();
    world::load(&gateway);
    let forms = [
        &format!("{JOB}/artifacts/keep"),
        &format!("{JOB}/artifacts/delete"),
        "/group/project/-/artifacts/delete?id=1",
        "/-/operate/sweep",
        "/-/sign_out",
        "/-/sessions/end?all=1",
    ];
    let mut plan =
        json!({"token": ADMIN, "job": JOB, "forms": forms, "report": format!("{REPORT}page.html")});
    let told = || {
        let job = gateway.get("/api/v4/projects/1/jobs/10").private_token(ADMIN).send();
        serde_json::from_str::<Value>(job.text()).unwrap()
    };
    let before = told();
    assert!(before["artifacts_expire_at"].is_string(), "{before}");
    play("elsewhere", &gateway.base_url(), &plan);
    assert_eq!(told(), before);
    assert_eq!(gateway.app.retention.last_sweep(), None);
    plan["isOurOwn"] = true.into();
    play("elsewhere", &gateway.base_url(), &plan);
    assert!(told()["artifacts_expire_at"].is_null());
    until(30_000, "the sweep is done", || gateway.app.retention.last_sweep().is_some());
}

/// Runs a command beside the server, and returns what it prints.
fn administer(folder: &std::path::Path, words: &[&str]) -> String {
    let output = artigate(folder, words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_token_that_the_command_line_revokes_ends_what_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let report = zips::deflated(&[
        ("index.html", b"<!DOCTYPE html><title>x</title><p>report</p>"),
        ("one.json", b"1"),
        ("two.json", b"2"),
    ]);
    std::fs::write(path.join("archive.zip"), report).unwrap();
    let document = format!(
        "{USERS}projects: [{{id: 1, path: group/project, members: {{developer: developer}}, pipelines: [{{id: 100, \
         ref: main, sha: a, status: success, jobs: [{{id: 10, name: build, status: success, \
         artifacts: [{{file: archive.zip}}]}}]}}]}}]"
    );
    std::fs::write(path.join("registry.yml"), document).unwrap();
    administer(path, &["load", "registry.yml"]);
    let create = ["token", "create", "--user", "developer", "--name", "laptop", "--scopes", "api"];
    let token = administer(path, &create).trim().to_owned();
    let listed = administer(path, &["token", "list", "--user", "developer", "--json"]);
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    let laptop = listed.iter().find(|it| it["name"] == "laptop").unwrap();
    let serving = Serving::plain(path);
    let revoke = json!({
        "program": env!("CARGO_BIN_EXE_artigate"), "folder": path,
        "words": ["token", "revoke", laptop["id"].to_string()],
    });
    let plan = json!({"token": token, "job": JOB, "report": REPORT, "revoke": revoke});
    play("revoked", &serving.base_url, &plan);
    for line in ["/one.json 200", "/two.json 403"] {
        let line = format!("GET /-/r/[FILTERED]{line}");
        until(10_000, &line, || serving.log.lock().unwrap().iter().any(|it| it.contains(&line)));
    }
    assert_eq!(serving.stop(), Some(0));
}

/// A server of somebody else, which keeps the head of each request.
struct Other {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Other {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let other = Self { address: listener.local_addr().unwrap(), heard: Arc::default() };
        let heard = Arc::clone(&other.heard);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // A browser holds connections on which it asks nothing.
                let heard = Arc::clone(&heard);
                std::thread::spawn(move || answer(&stream, &heard));
            }
        });
        other
    }
}

fn answer(mut stream: &TcpStream, heard: &Mutex<Vec<String>>) {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let Some(asked) = head.first() else { return };
    let (kind, body) = match asked {
        asked if asked.contains("/image.svg") => {
            ("image/svg+xml", "<svg xmlns='http://www.w3.org/2000/svg'/>")
        }
        _ => ("text/html", "<title>elsewhere</title>"),
    };
    heard.lock().unwrap().push(head.join("\n").to_ascii_lowercase());
    let length = body.len();
    let _ = stream.write_all(
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}")
            .as_bytes(),
    );
}

#[test]
fn no_other_server_learns_the_address_of_a_report() {
    for is_apart in [false, true] {
        let other = Other::start();
        let source = format!("http://{}", other.address);
        let gateway = Gateway::on_sqlite_with(|settings| {
            if is_apart {
                apart(settings);
            }
            settings.report_sources = vec![source.clone()];
        });
        fixtures::small(
            &gateway,
            &zips::deflated(&[("index.html", b"<!DOCTYPE html><title>x</title><p>report</p>")]),
        );
        let mut links = json!({
            "link": {}, "window": {"target": "_blank"}, "opener": {"target": "_blank", "rel": "opener"},
        });
        // A page with an origin of its own may tell its address to whom it will; one in a sandbox cannot.
        if !is_apart {
            links["insists"] = json!({"referrerPolicy": "unsafe-url"});
        }
        let mut plan = json!({"path": REPORT, "job": JOB, "other": source, "links": links});
        let mut base_url = gateway.base_url();
        if is_apart {
            plan["hosts"] = json!(HOSTS);
            plan["address"] = json!(gateway.address.to_string());
            PAGES.clone_into(&mut base_url);
        }
        play("referer", &base_url, &plan);
        let heard = other.heard.lock().unwrap();
        let links = links.as_object().unwrap().keys().map(String::as_str);
        for way in links.chain(["image.svg", "script"]) {
            let asked = heard.iter().find(|head| head.starts_with(&format!("get /{way} ")));
            let asked = asked.unwrap_or_else(|| panic!("{way} is none of {heard:?}"));
            assert!(!asked.contains("referer") && !asked.contains("/-/r/"), "{asked}");
        }
    }
}
