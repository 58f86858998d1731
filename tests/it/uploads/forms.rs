//! The form of an upload: where its parameters may stand, what it has to hold, and the name of its file.

use super::{archive, file, upload};
use crate::support::fixtures::{self, RUNNING, UPLOAD, UPLOADED};
use crate::support::gateway::Gateway;
use crate::support::http_client::Form;

on_both_databases!(
    the_token_stands_in_the_header_the_query_or_the_form,
    fields_before_or_behind_the_file_say_the_same_as_the_query_which_wins,
    a_parameter_that_is_wrong_is_named_and_nothing_is_stored,
    a_form_without_its_file_or_with_too_much_is_refused,
    odd_file_names_are_kept_as_far_as_a_header_allows,
    a_part_with_an_extended_name_alone_is_a_file
);

fn the_token_stands_in_the_header_the_query_or_the_form(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    let by_query =
        gateway.post(&format!("{UPLOAD}?token={RUNNING}&artifact_type=junit&artifact_format=gzip"));
    assert_eq!(by_query.form(file()).send().status, 201);
    let by_form = gateway.post(&format!("{UPLOAD}?artifact_type=sast&artifact_format=raw"));
    let form = Form::default().field("token", RUNNING).file("a", b"{}");
    assert_eq!(by_form.form(form).send().status, 201);
    let query_wins = gateway.post(&format!("{UPLOAD}?token=wrong")).job_token(RUNNING);
    assert_eq!(query_wins.form(file()).send().status, 403);
    let behind_the_file = Form::default().file("a", b"{}").field("token", RUNNING);
    let answer = gateway.post(UPLOAD).form(behind_the_file).send();
    assert_eq!(
        answer.error(),
        (403, r#"{"message":"403 Forbidden"}"#),
        "bytes are taken only from somebody known"
    );
}

fn fields_before_or_behind_the_file_say_the_same_as_the_query_which_wins(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    let before =
        Form::default().field("artifact_type", "sast").field("artifact_format", "raw").file("a", b"{}");
    assert_eq!(upload(&gateway, "", before).status, 201);
    let behind =
        Form::default().file("b", b"{}").field("artifact_format", "raw").field("artifact_type", "dast");
    assert_eq!(upload(&gateway, "", behind).status, 201);
    let query_wins = Form::default()
        .field("artifact_type", "sast")
        .file("a.zip", &archive())
        .field("expire_in", "soon enough");
    assert_eq!(
        upload(&gateway, "artifact_type=archive", query_wins).status,
        400,
        "a wrong value is wrong anywhere"
    );
    let query_wins = Form::default()
        .field("artifact_type", "sast")
        .file("a.zip", &archive())
        .field("accessibility", "none");
    assert_eq!(
        upload(&gateway, "artifact_type=archive&artifact_format=zip&accessibility=public", query_wins).status,
        201
    );
    assert_eq!(gateway.get(UPLOADED).send().body, archive());
    gateway.until_blobs(4);
    let wrong_in_the_form = Form::default().field("artifact_type", "nonsense").file("c", b"{}");
    assert_eq!(
        upload(&gateway, "artifact_type=codequality&artifact_format=raw", wrong_in_the_form).status,
        201
    );
}

fn a_parameter_that_is_wrong_is_named_and_nothing_is_stored(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    for (query, body) in [
        (
            "artifact_type=nonsense",
            r#"{"error":"artifact_type does not have a valid value","message":"artifact_type does not have a valid value"}"#,
        ),
        (
            "artifact_format=rar",
            r#"{"error":"artifact_format does not have a valid value","message":"artifact_format does not have a valid value"}"#,
        ),
        (
            "accessibility=everybody",
            r#"{"error":"accessibility does not have a valid value","message":"accessibility does not have a valid value"}"#,
        ),
        (
            "expire_in=soon",
            r#"{"message":"400 Bad request - expire_in: expected a duration such as 30 days, 2 hrs 20 min, 3600 (seconds) or never"}"#,
        ),
        (
            "expire_in=99999999+years",
            r#"{"message":"400 Bad request - expire_in: expected a duration such as 30 days, 2 hrs 20 min, 3600 (seconds) or never"}"#,
        ),
    ] {
        assert_eq!(upload(&gateway, query, file()).error(), (400, body), "{query}");
        let (name, value) = query.split_once('=').unwrap();
        let in_form = file().field(name, &value.replace('+', " "));
        assert_eq!(upload(&gateway, "", in_form).error(), (400, body), "{query} in the form");
    }
    gateway.until_blobs(1);
}

fn a_form_without_its_file_or_with_too_much_is_refused(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    let refused = |form: Form| upload(&gateway, "", form).error().1.to_owned();
    assert_eq!(
        refused(Form::default().field("artifact_type", "archive")),
        r#"{"error":"file is missing","message":"file is missing"}"#
    );
    assert_eq!(
        refused(Form::default().field("file", "no file")),
        r#"{"error":"file is invalid","message":"file is invalid"}"#
    );
    assert_eq!(refused(file().file("second", b"x")), r#"{"message":"400 Bad request - more than one file"}"#);
    assert_eq!(
        refused(file().file_field("metadata", b"x")),
        r#"{"message":"400 Bad request - the only file field is called file"}"#
    );
    let long = "x".repeat(9 * 1024);
    assert_eq!(
        refused(Form::default().field("note", &long)),
        r#"{"message":"400 Bad request - a form field is longer than 8192 bytes"}"#
    );
    let many = (0..65).fold(Form::default(), |form, number| form.field(&format!("f{number}"), "x"));
    assert_eq!(refused(many), r#"{"message":"400 Bad request - the form has more than 64 parts"}"#);
    let no_form = gateway.post(UPLOAD).job_token(RUNNING).body(archive()).send();
    assert_eq!(no_form.error(), (400, r#"{"error":"file is missing","message":"file is missing"}"#));
    let json = gateway
        .post(UPLOAD)
        .job_token(RUNNING)
        .header("Content-Type", "application/json")
        .body(b"{}".to_vec());
    assert_eq!(json.send().error(), (400, r#"{"error":"file is missing","message":"file is missing"}"#));
    gateway.until_blobs(1);
}

fn odd_file_names_are_kept_as_far_as_a_header_allows(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    for (number, (sent, expected)) in [
        ("my \\\"build\\\".zip", r#"attachment; filename="my \"build\".zip""#),
        ("../../etc/passwd", r#"attachment; filename="passwd""#),
        (r"C:\Users\me\site.zip", r#"attachment; filename="site.zip""#),
        (
            "=?utf-8?B?Z3I=?=\"; filename*=\"utf-8''gr%C3%BCn.zip",
            "attachment; filename=\"gr_n.zip\"; filename*=UTF-8''gr%C3%BCn.zip",
        ),
        ("grün 1.zip", "attachment; filename=\"gr_n 1.zip\"; filename*=UTF-8''gr%C3%BCn%201.zip"),
        ("", r#"attachment; filename="artifacts.zip""#),
    ]
    .into_iter()
    .enumerate()
    {
        let id = 30 + number;
        gateway.load(&format!("projects: [{{id: 1, path: group/project, pipelines: [{{id: 200, ref: main, sha: b, status: running, jobs: [{{id: {id}, name: a, status: running, token: t{id}}}]}}]}}]"));
        let form = Form::default().file(sent, &archive());
        let answer = gateway
            .post(&format!("/api/v4/jobs/{id}/artifacts"))
            .job_token(&format!("t{id}"))
            .form(form)
            .send();
        assert_eq!(answer.status, 201, "{sent}");
        let whole = gateway.get(&format!("/api/v4/projects/1/jobs/{id}/artifacts")).send();
        assert_eq!(whole.header("content-disposition"), Some(expected), "{sent}");
    }
}

fn a_part_with_an_extended_name_alone_is_a_file(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    let form = Form::default().part("name=file; filename*=utf-8''gr%C3%BC%C3%9Fe.zip", &archive());
    assert_eq!(upload(&gateway, "", form).error(), (201, "201"));
    let whole = gateway.get(UPLOADED).send();
    assert_eq!(
        whole.header("content-disposition"),
        Some("attachment; filename=\"gr__e.zip\"; filename*=UTF-8''gr%C3%BC%C3%9Fe.zip")
    );
}
