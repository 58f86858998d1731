//! The caller's user and token, and the version that the server reports.

use serde_json::{Value, json};

use super::{get, json, load, without_address};
use crate::support::fixtures;
use crate::support::gateway::Gateway;

const UNAUTHORIZED: (u16, &str) = (401, r#"{"message":"401 Unauthorized"}"#);

on_both_databases!(
    a_user_is_told_who_it_is,
    a_token_tells_about_itself_whatever_it_is_good_for,
    the_server_says_which_gitlab_it_answers_as,
    all_of_this_needs_a_user
);

fn a_user_is_told_who_it_is(gateway: Gateway) {
    load(&gateway);
    gateway.load("users: [{id: 3, username: developer, name: Dev Eloper, email: dev@example.com, tokens: [{value: user-only, scopes: [read_user]}]}]");
    let user = json(&get(&gateway, "user-only", "/user"));
    insta::assert_json_snapshot!(without_address(&gateway, &user), @r#"
    {
      "avatar_url": null,
      "bio": "",
      "can_create_group": false,
      "can_create_project": false,
      "commit_email": "dev@example.com",
      "created_at": "2026-02-01T12:00:00.000Z",
      "email": "dev@example.com",
      "external": false,
      "id": 3,
      "identities": [],
      "location": "",
      "locked": false,
      "name": "Dev Eloper",
      "private_profile": false,
      "projects_limit": 0,
      "public_email": null,
      "state": "active",
      "two_factor_enabled": false,
      "username": "developer",
      "web_url": "http://gateway/developer"
    }
    "#);
    assert_eq!(json(&get(&gateway, fixtures::ADMIN, "/user"))["is_admin"], true);
    assert_eq!(json(&get(&gateway, fixtures::REPORTER, "/user"))["id"], 4, "read_api is enough");
}

fn a_token_tells_about_itself_whatever_it_is_good_for(gateway: Gateway) {
    gateway.load("users: [{id: 1, username: alice, tokens: [
            {value: narrow, name: laptop, scopes: [read_repository], expires_at: 2027-01-01}, {value: wide, scopes: [api, read_user]},
            {value: old, scopes: [api], expires_at: 2026-01-01}, {value: taken, scopes: [api], revoked: true}]}]");
    let token = json(&get(&gateway, "narrow", "/personal_access_tokens/self"));
    let id = token["id"].clone();
    assert!(id.is_i64());
    assert_eq!(
        token,
        json!({"id": id, "name": "laptop", "revoked": false, "created_at": "2026-02-01T12:00:00.000Z", "description": null,
        "scopes": ["read_repository"], "user_id": 1, "last_used_at": null, "active": true, "expires_at": "2027-01-01"})
    );
    let wide =
        gateway.get("/api/v4/personal_access_tokens/self").header("Authorization", "Bearer wide").send();
    let wide = json(&wide);
    assert_eq!((&wide["scopes"], &wide["expires_at"]), (&json!(["api", "read_user"]), &Value::Null));
    for (token, error) in [("old", "Token is expired."), ("taken", "Token was revoked.")] {
        let answer = get(&gateway, token, "/personal_access_tokens/self");
        assert!(answer.status == 401 && answer.text().contains(error), "{}", answer.text());
    }
    let scope = get(&gateway, "narrow", "/user");
    assert!(scope.status == 403 && scope.text().contains("insufficient_scope"), "{}", scope.text());
}

fn the_server_says_which_gitlab_it_answers_as(gateway: Gateway) {
    load(&gateway);
    let version = json(&get(&gateway, fixtures::REPORTER, "/version"));
    assert_eq!(
        version["version"].as_str().unwrap().split('.').filter_map(|part| part.parse::<u32>().ok()).count(),
        3
    );
    let metadata = json(&get(&gateway, fixtures::REPORTER, "/metadata"));
    assert_eq!((&metadata["version"], &metadata["revision"]), (&version["version"], &version["revision"]));
    assert_eq!(
        metadata["kas"],
        json!({"enabled": false, "externalUrl": null, "externalK8sProxyUrl": null, "version": null})
    );
    assert_eq!(metadata["enterprise"], false);
}

fn all_of_this_needs_a_user(gateway: Gateway) {
    load(&gateway);
    for path in ["/user", "/personal_access_tokens/self", "/version", "/metadata"] {
        assert_eq!(get(&gateway, "", path).error(), UNAUTHORIZED, "{path}");
        assert_eq!(get(&gateway, "wrong", path).error(), UNAUTHORIZED, "{path}");
        assert_eq!(
            gateway.get(&format!("/api/v4{path}")).job_token(fixtures::RUNNING).send().error(),
            UNAUTHORIZED,
            "{path}"
        );
    }
    for path in ["", "/"] {
        assert_eq!(
            get(&gateway, "", path).error(),
            (404, r#"{"error":"404 Not Found","message":"404 Not Found"}"#),
            "an old client asks this first and takes any answer"
        );
    }
}
