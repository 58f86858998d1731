//! The toolkit's service: its five methods, what they tolerate, and what they refuse.

use serde_json::{Value, json};

use super::{
    archive, begin, block_id, call, called, create, of_job, put_block, put_list, refused, runtime_token,
    signed, upload, with,
};
use crate::support::fixtures::{DEVELOPER, UPLOADED};
use crate::support::gateway::Gateway;
use crate::support::http_client::Request;

on_both_databases!(
    an_artifact_is_uploaded_listed_and_downloaded,
    a_raw_artifact_is_served_with_its_type_and_name,
    requests_are_read_in_either_case_and_with_unknown_fields,
    a_size_or_digest_that_differs_is_refused_and_nothing_is_visible,
    finishing_twice_answers_the_same_and_too_early_is_refused,
    a_token_counts_for_its_run_and_uploads_for_its_job,
    tokens_that_are_bent_forged_or_over_are_refused,
    what_is_no_call_is_refused_in_json,
    an_expiry_is_taken_over_and_limited,
    a_job_reads_of_its_run_what_its_user_may
);

fn an_artifact_is_uploaded_listed_and_downloaded(gateway: Gateway) {
    let token = begin(&gateway);
    let content = archive();
    let id = upload(&gateway, &token, "bin", &content, 100, json!({}));
    let listed = called(&gateway, &token, "ListArtifacts", &of_job(""));
    let digest = artigate::domain::Sha256Digest::of(&content);
    assert_eq!(
        listed["artifacts"],
        json!([{
            "workflow_run_backend_id": "200", "workflow_job_run_backend_id": "20", "database_id": id.to_string(),
            "name": "bin", "size": content.len().to_string(), "created_at": "2026-02-01T12:00:00Z",
            "digest": format!("sha256:{digest}"),
        }])
    );
    for (filter, count) in [
        (json!({"name_filter": "bin"}), 1),
        (json!({"name_filter": "bi"}), 0),
        (json!({"id_filter": id.to_string()}), 1),
        (json!({"id_filter": "999"}), 0),
    ] {
        let found = called(&gateway, &token, "ListArtifacts", &with(of_job(""), filter.clone()));
        assert_eq!(found["artifacts"].as_array().unwrap().len(), count, "{filter}");
    }
    let path = signed(&gateway, &token, "bin");
    let answer = gateway.get(&path).send();
    assert_eq!((answer.status, answer.body == content), (200, true));
    assert_eq!(answer.header("content-type"), Some("application/zip"));
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"bin.zip\""));
    assert_eq!(answer.header("content-encoding"), None);
    // For GitLab's clients it stands for the job's archive.
    let whole = gateway.get(UPLOADED).private_token(DEVELOPER).send();
    assert_eq!((whole.status, whole.body == content), (200, true));
    let file = gateway.get(&format!("{UPLOADED}/a.txt")).private_token(DEVELOPER).send();
    assert_eq!(file.text(), "hello");
    let job = gateway.get("/api/v4/projects/1/jobs/20").private_token(DEVELOPER).send();
    let job: Value = serde_json::from_slice(&job.body).unwrap();
    assert_eq!(job["artifacts_file"], json!({"filename": "bin.zip", "size": content.len()}));
    // A second named archive: none of them is the job's.
    upload(&gateway, &token, "other", &content, 1000, json!({}));
    assert_eq!(gateway.get(UPLOADED).private_token(DEVELOPER).send().status, 404);
}

fn a_raw_artifact_is_served_with_its_type_and_name(gateway: Gateway) {
    let token = begin(&gateway);
    let typed = json!({"version": 7, "mime_type": "text/html; charset=utf-8"});
    upload(&gateway, &token, "größe.html", b"<p>hello</p>", 1 << 20, typed);
    let path = signed(&gateway, &token, "größe.html");
    let answer = gateway.get(&path).header("Range", "bytes=3-7").send();
    assert_eq!((answer.status, answer.text()), (206, "hello"));
    assert_eq!(answer.header("content-type"), Some("text/html"));
    let disposition = answer.header("content-disposition").unwrap();
    assert!(disposition.contains("filename*=UTF-8''gr%C3%B6%C3%9Fe.html"), "{disposition}");
    // An empty file sends no block at all, and no size.
    let link = create(&gateway, &token, "empty", json!({"version": 7, "mime_type": "text/plain"}));
    assert_eq!(put_list(&gateway, &link, [""; 0]).status, 201);
    called(&gateway, &token, "FinalizeArtifact", &of_job("empty"));
    let answer = gateway.get(&signed(&gateway, &token, "empty")).send();
    assert_eq!((answer.status, answer.header("content-length")), (200, Some("0")));
    for mime_type in ["", "html", "a b/c"] {
        let request = with(of_job("x"), json!({"version": 7, "mime_type": mime_type}));
        let answer = call(&gateway, &token, "CreateArtifact", &request);
        assert_eq!(answer.status, if mime_type.is_empty() { 200 } else { 400 }, "{mime_type:?}");
    }
}

