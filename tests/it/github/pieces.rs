//! Uploads in pieces: out of order, repeated, cut, too many, too large, given up, and beside `gc`.

use std::time::Duration;

use artigate::catalog::artifacts::BlobInfo;
use artigate::catalog::uploads::{self, Piece, ReceiveOutcome};
use artigate::domain::Sha256Digest;
use artigate::domain::artifact::UploadState;
use serde_json::json;

use super::{begin, blob_error, block_id, called, create, of_job, put, put_block, put_list, signed, with};
use crate::support::bucket;
use crate::support::gateway::Gateway;
use crate::support::http_client::{Request, chunks};

on_both_databases!(
    only_the_list_orders_blocks_and_a_later_one_replaces,
    block_ids_that_are_none_are_refused,
    an_upload_is_no_larger_than_an_artifact_may_be,
    a_list_that_was_carried_out_is_accepted_again_and_no_other,
    gc_spares_pieces_until_their_upload_is_given_up,
    an_upload_ends_with_its_job,
    an_upload_of_a_job_that_runs_again_goes_on,
    a_block_sent_again_while_the_list_is_carried_out_is_not_lost,
    an_upload_that_was_abandoned_becomes_no_artifact,
    what_is_busy_says_when_to_come_again,
    an_upload_has_so_many_blocks_and_no_more,
    chunked_bodies_and_whole_blobs_are_taken
);

pub(super) fn finish(gateway: &Gateway, token: &str, name: &str, size: usize) -> Vec<u8> {
    called(gateway, token, "FinalizeArtifact", &with(of_job(name), json!({"size": size.to_string()})));
    gateway.get(&signed(gateway, token, name)).send().body
}

fn only_the_list_orders_blocks_and_a_later_one_replaces(gateway: Gateway) {
    let token = begin(&gateway);
    let link = create(&gateway, &token, "bin", json!({}));
    let ids: Vec<String> = (0..4).map(block_id).collect();
    for (number, bytes) in [(2, b"cc"), (0, b"aa"), (3, b"dd"), (1, b"xx"), (1, b"bb")] {
        assert_eq!(put_block(&gateway, &link, &ids[number], bytes).status, 201);
    }
    let unknown = put_list(&gateway, &link, [ids[0].as_str(), block_id(9).as_str()]);
    assert_eq!(blob_error(&unknown), (400, "InvalidBlockList"));
    // The fourth block is not listed, and so dropped.
    assert_eq!(put_list(&gateway, &link, ids[..3].iter().map(String::as_str)).status, 201);
    assert_eq!(finish(&gateway, &token, "bin", 6), b"aabbcc");
    gateway.until_blobs(2);
    assert_eq!(gateway.collect(Duration::ZERO).unwrap().orphans, 0, "no piece is left");
}

fn block_ids_that_are_none_are_refused(gateway: Gateway) {
    let token = begin(&gateway);
    let link = create(&gateway, &token, "bin", json!({}));
    let long = base64_of(&[b'x'; 65]);
    for id in ["", "x", "..%2F..%2Fmyfile", "%00", "Q", &long] {
        let answer = put(&gateway, &format!("{link}&comp=block&blockid={id}"), b"x");
        assert_eq!(blob_error(&answer), (400, "InvalidQueryParameterValue"), "{id}");
    }
    assert_eq!(put(&gateway, &format!("{link}&comp=block"), b"x").status, 400);
    assert_eq!(put(&gateway, &format!("{link}&comp=pages"), b"x").status, 400);
    assert_eq!(put(&gateway, &link, b"x").status, 400);
    for xml in ["", "<a/>", "<BlockList><Latest>../x</Latest></BlockList>"] {
        assert_eq!(put(&gateway, &format!("{link}&comp=blocklist"), xml.as_bytes()).status, 400, "{xml}");
    }
    let many = format!("<BlockList>{}</BlockList>", "<Latest>QQ==</Latest>".repeat(50_001));
    let answer = put(&gateway, &format!("{link}&comp=blocklist"), many.as_bytes());
    assert_eq!(blob_error(&answer), (400, "BlockListTooLong"));
    // A short list of one large block would else make any amount of bytes of it.
    let block = block_id(0);
    assert_eq!(put_block(&gateway, &link, &block, b"piece").status, 201);
    let twice = put_list(&gateway, &link, [block.as_str(), block.as_str()]);
    assert_eq!(blob_error(&twice), (400, "InvalidBlockList"));
    assert_eq!(put_list(&gateway, &link, [block.as_str()]).status, 201);
}

