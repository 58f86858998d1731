//! Pages of all branches and all tags.

use super::{html, link, open};
use crate::support::fixture::Fixture;
use crate::support::fixtures::OUTSIDER;
use crate::support::gateway::Gateway;

on_both_databases!(
    all_branches_are_listed_with_their_newest_success,
    refs_are_searched_and_come_in_pages,
    refs_of_a_project_that_one_may_not_read_are_not_there,
);

fn all_branches_are_listed_with_their_newest_success(gateway: Gateway) {
    Fixture::project("group/app")
        .public()
        .pipeline(100, "main")
        .pipeline(101, "main")
        .status("failed")
        .pipeline(102, "feature/x")
        .status("failed")
        .pipeline(103, "v1.0")
        .tag()
        .load(&gateway);
    let project = open(&gateway, "", "/group/app");
    let branches = open(&gateway, "", &link(html(&project), "All branches"));
    let text = html(&branches);
    assert!(text.contains("<h1>Branches</h1>") && !text.contains("v1.0"), "{text}");
    let rows: Vec<&str> = text.split("<th scope=\"row\">").skip(1).collect();
    assert_eq!(rows.len(), 2);
    assert!(rows[0].contains(">feature/x</a>") && rows[0].contains("<span class=\"dull\">none</span>"));
    assert!(rows[1].contains("pipeline 100</a>") && rows[1].contains("pipeline 101</a>"), "{}", rows[1]);
    let by_name = open(&gateway, "", "/group/app/-/branches?sort=name");
    let names: Vec<&str> = html(&by_name).split("<th scope=\"row\">").skip(1).collect();
    assert!(names[0].contains(">feature/x<") && names[1].contains(">main<"));
    assert_eq!(open(&gateway, "", &link(text, "feature/x")).status, 200);
    let tags = open(&gateway, "", &link(text, "Tags"));
    assert!(html(&tags).contains(">v1.0</a>") && !tags.text().contains("feature/x"));
}

fn refs_are_searched_and_come_in_pages(gateway: Gateway) {
    let mut fixture = Fixture::project("group/app").public();
    for id in 1..=60 {
        fixture = fixture.pipeline(id, &format!("feature/{id:02}"));
    }
    fixture.pipeline(61, "<b>&\"x\"").load(&gateway);
    let first = open(&gateway, "", "/group/app/-/branches?sort=name");
    assert!(html(&first).contains("1–50 of 61"), "{}", first.text());
    let second = open(&gateway, "", &link(first.text(), "Next page"));
    assert!(html(&second).contains("51–61 of 61") && second.text().contains(">feature/60</a>"));
    let some = open(&gateway, "", "/group/app/-/branches?search=URE%2F5");
    assert_eq!(html(&some).matches("<th scope=\"row\">").count(), 10);
    let none = open(&gateway, "", "/group/app/-/branches?search=none");
    assert!(html(&none).contains("No branch has <q>none</q> in its name"));
    assert_eq!(link(none.text(), "Clear search"), "/group/app/-/branches");
    let hostile = open(&gateway, "", "/group/app/-/branches?search=%3Cb%3E");
    assert!(!html(&hostile).contains("<b>") && hostile.text().matches("<th scope=\"row\">").count() == 1);
    assert!(html(&open(&gateway, "", "/group/app/-/tags")).contains("There is no tag with a pipeline"));
}

fn refs_of_a_project_that_one_may_not_read_are_not_there(gateway: Gateway) {
    Fixture::project("closed/app").members().pipeline(1, "main").load(&gateway);
    for path in ["/closed/app/-/branches", "/closed/app/-/tags", "/closed/app/-/artifacts?file=a"] {
        assert_eq!(open(&gateway, OUTSIDER, path).status, 404, "{path}");
        assert_eq!(open(&gateway, "", path).status, 302, "{path}");
    }
}
