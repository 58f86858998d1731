//! Absolute URLs in answers: only a trusted proxy chooses their host, and it is always a valid host.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use artigate::settings::Settings;
use serde_json::Value;

use crate::support::fixtures;
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Request, read_answer};

const LIST: &str = "/api/v4/projects/1/jobs?per_page=1";

fn gateway(change: impl FnOnce(&mut Settings)) -> Gateway {
    let gateway = Gateway::on_sqlite_with(change);
    fixtures::small(&gateway, b"bytes");
    gateway
}

fn behind_a_proxy() -> Gateway {
    gateway(|settings| settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()])
}

/// The base of all addresses in an answer; they have to agree.
fn base(answer: &Answer) -> String {
    let jobs: Value = serde_json::from_slice(&answer.body).unwrap();
    let web_url = jobs[0]["web_url"].as_str().unwrap();
    let base = web_url.split("/group/project").next().unwrap();
    for link in answer.header("link").unwrap().split(", ") {
        assert!(
            link.starts_with(&format!("<{base}{}", LIST.split('?').next().unwrap())),
            "{link} and {base}"
        );
        assert_eq!(link.matches(['<', '>']).count(), 2, "{link}");
    }
    base.to_owned()
}

fn with(gateway: &Gateway, headers: &[(&str, &str)]) -> String {
    let request = gateway.get(LIST).private_token(fixtures::ADMIN);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    base(&request.send())
}

const EVIL: &[(&str, &str)] = &[
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Proto", "https"),
    ("Forwarded", "host=evil.example;proto=https"),
];

#[test]
fn a_client_chooses_no_other_host_than_the_one_it_asked() {
    let gateway = gateway(|_| {});
    assert_eq!(with(&gateway, EVIL), gateway.base_url());
}

#[test]
fn a_trusted_proxy_names_the_host_and_the_scheme_of_its_client() {
    let gateway = behind_a_proxy();
    assert_eq!(with(&gateway, &[]), gateway.base_url());
    for headers in [
        &[("X-Forwarded-Host", "ci.example.com"), ("X-Forwarded-Proto", "https")][..],
        &[("Forwarded", "for=192.0.2.1;host=ci.example.com;proto=https")],
        &[("Forwarded", "for=\"a,b\";host=\"ci.example.com\";by=\"c, d;host=e\";proto=https")],
        &[("Forwarded", "host=evil.example;for=\""), ("Forwarded", "host=ci.example.com;proto=https")],
    ] {
        assert_eq!(with(&gateway, headers), "https://ci.example.com");
    }
}

#[test]
fn what_is_no_host_is_not_repeated_whoever_sends_it() {
    let gateway = behind_a_proxy();
    for host in ["evil>; rel=\"next\"", "a b", "a/b", "a@b", "a\", \"b", "[x]"] {
        assert_eq!(with(&gateway, &[("X-Forwarded-Host", host)]), gateway.base_url(), "{host}");
    }
}

#[test]
fn a_set_address_is_nobodys_to_choose() {
    let gateway = gateway(|settings| {
        settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        settings.external_url = Some("https://artifacts.example.com/ci".into());
    });
    assert_eq!(with(&gateway, EVIL), "https://artifacts.example.com/ci");
}

/// Sends a head as it is.
fn raw(gateway: &Gateway, head: &str) -> Answer {
    let mut stream = TcpStream::connect(gateway.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    read_answer(stream, false).unwrap()
}

#[test]
fn a_request_with_a_host_that_is_none_is_refused_and_one_without_is_answered() {
    let gateway = gateway(|_| {});
    let expected =
        r#"{"message":"400 Bad Request - Host: expected a name or an address, with or without a port"}"#;
    for host in ["a b>", "evil>; rel=\"next\"", "a/b", "ü", "user@host"] {
        let answer = raw(&gateway, &format!("GET {LIST} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(answer.error(), (400, expected), "{host}");
    }
    let own =
        |head: &str| base(&raw(&gateway, &format!("GET {LIST} {head}PRIVATE-TOKEN: glpat-admin\r\n\r\n")));
    assert_eq!(own("HTTP/1.1\r\nHost: ci.example.com:81\r\n"), "http://ci.example.com:81");
    assert_eq!(own("HTTP/1.0\r\n"), "http://127.0.0.1:0", "what is set to be listened on");
    assert_eq!(Request::new(gateway.address, "GET", "/-/health").send().status, 200);
}

#[test]
fn a_token_in_an_address_is_not_repeated_in_links() {
    let gateway = gateway(|_| {});
    for query in
        ["secret_token[]=S3CRET", "x[private_token]=S3CRET", "a=b;private_token=S3CRET", "q=glpat-S3CRET"]
    {
        let answer =
            gateway.get(&format!("{LIST}&scope[]=success&{query}")).private_token(fixtures::ADMIN).send();
        let link = answer.header("link").unwrap();
        assert!(link.contains("scope[]=success") && !link.contains("S3CRET"), "{link}");
    }
}
