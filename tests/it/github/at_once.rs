//! The same request twice at once: the second one meets what the first one did between two of its own steps.
//!
//! The first request is carried out by a transaction that holds the second one up, so that PostgreSQL alone
//! orders them.

use artigate::catalog::uploads::{self, ReceiveOutcome};
use artigate::domain::Sha256Digest;
use artigate::domain::artifact::UploadState;
use diesel::RunQueryDsl;
use serde_json::{Value, json};

use super::pieces::{contents_of, finish, upload_of};
use super::{begin, block_id, call, create, of_job, put_block, put_list, with};
use crate::support::beside::{beside, until_another_waits};
use crate::support::gateway::Gateway;

#[test]
fn a_list_that_another_request_carries_out_meanwhile_is_accepted() {
    // Without a limit nobody looks at the pieces before the list does.
    let gateway = Gateway::on_postgres_with(|settings| settings.max_artifact_bytes = None);
    let token = begin(&gateway);
    let link = create(&gateway, &token, "bin", json!({}));
    let id = block_id(0);
    assert_eq!(put_block(&gateway, &link, &id, b"piece").status, 201);
    let (address, upload_id) = (gateway.address, upload_of(&gateway, &link).id);
    let answer = gateway.write_catalog(move |db| {
        let pieces: Vec<_> = uploads::pieces(db, upload_id)?.into_values().collect();
        let contents = contents_of(&pieces[0]);
        diesel::sql_query("LOCK TABLE upload_pieces IN ACCESS EXCLUSIVE MODE").execute(db)?;
        let list = id.clone();
        let answer = beside(move || put_list(&address, &link, [list.as_str()]));
        until_another_waits(db)?;
        let digest = Sha256Digest::of(id.as_bytes());
        let received = uploads::receive(db, (upload_id, UploadState::Open), &pieces, &contents, digest)?;
        assert!(matches!(received, ReceiveOutcome::Received(_)), "{received:?}");
        Ok(answer)
    });
    let answer = answer.join().unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(finish(&gateway, &token, "bin", 5), b"piece");
}

#[test]
fn an_upload_that_another_request_completes_meanwhile_is_the_same_artifact() {
    let gateway = Gateway::on_postgres_with(|_| {});
    let token = begin(&gateway);
    let link = create(&gateway, &token, "bin", json!({}));
    assert_eq!(put_block(&gateway, &link, &block_id(0), b"piece").status, 201);
    assert_eq!(put_list(&gateway, &link, [block_id(0)]).status, 201);
    let (address, upload, now) = (gateway.address, upload_of(&gateway, &link), gateway.now());
    let (completed, answer) = gateway.write_catalog(move |db| {
        let completed = uploads::complete(db, &upload, now)?;
        let request = with(of_job("bin"), json!({"size": "5"}));
        let answer = beside(move || call(&address, &token, "FinalizeArtifact", &request));
        until_another_waits(db)?;
        Ok((completed, answer))
    });
    let answer = answer.join().unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let id = serde_json::from_slice::<Value>(&answer.body).unwrap()["artifact_id"].clone();
    let artigate::catalog::artifacts::InsertOutcome::Inserted(first) = completed.unwrap() else {
        panic!("the first request made an artifact");
    };
    assert_eq!(id, json!(first.to_string()));
}