fn requests_are_read_in_either_case_and_with_unknown_fields(gateway: Gateway) {
    let token = begin(&gateway);
    let request = json!({
        "workflowRunBackendId": "200", "workflowJobRunBackendId": "20", "name": "x", "version": 4,
        "expiresAt": "2026-03-01T00:00:00.291Z", "somethingNew": {"deep": [1]},
    });
    assert_eq!(called(&gateway, &token, "CreateArtifact", &request)["ok"], true);
    let answer =
        call(&gateway, &token, "ListArtifacts", &json!({"workflowRunBackendId": "200", "idFilter": 7}));
    assert_eq!((answer.status, answer.text()), (200, r#"{"artifacts":[]}"#));
}

fn a_job_reads_of_its_run_what_its_user_may(gateway: Gateway) {
    let token = begin(&gateway);
    upload(&gateway, &token, "mine", b"x", 100, json!({}));
    gateway.load(
        "projects: [{id: 1, path: group/project, visibility: private, public_jobs: false, pipelines: [{id: 200,
            ref: main, sha: bbbb, status: running, jobs: [
            {id: 24, name: nobodys, status: running, token: t24, user: null},
            {id: 25, name: outsiders, status: running, token: t25, user: outsider},
            {id: 26, name: developers, status: running, token: t26, user: developer}]}]}]",
    );
    for (job, token, expected) in [("24", "t24", 1), ("25", "t25", 1), ("26", "t26", 2)] {
        let runtime = runtime_token(&gateway, job, token);
        let (name, of_own) = (format!("own-{job}"), json!({"workflow_job_run_backend_id": job}));
        let link = create(&gateway, &runtime, &name, of_own.clone());
        assert_eq!(put_block(&gateway, &link, &block_id(0), b"y").status, 201);
        assert_eq!(put_list(&gateway, &link, [block_id(0)]).status, 201);
        called(
            &gateway,
            &runtime,
            "FinalizeArtifact",
            &with(with(of_job(&name), of_own), json!({"size": "1"})),
        );
        let listed = called(&gateway, &runtime, "ListArtifacts", &of_job(""));
        let names: Vec<&str> =
            listed["artifacts"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
        let seen = names.iter().filter(|name| **name == "mine" || name.ends_with(job)).count();
        assert_eq!(seen, expected, "{job}: {names:?}");
        let deleting = call(&gateway, &runtime, "DeleteArtifact", &of_job("mine"));
        assert_eq!(deleting.status, if expected == 2 { 200 } else { 404 }, "{job}");
    }
}

fn a_size_or_digest_that_differs_is_refused_and_nothing_is_visible(gateway: Gateway) {
    let token = begin(&gateway);
    let link = create(&gateway, &token, "bin", json!({}));
    assert_eq!(put_block(&gateway, &link, &block_id(0), b"content").status, 201);
    assert_eq!(put_list(&gateway, &link, [block_id(0)]).status, 201);
    let other = artigate::domain::Sha256Digest::of(b"other");
    for (more, word) in [
        (json!({"size": "8"}), "size: 7 bytes"),
        (json!({"size": 7, "hash": format!("sha256:{other}")}), "hash: "),
        (json!({"size": 7, "hash": "md5:00"}), "hash: "),
        (json!({"size": "seven"}), "size: "),
    ] {
        let answer = call(&gateway, &token, "FinalizeArtifact", &with(of_job("bin"), more.clone()));
        let (status, code, message) = refused(&answer);
        assert_eq!(
            (status, code.as_str(), message.contains(word)),
            (400, "invalid_argument", true),
            "{more} {message}"
        );
        let listed = called(&gateway, &token, "ListArtifacts", &of_job(""));
        assert_eq!(listed["artifacts"], json!([]), "{more}");
    }
    let right = with(of_job("bin"), json!({"size": "7"}));
    assert_eq!(called(&gateway, &token, "FinalizeArtifact", &right)["ok"], true);
}

