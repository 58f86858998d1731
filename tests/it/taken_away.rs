//! A permission that is revoked while a document arrives: the sender's permission counts when the document is
//! applied.

use std::io::Write;

use crate::support::fixtures;
use crate::support::gateway::Gateway;
use crate::support::http_client::{Request, read_answer};

/// More than sockets hold: once this is sent, the server has begun to read it, which it does for those who may.
const BLANKS: usize = 48 << 20;

const ADMIN: &str = "{id: 1, username: admin, admin: true, tokens: [{value: glpat-registry, revoked: false, scopes: [registry]}]}";

#[test]
fn a_document_is_not_applied_for_whoever_may_not_any_more_when_it_has_arrived() {
    let gateway = Gateway::on_sqlite_with(|settings| settings.max_document_bytes = 64 << 20);
    fixtures::small(&gateway, b"bytes");
    let document = br#"{"users": [{"id": 60, "username": "late"}]}"#;
    let users = || gateway.catalog(artigate::catalog::users::all).len();
    let before = users();
    for (change, says) in [
        ("tokens: [{value: glpat-registry, revoked: true}]", (401, "the token was revoked")),
        ("tokens: [{value: glpat-registry, expires_at: 2020-01-01}]", (401, "the token has expired")),
        ("tokens: [{value: glpat-registry, scopes: [api]}]", (403, "the token lacks the `registry` scope")),
        ("admin: false", (403, "only an administrator may change the registry")),
        ("admin: true", (200, "")),
    ] {
        gateway.load(&format!("users: [{ADMIN}]"));
        let mut late = Request::new(gateway.address, "PUT", "/api/registry/v1/documents")
            .private_token("glpat-registry")
            .header("Content-Type", "application/json")
            .header("Content-Length", &(BLANKS + document.len()).to_string())
            .connect();
        late.write_all(&vec![b' '; BLANKS]).unwrap();
        gateway.load(&format!("users: [{{id: 1, username: admin, {change}}}]"));
        late.write_all(document).unwrap();
        let answer = read_answer(late, false).unwrap();
        let (status, message) = says;
        assert_eq!(answer.status, status, "{change}: {}", answer.text());
        assert!(answer.text().contains(message), "{change}: {}", answer.text());
        assert_eq!(users() - before, usize::from(status == 200), "{change}");
        gateway
            .load("users: [{id: 1, username: admin, tokens: [{value: glpat-registry, expires_at: null}]}]");
    }
}
