//! Uploads in place of an artifact that has expired, or whose blob the store has lost.

use crate::support::fixtures::{self, RUNNING, UPLOAD, UPLOADED};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Form};

const DAY: i64 = 86_400;

fn upload(gateway: &Gateway, query: &str, bytes: &[u8]) -> Answer {
    let form = Form::default().file("artifacts.zip", bytes);
    gateway.post(&format!("{UPLOAD}?{query}")).job_token(RUNNING).form(form).send()
}

fn read(gateway: &Gateway) -> (u16, Vec<u8>) {
    let answer = gateway.get(UPLOADED).send();
    (answer.status, answer.body)
}

/// The blob of the one artifact that job 20 has, beside the one of the world.
fn blob_of(gateway: &Gateway) -> std::path::PathBuf {
    let key = gateway.catalog(|db| {
        let found = artigate::catalog::artifacts::of_job(db, 20)?;
        assert_eq!(found.len(), 1);
        Ok(found[0].store_key.clone())
    });
    gateway.path().join("blobs").join(key)
}

on_both_databases!(
    what_has_expired_gives_up_its_place_to_the_same_bytes_and_to_others,
    what_is_kept_or_locked_keeps_its_place_past_its_expiry,
    many_uploads_in_the_place_of_what_has_expired_have_one_winner,
    an_upload_beside_deletes_is_there_or_was_refused,
    bytes_that_the_store_has_lost_are_taken_again,
    other_bytes_take_the_place_of_what_the_store_has_lost,
    what_a_document_names_is_made_again_once_it_has_expired
);

fn what_has_expired_gives_up_its_place_to_the_same_bytes_and_to_others(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    for bytes in [&b"first"[..], b"first", b"other"] {
        assert_eq!(upload(&gateway, "expire_in=1+day", bytes).error(), (201, "201"));
        assert_eq!(read(&gateway), (200, bytes.to_vec()));
        gateway.advance_clock(DAY);
        assert_eq!(read(&gateway).0, 404);
    }
    assert_eq!(upload(&gateway, "expire_in=never", b"last").error(), (201, "201"));
    gateway.advance_clock(100 * DAY);
    assert_eq!(gateway.sweep().expired, 0, "what gave up its place is gone as by a sweep");
    assert_eq!(read(&gateway), (200, b"last".to_vec()));
    gateway.until_blobs(2);
}

fn what_is_kept_or_locked_keeps_its_place_past_its_expiry(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    let occupied = (400, r#"{"message":"another artifact of the same type already exists"}"#);
    assert_eq!(upload(&gateway, "expire_in=1+day", b"kept").status, 201);
    let keep = gateway.post(&format!("{UPLOADED}/keep")).private_token(fixtures::MAINTAINER).body(vec![]);
    assert_eq!(keep.send().status, 200);
    gateway.advance_clock(2 * DAY);
    assert_eq!(upload(&gateway, "", b"other").error(), occupied);
    assert_eq!(
        upload(&gateway, "artifact_type=sast&artifact_format=raw&expire_in=1+day", b"locked").status,
        201
    );
    gateway.advance_clock(2 * DAY);
    // The pipeline is its ref's newest successful one, though a job still runs in it.
    gateway.load("projects: [{id: 1, path: group/project, pipelines: [{id: 200, ref: main, sha: bbbb, status: success}]}]");
    assert_eq!(upload(&gateway, "artifact_type=sast&artifact_format=raw", b"other").error(), occupied);
    assert_eq!(gateway.get(&format!("{UPLOADED}?file_type=sast")).send().text(), "locked");
    assert_eq!(read(&gateway), (200, b"kept".to_vec()));
}

fn many_uploads_in_the_place_of_what_has_expired_have_one_winner(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    assert_eq!(upload(&gateway, "expire_in=1+day", b"expired").status, 201);
    gateway.advance_clock(DAY);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let gateway = &gateway;
        let uploads: Vec<_> = (0..8)
            .map(|number| {
                scope.spawn(move || upload(gateway, "", format!("bytes of {number}").as_bytes()).status)
            })
            .collect();
        uploads.into_iter().map(|upload| upload.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 7, "{statuses:?}");
    assert!(read(&gateway).1.starts_with(b"bytes of "));
}

fn an_upload_beside_deletes_is_there_or_was_refused(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    for round in 0..20 {
        let bytes = format!("bytes of {round}");
        let status = std::thread::scope(|scope| {
            let delete = scope.spawn(|| {
                let request = crate::support::http_client::Request::new(gateway.address, "DELETE", UPLOADED);
                assert_eq!(request.private_token(fixtures::MAINTAINER).send().status, 204);
            });
            let status = upload(&gateway, "", bytes.as_bytes()).status;
            delete.join().unwrap();
            status
        });
        assert!(matches!(status, 201 | 400), "round {round}: {status}");
    }
}

fn bytes_that_the_store_has_lost_are_taken_again(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    let query = "expire_in=1+day&accessibility=private";
    assert_eq!(upload(&gateway, query, b"bytes").status, 201);
    std::fs::remove_file(blob_of(&gateway)).unwrap();
    let as_member = || gateway.get(UPLOADED).private_token(fixtures::DEVELOPER).send();
    assert_eq!(as_member().status, 404);
    assert_eq!(upload(&gateway, "", b"bytes").error(), (201, "201"));
    assert_eq!(as_member().text(), "bytes");
    assert_eq!(read(&gateway).0, 403, "who may read it is as it was said first");
    std::fs::write(blob_of(&gateway), b"by").unwrap();
    assert_eq!(upload(&gateway, "", b"bytes").error(), (201, "201"));
    assert_eq!(as_member().text(), "bytes");
    assert_eq!(upload(&gateway, "", b"bytes").error(), (201, "201"), "and now it is there");
    gateway.advance_clock(DAY);
    assert_eq!(as_member().status, 404, "so is its expiry");
    gateway.sweep();
    gateway.until_blobs(1);
}

fn other_bytes_take_the_place_of_what_the_store_has_lost(gateway: Gateway) {
    fixtures::small(&gateway, b"");
    assert_eq!(upload(&gateway, "accessibility=private", b"lost").status, 201);
    std::fs::remove_file(blob_of(&gateway)).unwrap();
    assert_eq!(upload(&gateway, "", b"other").error(), (201, "201"));
    assert_eq!(read(&gateway), (200, b"other".to_vec()));
    assert_eq!(upload(&gateway, "", b"third").status, 400);
    gateway.sweep();
    gateway.until_blobs(2);
}

fn what_a_document_names_is_made_again_once_it_has_expired(gateway: Gateway) {
    gateway.write_file("a.txt", b"bytes");
    let document = "projects: [{id: 1, path: group/project, visibility: public, pipelines: [{id: 100, ref: main, sha: a, status: running, jobs: [{id: 20, name: build, status: success, artifacts: [{file: a.txt, expire_in: 1 day}]}]}]}]";
    gateway.load(document);
    gateway.advance_clock(DAY / 2);
    gateway.load(document);
    gateway.advance_clock(DAY / 2);
    assert_eq!(read(&gateway).0, 404, "it counts from the first load");
    gateway.load(document);
    assert_eq!(read(&gateway), (200, b"bytes".to_vec()));
    gateway.advance_clock(DAY);
    assert_eq!(read(&gateway).0, 404);
    gateway.sweep();
    gateway.until_blobs(0);
}
