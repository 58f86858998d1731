//! Clients of the API, which meet no pages: at the same addresses they get what they got before.

use super::{ACCEPT, navigation, open};
use crate::support::fixtures::{self, ADMIN};
use crate::support::gateway::Gateway;
use crate::support::zips;

fn gateway() -> Gateway {
    let gateway = Gateway::on_sqlite();
    fixtures::small(&gateway, &zips::deflated(&[("a.txt", b"hello"), ("d/b.html", b"<b>")]));
    gateway
}

#[test]
fn an_address_is_a_page_for_a_browser_alone() {
    let gateway = gateway();
    for path in [
        "/",
        "/group/project",
        "/group",
        "/group/project/-/pipelines",
        "/group/project/-/pipelines/100",
        "/group/project/-/jobs/10",
        "/group/project/-/jobs/10/artifacts/browse/",
        "/group/project/-/jobs/10/artifacts/view/a.txt",
        "/group/project/-/artifacts",
    ] {
        assert_eq!(open(&gateway, "", path).status, 200, "{path}");
        let expected = (404, r#"{"error":"404 Not Found","message":"404 Not Found"}"#);
        let plain = || gateway.get(path);
        for request in [
            plain(),
            plain().header("Accept", "*/*"),
            plain().header("Accept", "application/json"),
            plain().header("Accept", ACCEPT).header("Sec-Fetch-Mode", "cors"),
            plain().private_token(ADMIN),
        ] {
            assert_eq!(request.send().error(), expected, "{path}");
        }
        assert_eq!(
            gateway.get(path).header("Accept", ACCEPT).send().status,
            200,
            "a browser over plain HTTP"
        );
        let head = navigation(&gateway, "HEAD", path).send();
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
    }
}

#[test]
fn bytes_are_bytes_for_who_brings_a_token() {
    let gateway = gateway();
    let of_job = "/group/project/-/jobs/10/artifacts";
    let by_ref = "/group/project/-/jobs/artifacts/main";
    for (path, query) in
        [("file/a.txt", ""), ("raw/a.txt", ""), ("file/a.txt", "?job=build"), ("raw/a.txt", "?job=build")]
    {
        let address =
            if query.is_empty() { format!("{of_job}/{path}") } else { format!("{by_ref}/{path}{query}") };
        let with_token = navigation(&gateway, "GET", &address).private_token(ADMIN).send();
        assert_eq!((with_token.status, with_token.text()), (200, "hello"), "{address}");
        assert_eq!(gateway.get(&address).send().text(), "hello", "{address}");
    }
    let page = open(&gateway, "", &format!("{of_job}/file/a.txt"));
    assert_eq!((page.status, page.header("location")), (302, Some(&*format!("{of_job}/view/a.txt"))));
    let typed = open(&gateway, "", &format!("{of_job}/raw/d/b.html"));
    assert_eq!((typed.status, typed.text()), (200, "<b>"));
    assert!(typed.header("content-disposition").unwrap().starts_with("attachment"), "never rendered");
    assert_eq!(typed.header("content-security-policy"), Some("default-src 'none'; sandbox"));
    assert_eq!(typed.header("cross-origin-resource-policy"), Some("same-origin"));
}

#[test]
fn apis_have_no_pages_whoever_opens_them() {
    let gateway = gateway();
    for path in ["/api/v4/projects", "/api/v4/nothing", "/v2/nothing", "/api/v3/nothing", "/-/liveness"] {
        let answer = open(&gateway, "", path);
        assert!(answer.header("content-type").unwrap().starts_with("application/json"), "{path}");
    }
    let host = gateway.get("/repos/group/project").header("Accept", ACCEPT).send();
    assert_eq!(host.status, 302, "a group may be called so, and may be for others");
}

#[test]
fn the_style_sheet_is_kept_for_ever_under_an_address_of_its_own() {
    let gateway = gateway();
    let page = open(&gateway, "", "/");
    let address = page.text().split("rel=\"stylesheet\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    let style = gateway.get(address).send();
    assert_eq!((style.status, style.header("content-type")), (200, Some("text/css; charset=utf-8")));
    assert_eq!(style.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(style.header("content-security-policy"), Some("default-src 'none'"));
    assert!(style.body.len() < 16 << 10, "{} bytes", style.body.len());
    assert_eq!(gateway.get("/-/assets/style-0000000000000000.css").send().status, 404);
    let icon = page.text().split("type=\"image/svg+xml\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(gateway.get(icon).send().header("content-type"), Some("image/svg+xml"));
}

#[test]
fn pages_stand_below_the_mount_of_a_proxy() {
    let gateway =
        Gateway::on_sqlite_with(|settings| settings.external_url = Some("https://ci.example.com/art".into()));
    fixtures::small(&gateway, &zips::deflated(&[("a.txt", b"hello")]));
    let page = open(&gateway, "", "/group/project/-/pipelines?ref=main");
    for address in super::links(super::html(&page)).into_iter().filter(|it| !it.starts_with('#')) {
        assert!(address.starts_with("/art/"), "{address}");
    }
    let redirect = open(&gateway, "", "/group/project/-/jobs/10/artifacts/file/a.txt");
    assert_eq!(redirect.header("location"), Some("/art/group/project/-/jobs/10/artifacts/view/a.txt"));
}

#[test]
fn what_a_page_shows_to_one_person_is_kept_for_no_other() {
    let gateway = gateway();
    let anonymous = open(&gateway, "", "/group/project");
    assert_eq!(anonymous.header("cache-control"), Some("private, no-cache"));
    let signed_in = open(&gateway, ADMIN, "/group/project");
    assert_eq!(signed_in.header("cache-control"), Some("private, no-store"));
    for part in ["Cookie", "Accept", "PRIVATE-TOKEN"] {
        assert!(signed_in.header("vary").unwrap().contains(part), "{part}");
    }
}