fn base64_of(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::prelude::BASE64_STANDARD.encode(bytes).replace('=', "%3D")
}

fn an_upload_is_no_larger_than_an_artifact_may_be(gateway: Gateway) {
    let token = begin(&gateway);
    gateway.load("projects: [{id: 1, path: group/project, max_artifact_size: 10}]");
    let link = create(&gateway, &token, "bin", json!({}));
    assert_eq!(put_block(&gateway, &link, &block_id(0), b"123456").status, 201);
    assert_eq!(blob_error(&put_block(&gateway, &link, &block_id(1), b"12345")), (413, "RequestBodyTooLarge"));
    assert_eq!(put_block(&gateway, &link, &block_id(2), &[b'x'; 11]).status, 413);
    assert_eq!(put_block(&gateway, &link, &block_id(1), b"1234").status, 201, "exactly the limit");
    let ids = [block_id(0), block_id(1)];
    assert_eq!(put_list(&gateway, &link, &ids).status, 201);
    assert_eq!(finish(&gateway, &token, "bin", 10), b"1234561234");
}

fn a_list_that_was_carried_out_is_accepted_again_and_no_other(gateway: Gateway) {
    let token = begin(&gateway);
    let link = create(&gateway, &token, "bin", json!({}));
    let ids = [block_id(0), block_id(1)];
    for id in &ids {
        assert_eq!(put_block(&gateway, &link, id, id.as_bytes()).status, 201);
    }
    let in_order = || put_list(&gateway, &link, &ids).status;
    assert_eq!((in_order(), in_order()), (201, 201));
    assert_eq!(put_list(&gateway, &link, ids.iter().rev().map(String::as_str)).status, 403);
    assert_eq!(put_block(&gateway, &link, &block_id(2), b"x").status, 403);
    let expected = ids.concat();
    assert_eq!(finish(&gateway, &token, "bin", expected.len()), expected.as_bytes());
    assert_eq!(in_order(), 403, "it is an artifact now");
}

fn gc_spares_pieces_until_their_upload_is_given_up(gateway: Gateway) {
    let token = begin(&gateway);
    let link = create(&gateway, &token, "bin", json!({}));
    assert_eq!(put_block(&gateway, &link, &block_id(0), b"piece").status, 201);
    gateway.silence_writers();
    let collected = gateway.collect(Duration::ZERO).unwrap();
    assert_eq!((collected.orphans, collected.unfinished), (0, 0), "a row references it");
    gateway.sweep();
    gateway.until_blobs(2);
    // A second upload of the name takes the place of the first, whose link is void.
    let again = create(&gateway, &token, "bin", json!({}));
    assert_eq!(put_block(&gateway, &link, &block_id(1), b"late").status, 403);
    gateway.sweep();
    gateway.until_blobs(1);
    // The writer that was taken for dead is noticed by the first block, and the client sends that again.
    assert_eq!(put_block(&gateway, &again, &block_id(0), b"piece").status, 503);
    assert_eq!(put_block(&gateway, &again, &block_id(0), b"piece").status, 201);
    gateway.advance_clock(86_400 + 1);
    gateway.sweep();
    gateway.silence_writers();
    assert_eq!(gateway.collect(Duration::ZERO).unwrap().orphans, 1, "the block of the dead writer");
    gateway.until_blobs(1);
    assert_eq!(put_list(&gateway, &again, [block_id(0)]).status, 403, "a day is over");
}

