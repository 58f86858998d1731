//! Links that a person copies from the page of a folder: to what is shown, and to the same of the newest job.

use super::{html, link, open};
use crate::support::fixture::Fixture;
use crate::support::fixtures::MAINTAINER;
use crate::support::gateway::Gateway;
use crate::support::zips;

on_both_databases!(
    the_page_of_a_folder_has_the_url_that_is_copied,
    a_credential_in_the_address_is_no_part_of_the_link,
    the_lasting_link_follows_the_newest_success,
    a_job_that_no_address_by_ref_leads_to_has_no_lasting_link,
);

const FOLDER: &str = "/group/app/-/jobs/10/artifacts/browse/a%20b/";

fn archive(text: &[u8]) -> Vec<u8> {
    zips::deflated(&[("a b/c&d.txt", text), ("top.txt", b"x")])
}

fn app() -> Fixture {
    Fixture::project("group/app")
        .public()
        .pipeline(100, "feature/x")
        .job(10, "build: all")
        .archive(&archive(b"1"))
}

/// The path of a whole URL of this server.
fn path_of<'a>(gateway: &Gateway, url: &'a str) -> &'a str {
    url.strip_prefix(&gateway.base_url())
        .unwrap_or_else(|| panic!("{url} is no URL of {}", gateway.base_url()))
}

/// The URL that a page offers under a name.
fn copied(page: &str, name: &str) -> Option<String> {
    let behind = page.split(&format!("<dt>{name}</dt>")).nth(1)?;
    let url = behind.split("href=\"").nth(1)?.split('"').next()?;
    let shown = behind.split("\">").nth(1)?.split("</a>").next()?;
    assert_eq!(url, shown, "the link is plainly the address");
    Some(url.replace("&#38;", "&"))
}

fn the_page_of_a_folder_has_the_url_that_is_copied(gateway: Gateway) {
    app().load(&gateway);
    for query in ["", "?sort=size&order=desc", "?search=c%26d"] {
        let address = format!("{FOLDER}{query}");
        let page = open(&gateway, "", &address);
        let url = copied(html(&page), "Link to this page").unwrap();
        assert_eq!(path_of(&gateway, &url), address);
        assert_eq!(html(&open(&gateway, "", path_of(&gateway, &url))), page.text(), "it shows the same");
    }
}

fn a_credential_in_the_address_is_no_part_of_the_link(gateway: Gateway) {
    app().members().load(&gateway);
    let page = open(&gateway, "", &format!("{FOLDER}?private_token={MAINTAINER}&sort=size"));
    let url = copied(html(&page), "Link to this page").unwrap();
    assert_eq!(path_of(&gateway, &url), format!("{FOLDER}?sort=size"));
    assert!(!page.text().contains(MAINTAINER));
}

fn the_lasting_link_follows_the_newest_success(gateway: Gateway) {
    app().load(&gateway);
    let page = open(&gateway, "", FOLDER);
    let url = copied(html(&page), "Always the newest of feature/x").unwrap();
    let leads = || {
        let answer = open(&gateway, "", path_of(&gateway, &url));
        (answer.status, answer.header("location").map(str::to_owned))
    };
    assert_eq!(leads(), (302, Some(FOLDER.to_owned())));
    app().pipeline(200, "feature/x").job(20, "build: all").archive(&archive(b"2")).load(&gateway);
    assert_eq!(leads(), (302, Some(FOLDER.replace("/10/", "/20/"))));
    let file = open(&gateway, "", &link(page.text(), "c&#38;d.txt"));
    assert!(html(&file).contains("<h1>c&#38;d.txt</h1>"));
}

fn a_job_that_no_address_by_ref_leads_to_has_no_lasting_link(gateway: Gateway) {
    Fixture::project("group/app")
        .public()
        .pipeline(100, "main")
        .status("failed")
        .job(10, "build")
        .archive(&archive(b"1"))
        .load(&gateway);
    let page = open(&gateway, "", FOLDER);
    assert!(html(&page).contains("Link to this page") && !page.text().contains("Always the newest"));
}

#[test]
fn the_url_is_that_of_the_external_address() {
    let gateway = Gateway::on_sqlite_with(|settings| {
        settings.external_url = Some("https://ci.example.com/artifacts".to_owned());
    });
    app().load(&gateway);
    let page = open(&gateway, "", FOLDER);
    let url = copied(html(&page), "Link to this page").unwrap();
    assert_eq!(url, format!("https://ci.example.com/artifacts{FOLDER}"));
    let newest = copied(page.text(), "Always the newest of feature/x").unwrap();
    assert!(
        newest.starts_with("https://ci.example.com/artifacts/group/app/-/jobs/artifacts/feature/x/browse/")
    );
}
