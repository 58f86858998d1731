//! Links that carry their own permission: for one artifact or upload, for a while, and for nothing else.

use serde_json::json;

use super::{begin, blob_error, called, create, of_job, put, put_block, signed, upload};
use crate::support::fixtures::MAINTAINER;
use crate::support::gateway::Gateway;
use crate::support::http_client::Request;

on_both_databases!(
    a_link_is_refused_when_one_bit_of_it_is_another,
    a_link_ends_with_its_time_and_knows_no_other_credential,
    a_link_to_what_was_deleted_or_has_expired_says_so,
    a_link_is_for_one_method,
    a_range_outside_is_told_the_size,
    an_upload_may_take_as_long_as_its_job,
    keys_are_exchanged_once_without_harm
);

fn link(gateway: &Gateway, token: &str) -> String {
    upload(gateway, token, "bin", b"content", 1000, json!({"version": 7, "mime_type": "text/plain"}));
    signed(gateway, token, "bin")
}

fn a_link_is_refused_when_one_bit_of_it_is_another(gateway: Gateway) {
    let token = begin(&gateway);
    let link = link(&gateway, &token);
    assert_eq!(gateway.get(&link).send().text(), "content");
    let (path, query) = link.split_once('?').unwrap();
    for (name, value) in query.split('&').map(|pair| pair.split_once('=').unwrap()) {
        let without: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with(name)).collect();
        let answer = gateway.get(&format!("{path}?{}", without.join("&"))).send();
        assert_eq!(blob_error(&answer), (403, "AuthenticationFailed"), "without {name}");
        for at in 0..value.len() {
            let mut bent = value.as_bytes().to_vec();
            bent[at] ^= 1;
            let Ok(bent) = String::from_utf8(bent) else { continue };
            if !bent.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
                continue;
            }
            let other = query.replace(&format!("{name}={value}"), &format!("{name}={bent}"));
            let answer = gateway.get(&format!("{path}?{other}")).send();
            // The last character of a signature holds two bits that count for nothing in lenient decoders.
            assert_eq!(blob_error(&answer).0, 403, "{name}={bent}");
        }
    }
    let other = format!("{}{}", &path[..path.len() - 1], if path.ends_with('0') { "1" } else { "0" });
    assert_eq!(gateway.get(&format!("{other}?{query}")).send().status, 403);
    assert_eq!(gateway.get("/-/blobs").send().status, 403);
    assert_eq!(gateway.get("/-/blobs/../../etc/passwd?sig=x").send().status, 403);
}

fn a_link_ends_with_its_time_and_knows_no_other_credential(gateway: Gateway) {
    let token = begin(&gateway);
    let link = link(&gateway, &token);
    for authorization in ["Bearer wrong", "token wrong", "Basic eDp5", "nonsense"] {
        assert_eq!(gateway.get(&link).header("Authorization", authorization).send().status, 200);
    }
    gateway.advance_clock(3599);
    assert_eq!(gateway.get(&link).send().status, 200);
    gateway.advance_clock(1);
    let answer = gateway.get(&link).private_token(MAINTAINER).send();
    assert_eq!(blob_error(&answer), (403, "AuthenticationFailed"));
}

fn a_link_to_what_was_deleted_or_has_expired_says_so(gateway: Gateway) {
    let token = begin(&gateway);
    let expiring = json!({"expires_at": "2026-02-01T12:10:00Z"});
    upload(&gateway, &token, "short", b"x", 1000, expiring);
    let short = super::signed(&gateway, &token, "short");
    let link = link(&gateway, &token);
    called(&gateway, &token, "DeleteArtifact", &of_job("bin"));
    assert_eq!(blob_error(&gateway.get(&link).send()), (404, "BlobNotFound"));
    gateway.advance_clock(600);
    assert_eq!(blob_error(&gateway.get(&short).send()).0, 410);
    gateway.sweep();
    assert_eq!(blob_error(&gateway.get(&short).send()).0, 410, "its tombstone is left");
}

fn an_upload_may_take_as_long_as_its_job(gateway: Gateway) {
    let token = begin(&gateway);
    let slow = create(&gateway, &token, "slow", json!({}));
    gateway.advance_clock(23 * 3600);
    assert_eq!(put_block(&gateway, &slow, &super::block_id(0), b"x").status, 201);
    gateway.advance_clock(3600);
    assert_eq!(put_block(&gateway, &slow, &super::block_id(0), b"x").status, 403, "a day is over");
}

fn a_range_outside_is_told_the_size(gateway: Gateway) {
    let token = begin(&gateway);
    let link = link(&gateway, &token);
    let outside = gateway.get(&link).header("Range", "bytes=7-").send();
    assert_eq!(blob_error(&outside), (416, "InvalidRange"));
    assert_eq!(outside.header("content-range"), Some("bytes */7"));
}

fn a_link_is_for_one_method(gateway: Gateway) {
    let token = begin(&gateway);
    let upload = create(&gateway, &token, "new", json!({}));
    assert_eq!(gateway.get(&upload).send().status, 405);
    let link = link(&gateway, &token);
    assert_eq!(put(&gateway, &format!("{link}&comp=block&blockid=QQ%3D%3D"), b"x").status, 405);
    assert_eq!(Request::new(gateway.address, "DELETE", &link).send().status, 405);
    let head = gateway.head(&link).send();
    assert_eq!((head.status, head.header("content-length")), (200, Some("7")));
    let etag = head.header("etag").unwrap().to_owned();
    assert_eq!(gateway.get(&link).header("If-None-Match", &etag).send().status, 304);
}

fn keys_are_exchanged_once_without_harm(gateway: Gateway) {
    let token = begin(&gateway);
    let link = link(&gateway, &token);
    let upload = create(&gateway, &token, "new", json!({}));
    let rotate = |secret: u8| {
        let now = gateway.now();
        gateway.write_catalog(move |db| artigate::catalog::keys::rotate(db, &[secret; 32], now));
    };
    rotate(1);
    // Another node, which has read no keys yet.
    let keys = artigate::auth::keys::SigningKeys::new(gateway.app.catalog.clone());
    let accepted =
        |keys: &artigate::auth::keys::SigningKeys, id| gateway.block_on(keys.find(id)).unwrap().is_some();
    assert!(accepted(&keys, 1) && accepted(&keys, 2));
    assert_eq!(gateway.get(&link).send().status, 200);
    assert_eq!(put_block(&gateway, &upload, "QQ==", b"x").status, 201);
    rotate(2);
    let keys = artigate::auth::keys::SigningKeys::new(gateway.app.catalog.clone());
    assert!(!accepted(&keys, 1) && accepted(&keys, 2) && accepted(&keys, 3));
}