fn an_upload_ends_with_its_job(gateway: Gateway) {
    let token = begin(&gateway);
    let link = create(&gateway, &token, "bin", json!({}));
    assert_eq!(put_block(&gateway, &link, &block_id(0), b"piece").status, 201);
    gateway.load(
        "projects: [{id: 1, path: group/project, pipelines: [{id: 200, ref: main, sha: bbbb, status: running,
            jobs: [{id: 20, name: build, status: failed, finished_at: 2026-02-01T12:00:00Z}]}]}]",
    );
    assert_eq!(blob_error(&put_block(&gateway, &link, &block_id(1), b"late")), (403, "AuthenticationFailed"));
    gateway.advance_clock(3601);
    gateway.sweep();
    gateway.until_blobs(1);
}

fn an_upload_of_a_job_that_runs_again_goes_on(gateway: Gateway) {
    let token = begin(&gateway);
    let link = create(&gateway, &token, "bin", json!({}));
    gateway.write_catalog(|db| {
        use diesel::RunQueryDsl;
        Ok(diesel::sql_query("UPDATE jobs SET finished_at = 1000 WHERE id = 20").execute(db).map(drop)?)
    });
    gateway.sweep();
    assert_eq!(put_block(&gateway, &link, &block_id(0), b"piece").status, 201);
}

/// The upload that a link is for.
pub(super) fn upload_of(gateway: &Gateway, link: &str) -> uploads::PieceUpload {
    let uuid = link.trim_start_matches("/-/blobs/").split('?').next().unwrap().parse().unwrap();
    gateway.catalog(move |db| uploads::find(db, uuid)).unwrap()
}

/// The blob that a piece is.
pub(super) fn contents_of(piece: &Piece) -> BlobInfo {
    BlobInfo {
        size_bytes: piece.size_bytes as u64,
        sha256: Sha256Digest::of(b"whatever it is"),
        store_key: piece.store_key.clone(),
        tail_bytes: None,
        sha1: None,
        crc32: None,
    }
}

/// Carries out a list as a node does that has read `pieces` and made a blob of the first one.
fn receive(gateway: &Gateway, upload_id: i64, pieces: Vec<Piece>) -> ReceiveOutcome {
    let contents = contents_of(&pieces[0]);
    gateway.write_catalog(move |db| {
        uploads::receive(db, (upload_id, UploadState::Open), &pieces, &contents, Sha256Digest::of(b"list"))
    })
}

fn a_block_sent_again_while_the_list_is_carried_out_is_not_lost(gateway: Gateway) {
    let token = begin(&gateway);
    let link = create(&gateway, &token, "bin", json!({}));
    assert_eq!(put_block(&gateway, &link, &block_id(0), b"first").status, 201);
    let upload_id = upload_of(&gateway, &link).id;
    let read = gateway.catalog(move |db| uploads::pieces(db, upload_id));
    // The blob that was read is deleted here.
    assert_eq!(put_block(&gateway, &link, &block_id(0), b"again").status, 201);
    let outcome = receive(&gateway, upload_id, read.into_values().collect());
    assert_eq!(outcome, ReceiveOutcome::Changed);
    assert_eq!(put_list(&gateway, &link, [block_id(0)]).status, 201);
    assert_eq!(finish(&gateway, &token, "bin", 5), b"again");
}

fn an_upload_that_was_abandoned_becomes_no_artifact(gateway: Gateway) {
    let token = begin(&gateway);
    let link = create(&gateway, &token, "bin", json!({}));
    assert_eq!(put_block(&gateway, &link, &block_id(0), b"first").status, 201);
    assert_eq!(put_list(&gateway, &link, [block_id(0)]).status, 201);
    let received = upload_of(&gateway, &link);
    create(&gateway, &token, "bin", json!({}));
    let now = gateway.now();
    let completed = gateway.write_catalog(move |db| uploads::complete(db, &received, now));
    assert!(completed.is_none(), "{completed:?}");
}

