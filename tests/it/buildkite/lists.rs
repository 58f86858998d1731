//! Lists of builds: their order, pages, and every filter in every spelling that clients have.

use super::{PIPELINE, field, get, got, refused, small};
use crate::support::gateway::Gateway;

on_both_databases!(
    builds_are_listed_newest_first_in_three_scopes,
    every_filter_selects,
    pages_are_linked_in_the_order_that_clients_need,
    a_project_that_may_not_be_read_is_left_out
);

/// Four builds with what filters ask for.
fn world(gateway: &Gateway) {
    small(gateway);
    gateway.load(
        "projects: [{id: 5, path: group/lists, visibility: public, pipelines: [
            {id: 500, ref: main, sha: aaa1, status: success, created_at: 2026-01-01T00:00:00Z,
                finished_at: 2026-01-01T01:00:00Z, user: developer, meta_data: {k: v w, other: x}},
            {id: 501, ref: feature/dev-1, sha: aaa2, status: failed, created_at: 2026-01-02T00:00:00Z,
                finished_at: 2026-01-03T01:00:00Z, meta_data: {k: v w}},
            {id: 502, ref: Feature_dev, sha: aaa3, status: running, created_at: 2026-01-03T00:00:00Z,
                jobs: [{id: 550, name: a, status: failed}]},
            {id: 503, ref: '100%', sha: aaa4, status: manual, created_at: 2026-01-04T00:00:00Z}]}]",
    );
}

const LIST: &str = "/v2/organizations/group/pipelines/lists/builds";

fn numbers(gateway: &Gateway, query: &str) -> Vec<String> {
    field(&got(gateway, &format!("{LIST}?{query}")), "number")
}

fn builds_are_listed_newest_first_in_three_scopes(gateway: Gateway) {
    world(&gateway);
    assert_eq!(numbers(&gateway, ""), ["4", "3", "2", "1"]);
    let of_organization = got(&gateway, "/v2/organizations/group/builds");
    assert_eq!(of_organization.as_array().unwrap().len(), 6);
    assert_eq!(got(&gateway, "/v2/builds"), of_organization);
}

fn every_filter_selects(gateway: Gateway) {
    world(&gateway);
    let developer = got(&gateway, &format!("{LIST}/1"))["creator"]["id"].as_str().unwrap().to_owned();
    for (query, expected) in [
        ("branch=main", &["1"][..]),
        ("branch[]=main&branch[]=100%25", &["4", "1"]),
        ("branch%5B%5D=main&branch%5B%5D=feature/dev-1", &["2", "1"]),
        ("branch=*dev*", &["3", "2"]),
        ("branch=feature*", &["2"]),
        ("branch=Feature_*", &["3"]),
        ("branch=Feature?dev*", &[]),
        ("branch=1*%25", &["4"]),
        ("commit=aaa2", &["2"]),
        ("commit=aaa", &[]),
        ("commit[]=aaa2&commit[]=aaa3", &["3", "2"]),
        ("created_from=2026-01-03T00:00:00Z", &["4", "3"]),
        ("created_from=2026-01-03T01:00:00+01:00", &["4", "3"]),
        ("created_from=2026-01-03", &["4", "3"]),
        ("created_to=2026-01-03T00:00:00Z", &["2", "1"]),
        ("finished_from=2026-01-02", &["2"]),
        ("state=passed", &["4", "1"]),
        ("state=failing", &["3"]),
        ("state=running", &[]),
        ("state=blocked", &["4"]),
        ("state[]=failed&state[]=failing", &["3", "2"]),
        ("state=finished", &["4", "2", "1"]),
        ("state=nonsense", &[]),
        ("meta_data[k]=v w", &["2", "1"]),
        ("meta_data%5Bk%5D=v%20w&meta_data[other]=x", &["1"]),
        ("meta_data[k]=v", &[]),
        ("creator=none", &[]),
        ("branch=main&state=failed", &[]),
        ("unknown=1&page=0", &["4", "3", "2", "1"]),
    ] {
        assert_eq!(numbers(&gateway, &query.replace(' ', "+")), expected, "{query}");
    }
    assert_eq!(numbers(&gateway, &format!("creator={developer}")), ["1"]);
    assert_eq!(refused(&get(&gateway, &format!("{LIST}?created_from=yesterday"))).0, 400);
    let deep = refused(&get(&gateway, &format!("{LIST}?page=100000")));
    assert!(deep.0 == 400 && deep.1.starts_with("Listing builds this deep is not supported."), "{deep:?}");
}

fn pages_are_linked_in_the_order_that_clients_need(gateway: Gateway) {
    world(&gateway);
    let url = format!("{}{LIST}", gateway.base_url());
    let link = |query: &str| get(&gateway, &format!("{LIST}?{query}")).header("link").map(str::to_owned);
    let page = |number: usize| format!("<{url}?page={number}&per_page=2>");
    assert_eq!(link("per_page=2").unwrap(), format!("{}; rel=\"next\", {}; rel=\"last\"", page(2), page(2)));
    let second = link("per_page=2&page=2&access_token=secret").unwrap();
    assert!(second.contains(&format!("{}; rel=\"prev\"", page(1))) && !second.contains("secret"), "{second}");
    assert_eq!(link("per_page=100"), None);
    let kept = link("per_page=2&state[]=passed&state[]=failed").unwrap();
    // A client cuts the page number out of the text: it is not the last parameter.
    assert!(kept.contains("page=2&per_page=2>") && kept.contains("state"), "{kept}");
    assert_eq!(numbers(&gateway, "per_page=1000&page=1").len(), 4);
}

fn a_project_that_may_not_be_read_is_left_out(gateway: Gateway) {
    world(&gateway);
    gateway.load(
        "projects: [{id: 6, path: hidden/web, visibility: private, pipelines: [
            {id: 600, ref: main, sha: bb, status: success}]}]",
    );
    assert_eq!(got(&gateway, "/v2/builds").as_array().unwrap().len(), 6);
    assert_eq!(
        refused(&get(&gateway, "/v2/organizations/hidden/builds")),
        (404, "No organization found".into())
    );
    let pipeline = get(&gateway, "/v2/organizations/hidden/pipelines/web/builds");
    assert_eq!(refused(&pipeline), (404, "No organization found".into()));
    assert_eq!(refused(&get(&gateway, &format!("{PIPELINE}x/builds"))), (404, "No pipeline found".into()));
}
