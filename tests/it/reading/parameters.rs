//! Invalid values of every parameter of every list.

use super::{get, load};
use crate::support::fixtures;
use crate::support::gateway::Gateway;

on_both_databases!(
    a_wrong_parameter_is_named,
    lists_that_cannot_be_walked_that_way_say_so,
    hostile_text_in_a_filter_finds_nothing_and_breaks_nothing
);

fn a_wrong_parameter_is_named(gateway: Gateway) {
    load(&gateway);
    let (invalid, no_choice) = ("is invalid", "does not have a valid value");
    for (list, parameters) in [
        (
            "projects",
            vec![
                ("page", "x", invalid),
                ("page", "0", invalid),
                ("per_page", "-1", invalid),
                ("per_page", "1e3", invalid),
                ("visibility", "secret", no_choice),
                ("membership", "perhaps", invalid),
                ("owned", "x", invalid),
                ("starred", "x", invalid),
                ("archived", "x", invalid),
                ("simple", "x", invalid),
                ("search_namespaces", "x", invalid),
                ("order_by", "size", no_choice),
                ("sort", "up", no_choice),
                ("min_access_level", "x", invalid),
                ("min_access_level", "31", no_choice),
                ("id_after", "x", invalid),
                ("id_before", "99999999999999999999", invalid),
                ("pagination", "x", no_choice),
            ],
        ),
        (
            "projects/1/jobs",
            vec![
                ("page", "x", invalid),
                ("per_page", "0", invalid),
                ("scope", "done", no_choice),
                ("scope[]", "done", no_choice),
                ("sort", "x", no_choice),
                ("pagination", "x", no_choice),
                ("pagination=keyset&cursor", "x", invalid),
                ("pagination=keyset&cursor", "eyJpZCI6Ing", invalid),
            ],
        ),
        (
            "projects/1/pipelines",
            vec![
                ("page", "x", invalid),
                ("per_page", "x", invalid),
                ("scope", "done", no_choice),
                ("status", "done", no_choice),
                ("source", "nowhere", no_choice),
                ("order_by", "sha", no_choice),
                ("sort", "x", no_choice),
                ("yaml_errors", "x", invalid),
                ("updated_after", "yesterday", invalid),
                ("updated_before", "2026-13-01", invalid),
                ("created_after", "x", invalid),
                ("created_before", "2026-01-01T25:00:00Z", invalid),
            ],
        ),
        (
            "projects/1/pipelines/100/jobs",
            vec![
                ("page", "x", invalid),
                ("per_page", "x", invalid),
                ("scope[]", "done", no_choice),
                ("include_retried", "x", invalid),
            ],
        ),
        ("projects/1/pipelines/100/bridges", vec![("page", "x", invalid), ("scope", "done", no_choice)]),
    ] {
        for (parameter, value, fault) in parameters {
            let answer = get(&gateway, fixtures::REPORTER, &format!("/{list}?{parameter}={value}"));
            let name = parameter.rsplit('&').next().unwrap().trim_end_matches("[]");
            assert_eq!(
                answer.error(),
                (400, format!("{{\"error\":\"{name} {fault}\",\"message\":\"{name} {fault}\"}}").as_str()),
                "{list} {parameter}={value}"
            );
        }
    }
    for (path, name) in [
        ("projects/1/jobs/x", "job_id"),
        ("projects/1/pipelines/x", "pipeline_id"),
        ("projects/1/pipelines/x/jobs", "pipeline_id"),
        ("projects/1/pipelines/x/bridges", "pipeline_id"),
    ] {
        let answer = get(&gateway, fixtures::REPORTER, &format!("/{path}"));
        assert_eq!(
            answer.error(),
            (400, format!("{{\"error\":\"{name} is invalid\",\"message\":\"{name} is invalid\"}}").as_str()),
            "{path}"
        );
    }
}

fn lists_that_cannot_be_walked_that_way_say_so(gateway: Gateway) {
    load(&gateway);
    let no_keyset = (
        405,
        r#"{"error":"Keyset pagination is not yet available for this type of request","message":"Keyset pagination is not yet available for this type of request"}"#,
    );
    for path in [
        "/projects/1/jobs?pagination=keyset&order_by=name",
        "/projects?pagination=keyset",
        "/projects?pagination=keyset&order_by=name",
    ] {
        assert_eq!(get(&gateway, fixtures::REPORTER, path).error(), no_keyset, "{path}");
    }
    for path in [
        "/projects/1/jobs?page=2501",
        "/projects?page=501&per_page=100",
        "/projects/1/jobs?page=999999999999999",
    ] {
        let answer = get(&gateway, fixtures::REPORTER, path);
        assert!(
            answer.status == 405 && answer.text().contains("maximum allowed offset of 50000"),
            "{}",
            answer.text()
        );
    }
    assert_eq!(get(&gateway, fixtures::REPORTER, "/projects/1/jobs?page=2500").status, 200);
    assert_eq!(get(&gateway, fixtures::REPORTER, "/projects/1/pipelines?page=99999999999999999").status, 200);
}

fn hostile_text_in_a_filter_finds_nothing_and_breaks_nothing(gateway: Gateway) {
    load(&gateway);
    for text in ["%00", "%ff%fe", "'%20OR%201=1--", "%25", "\\", "%F0%9F%98%80"] {
        for path in [
            "/projects?search=",
            "/projects/1/pipelines?ref=",
            "/projects/1/pipelines?sha=",
            "/projects/1/pipelines?username=",
        ] {
            let answer = get(&gateway, fixtures::REPORTER, &format!("{path}{text}"));
            assert_eq!((answer.status, answer.text()), (200, "[]"), "{path}{text}");
        }
        let latest = get(&gateway, fixtures::REPORTER, &format!("/projects/1/pipelines/latest?ref={text}"));
        assert_eq!(latest.status, 404, "{text}");
    }
}