fn what_is_busy_says_when_to_come_again(gateway: Gateway) {
    let token = begin(&gateway);
    let link = create(&gateway, &token, "bin", json!({}));
    assert_eq!(put_block(&gateway, &link, &block_id(0), b"piece").status, 201);
    gateway.silence_writers();
    gateway.collect(Duration::ZERO).unwrap();
    // The writer of this node was taken for dead.
    let busy = put_block(&gateway, &link, &block_id(0), b"piece");
    assert_eq!(blob_error(&busy), (503, "ServerBusy"));
    assert_eq!(busy.header("retry-after"), Some("5"));
}

fn an_upload_has_so_many_blocks_and_no_more(gateway: Gateway) {
    let token = begin(&gateway);
    let link = create(&gateway, &token, "bin", json!({}));
    assert_eq!(put_block(&gateway, &link, &block_id(0), b"first").status, 201);
    gateway.write_catalog(|db| {
        use diesel::RunQueryDsl;
        Ok(diesel::sql_query("UPDATE uploads SET pieces = 50000").execute(db).map(drop)?)
    });
    let one_more = put_block(&gateway, &link, &block_id(1), b"one more");
    assert_eq!(blob_error(&one_more), (409, "BlockCountExceedsLimit"));
    gateway.until_blobs(2);
    assert_eq!(put_block(&gateway, &link, &block_id(0), b"again").status, 201);
    gateway.write_catalog(|db| {
        use diesel::RunQueryDsl;
        Ok(diesel::sql_query("UPDATE uploads SET pieces = 49999").execute(db).map(drop)?)
    });
    assert_eq!(put_block(&gateway, &link, &block_id(1), b" and more").status, 201, "exactly the limit");
    let ids = [block_id(0), block_id(1)];
    assert_eq!(put_list(&gateway, &link, &ids).status, 201);
    assert_eq!(finish(&gateway, &token, "bin", 14), b"again and more");
}

fn chunked_bodies_and_whole_blobs_are_taken(gateway: Gateway) {
    let token = begin(&gateway);
    let link = create(&gateway, &token, "bin", json!({}));
    let id = block_id(0).replace('=', "%3D");
    let request = Request::new(gateway.address, "PUT", &format!("{link}&comp=block&blockid={id}"));
    assert_eq!(request.chunked(b"chunked bytes", 5).send().status, 201);
    // One that is cut is none.
    let cut = Request::new(gateway.address, "PUT", &format!("{link}&comp=block&blockid=QQ%3D%3D"))
        .header("Content-Length", "100");
    let mut stream = cut.connect();
    std::io::Write::write_all(&mut stream, &chunks(b"", 1)).unwrap();
    drop(stream);
    assert_eq!(put_list(&gateway, &link, ["QQ=="]).status, 400, "a block that was cut has not arrived");
    assert_eq!(put_list(&gateway, &link, [block_id(0)]).status, 201);
    assert_eq!(finish(&gateway, &token, "bin", 13), b"chunked bytes");
    let whole = create(&gateway, &token, "whole", json!({}));
    let request = Request::new(gateway.address, "PUT", &whole).header("x-ms-blob-type", "BlockBlob");
    assert_eq!(request.body(b"all of it".to_vec()).send().status, 201);
    let again = Request::new(gateway.address, "PUT", &whole).header("x-ms-blob-type", "BlockBlob");
    assert_eq!(again.body(b"all of it".to_vec()).send().status, 201, "its answer may have been lost");
    assert_eq!(finish(&gateway, &token, "whole", 9), b"all of it");
}

/// Pieces in a bucket, of which no two nodes need to see the same.
#[test]
fn pieces_go_through_a_bucket() {
    let gateway = Gateway::in_a_bucket(bucket::server(), |_| {});
    let token = begin(&gateway);
    let content: Vec<u8> = (0..6_000_000u32).map(|n| (n * 7 % 251) as u8).collect();
    let link = create(&gateway, &token, "bin", json!({}));
    let ids: Vec<String> = (0..3).map(block_id).collect();
    for (id, block) in ids.iter().zip(content.chunks(2_000_000)) {
        assert_eq!(put_block(&gateway, &link, id, block).status, 201);
    }
    assert_eq!(put_list(&gateway, &link, &ids).status, 201);
    assert!(finish(&gateway, &token, "bin", content.len()) == content);
}