fn finishing_twice_answers_the_same_and_too_early_is_refused(gateway: Gateway) {
    let token = begin(&gateway);
    let unknown = call(&gateway, &token, "FinalizeArtifact", &with(of_job("bin"), json!({"size": "7"})));
    assert_eq!(refused(&unknown).1, "not_found");
    let link = create(&gateway, &token, "bin", json!({}));
    assert_eq!(put_block(&gateway, &link, &block_id(0), b"content").status, 201);
    let early = call(&gateway, &token, "FinalizeArtifact", &with(of_job("bin"), json!({"size": "7"})));
    assert_eq!((refused(&early).0, refused(&early).1.as_str()), (412, "failed_precondition"));
    assert_eq!(put_list(&gateway, &link, [block_id(0)]).status, 201);
    let finalize = with(of_job("bin"), json!({"size": "7"}));
    let first = called(&gateway, &token, "FinalizeArtifact", &finalize);
    assert_eq!(called(&gateway, &token, "FinalizeArtifact", &finalize), first);
}

fn a_token_counts_for_its_run_and_uploads_for_its_job(gateway: Gateway) {
    let token = begin(&gateway);
    for (method, more, status) in [
        ("CreateArtifact", json!({"workflow_run_backend_id": "100", "version": 4}), 403),
        ("CreateArtifact", json!({"workflow_job_run_backend_id": "21", "version": 4}), 403),
        ("FinalizeArtifact", json!({"workflow_job_run_backend_id": "21"}), 403),
        ("ListArtifacts", json!({"workflow_run_backend_id": "100"}), 403),
        ("ListArtifacts", json!({"workflow_job_run_backend_id": "21"}), 200),
        ("GetSignedArtifactURL", json!({"workflow_job_run_backend_id": "21"}), 404),
        ("DeleteArtifact", json!({"workflow_run_backend_id": "100"}), 403),
    ] {
        let answer = call(&gateway, &token, method, &with(of_job("x"), more.clone()));
        assert_eq!(answer.status, status, "{method} {more}: {}", answer.text());
    }
}

fn tokens_that_are_bent_forged_or_over_are_refused(gateway: Gateway) {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
    let token = begin(&gateway);
    let parts: Vec<&str> = token.split('.').collect();
    let part = |value: Value| BASE64.encode(value.to_string());
    let claims: Value = serde_json::from_slice(&BASE64.decode(parts[1]).unwrap()).unwrap();
    let key_id: Value = serde_json::from_slice(&BASE64.decode(parts[0]).unwrap()).unwrap();
    let other_job = with(claims.clone(), json!({"scp": "Actions.Results:200:21"}));
    let none = part(json!({"alg": "none", "typ": "JWT", "kid": key_id["kid"]}));
    let other_key = part(json!({"alg": "HS256", "typ": "JWT", "kid": "77"}));
    // Signed well, but not by us: with a secret of its own under our key's ID, or by another algorithm.
    let signed = |algorithm| {
        let mut header = jsonwebtoken::Header::new(algorithm);
        header.kid = key_id["kid"].as_str().map(str::to_owned);
        let secret = jsonwebtoken::EncodingKey::from_secret(&[7; 64]);
        jsonwebtoken::encode(&header, &claims, &secret).unwrap()
    };
    let mut bent = token.clone().into_bytes();
    let at = bent.len() - 5;
    bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
    let bent = String::from_utf8(bent).unwrap();
    for forged in [
        "x".to_owned(),
        "glpat-maintainer".to_owned(),
        format!("{}.{}.", none, parts[1]),
        format!("{}.{}.{}", none, parts[1], parts[2]),
        format!("{}.{}.{}", other_key, parts[1], parts[2]),
        format!("{}.{}.{}", parts[0], part(other_job), parts[2]),
        format!("{}.{}", parts[0], parts[1]),
        signed(jsonwebtoken::Algorithm::HS256),
        signed(jsonwebtoken::Algorithm::HS512),
        bent,
    ] {
        let answer = call(&gateway, &forged, "ListArtifacts", &of_job(""));
        assert_eq!((refused(&answer).0, refused(&answer).1.as_str()), (401, "unauthenticated"), "{forged}");
    }
    let nobody = Request::new(
        gateway.address,
        "POST",
        "/twirp/github.actions.results.api.v1.ArtifactService/ListArtifacts",
    );
    assert_eq!(nobody.body(b"{}".to_vec()).send().status, 401);
    assert_eq!(call(&gateway, &token, "ListArtifacts", &of_job("")).status, 200);
    // It outlives one rotation of the keys, not two; new keys are read within half a minute.
    gateway.advance_clock(40 * 86_400);
    assert_eq!(call(&gateway, &token, "ListArtifacts", &of_job("")).status, 401, "it is past its time");
    gateway.advance_clock(-40 * 86_400);
    gateway.load("projects: [{id: 1, path: group/project, pipelines: [{id: 200, ref: main, sha: bbbb, status: running, jobs: [{id: 20, name: build, status: success}]}]}]");
    assert_eq!(call(&gateway, &token, "ListArtifacts", &of_job("")).status, 401, "it ends with its job");
}

fn what_is_no_call_is_refused_in_json(gateway: Gateway) {
    let token = begin(&gateway);
    for (method, path, status) in [
        ("POST", "/twirp/github.actions.results.api.v1.CacheService/CreateCacheEntry", 404),
        ("POST", "/twirp/github.actions.results.api.v1.ArtifactService/Migrate", 404),
        ("GET", "/twirp/github.actions.results.api.v1.ArtifactService/ListArtifacts", 404),
        ("POST", "/_apis/pipelines/workflows/200/artifacts", 404),
    ] {
        let answer = Request::new(gateway.address, method, path).body(b"{}".to_vec()).send();
        assert_eq!(answer.status, status, "{path}");
        let _: Value = serde_json::from_slice(&answer.body).unwrap();
    }
    for body in ["", "[", "[]", "\"x\"", r#"{"name": 7}"#, r#"{"size": {}}"#] {
        let path = "/twirp/github.actions.results.api.v1.ArtifactService/FinalizeArtifact";
        let answer = Request::new(gateway.address, "POST", path)
            .header("Authorization", &format!("Bearer {token}"))
            .body(body.as_bytes().to_vec())
            .send();
        assert_eq!(answer.status, if body == "[]" { 403 } else { 400 }, "{body}: {}", answer.text());
    }
}

fn an_expiry_is_taken_over_and_limited(gateway: Gateway) {
    let token = begin(&gateway);
    let expiring = |name: &str, time: &str| {
        upload(&gateway, &token, name, &archive(), 1000, json!({"expires_at": time}));
        let found = gateway
            .get(&format!("/api/v3/repos/group/project/actions/runs/200/artifacts?name={name}"))
            .send();
        let found: Value = serde_json::from_slice(&found.body).unwrap();
        found["artifacts"][0]["expires_at"].clone()
    };
    assert_eq!(expiring("soon", "2026-02-02T12:00:00.291Z"), "2026-02-02T12:00:00Z");
    let past = call(
        &gateway,
        &token,
        "CreateArtifact",
        &with(of_job("past"), json!({"version": 4, "expires_at": "2026-02-01T11:00:00Z"})),
    );
    assert_eq!(refused(&past).1, "invalid_argument");
    for time in ["tomorrow", "2026-13-01T00:00:00Z"] {
        let request = with(of_job("x"), json!({"version": 4, "expires_at": time}));
        assert_eq!(call(&gateway, &token, "CreateArtifact", &request).status, 400, "{time}");
    }
}

#[test]
fn an_uploader_gets_no_longer_lifetime_than_the_settings_allow() {
    let gateway = Gateway::on_sqlite_with(|settings| {
        settings.max_expire_in = artigate::domain::expiry::Lifetime::Seconds(3600);
    });
    let token = begin(&gateway);
    upload(&gateway, &token, "bin", &archive(), 1000, json!({"expires_at": "2027-02-02T12:00:00Z"}));
    let found = gateway.get("/api/v3/repos/group/project/actions/runs/200/artifacts").send();
    let found: Value = serde_json::from_slice(&found.body).unwrap();
    assert_eq!(found["artifacts"][0]["expires_at"], "2026-02-01T13:00:00Z");
}

/// The key that signs is the same on a node that has just started.
#[test]
fn two_rotations_end_a_runtime_token() {
    let gateway = Gateway::on_sqlite();
    let token = begin(&gateway);
    let is_accepted = || {
        let keys = artigate::auth::keys::SigningKeys::new(gateway.app.catalog.clone());
        let token = secrecy::SecretString::from(token.clone());
        gateway.block_on(artigate::auth::RuntimeToken::verify(&keys, &token, gateway.now())).is_ok()
    };
    let rotate = |secret: u8| {
        let now = gateway.now();
        gateway.write_catalog(move |db| artigate::catalog::keys::rotate(db, &[secret; 32], now));
    };
    assert!(is_accepted());
    rotate(1);
    assert!(is_accepted());
    rotate(2);
    assert!(!is_accepted());
}
