//! What is stored: the counters that the database keeps, the view of them, quotas, and the removal and moving of projects.

mod at_once;
mod moving;
mod quotas;
mod removal;
mod sequence;

use std::path::Path;

use artigate::access::{AcceptedCredentials, AccessError, Principal};
use artigate::audit::AuditContext;
use artigate::auth::{Credential, Credentials, Shown};
use artigate::catalog::Db;
use artigate::catalog::usage::{self, StorageCounts, StorageView, Stored};
use artigate::domain::scope::Scopes;
use artigate::settings::DatabaseUrl;
use artigate::upstream::Consultation;
use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use diesel::sql_types::BigInt;
use serde_json::{Value, json};

use crate::administration;
use crate::buildkite::agent::Agent;
use crate::github;
use crate::support::fixture::Fixture;
use crate::support::fixtures::{self, ADMIN, ARCHIVE, MAINTAINER, RUNNING, UPLOAD};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Form, Request};
use crate::support::zips;

/// What waits to be removed.
fn to_be_removed(db: &mut Db) -> artigate::domain::Result<Stored> {
    Ok(usage::marked(db)?.plus(usage::leftovers(db)?))
}

/// What the counters say, after a comparison with the artifacts.
fn stored(gateway: &Gateway) -> (i64, i64, i64) {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        artifacts: i64,
        #[diesel(sql_type = BigInt)]
        bytes: i64,
    }
    let select = "SELECT count(*) AS artifacts, CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) AS bytes \
                  FROM artifacts WHERE state = 'finished'";
    let (counted, row) = loop {
        // What a client that has gone sent may come to its end between two reads.
        let before = gateway.catalog(usage::of_all);
        assert_eq!(gateway.catalog(usage::wrong_counters), []);
        let row: Row = gateway.catalog(move |db| Ok(diesel::sql_query(select).get_result(db)?));
        if gateway.catalog(usage::of_all) == before {
            break (before, row);
        }
    };
    assert_eq!(counted, Stored { artifacts: row.artifacts, bytes: row.bytes });
    let waiting = gateway.catalog(to_be_removed).artifacts;
    (counted.artifacts, counted.bytes, waiting)
}

pub fn view(gateway: &Gateway) -> StorageView {
    let now = gateway.now();
    gateway.catalog(move |db| usage::view(db, 50, now))
}

pub fn count(gateway: &Gateway) -> StorageCounts {
    gateway.block_on(gateway.app.retention.count_storage()).unwrap()
}

/// Where the running job uploads an artifact of a kind to.
fn upload_path(kind: &str) -> String {
    let format = match kind {
        "archive" => "zip",
        "junit" => "gzip",
        _ => "raw",
    };
    format!("{UPLOAD}?artifact_type={kind}&artifact_format={format}")
}

/// Uploads an artifact of a kind as the running job.
fn upload(gateway: &Gateway, kind: &str, bytes: &[u8]) -> (u16, String) {
    let form = Form::default().file("a", bytes);
    let answer = gateway.post(&upload_path(kind)).job_token(RUNNING).form(form).send();
    (answer.status, answer.text().to_owned())
}

fn delete(gateway: &Gateway, path: &str) -> u16 {
    Request::new(gateway.address, "DELETE", path).private_token(MAINTAINER).send().status
}

on_both_databases!(
    every_way_in_and_out_keeps_the_counters,
    what_was_stored_before_the_counters_is_counted,
    a_wrong_counter_is_found_and_set_right,
    the_next_sweep_deletes_what_the_view_says,
    growth_is_told_since_the_first_day_that_is_known,
    only_an_administrator_sees_the_storage,
    the_command_shows_the_same_numbers
);

fn every_way_in_and_out_keeps_the_counters(gateway: Gateway) {
    assert_eq!(stored(&gateway), (0, 0, 0));
    let agent = Agent::of_small(&gateway);
    let (count, loaded, _) = stored(&gateway);
    assert!(count == 1 && loaded > 0, "loaded");
    // A runner, GitHub's toolkit in blocks, and an agent's declared files; the same again adds nothing.
    let archive = zips::deflated(&[("x.txt", b"hello"), ("y.txt", b"world")]);
    for _ in 0..2 {
        assert_eq!(upload(&gateway, "archive", &archive).0, 201);
    }
    let size = archive.len() as i64;
    assert_eq!(stored(&gateway), (2, loaded + size, 0));
    let runtime = github::runtime_token(&gateway, "20", RUNNING);
    let blocks = zips::deflated(&[("z.txt", &zips::noise(3000))]);
    github::upload(&gateway, &runtime, "bin", &blocks, 1000, json!({}));
    let after_blocks = loaded + size + blocks.len() as i64;
    assert_eq!(stored(&gateway), (3, after_blocks, 0));
    agent.upload("one", &[("log/a.log", b"12345"), ("log/b.log", b"123"), ("empty", b"")]);
    assert_eq!(stored(&gateway), (6, after_blocks + 8, 0));
    // A file is taken out of an archive: what it was before waits for its readers.
    let list = "/v2/organizations/group/pipelines/project/builds/1/artifacts?per_page=100";
    let listed = gateway.get(list).header("Authorization", &format!("Bearer {MAINTAINER}")).send();
    let listed: Value = serde_json::from_slice(&listed.body).unwrap();
    let url = listed[0]["url"].as_str().unwrap().strip_prefix(&gateway.base_url()).unwrap().to_owned();
    let bearer = format!("Bearer {MAINTAINER}");
    assert_eq!(gateway.request("DELETE", &url).header("Authorization", &bearer).send().status, 204);
    let (count, rewritten, waiting) = stored(&gateway);
    assert!(count == 6 && rewritten < after_blocks + 8 && waiting == 1);
    assert_eq!(gateway.catalog(to_be_removed).bytes, loaded);
    // Deleted, erased, purged, expired: each waits until a sweep has removed its bytes.
    assert_eq!(delete(&gateway, ARCHIVE), 204);
    let (count, _, waiting) = stored(&gateway);
    assert_eq!((count, waiting), (5, 2));
    gateway.advance_clock(15 * 60);
    gateway.sweep();
    assert_eq!((stored(&gateway).0, stored(&gateway).2), (5, 0));
    let done = Fixture::project("group/project").pipeline(200, "main").status("success");
    done.job(20, "build").status("success").load(&gateway);
    let erased = gateway.post("/api/v4/projects/1/jobs/20/erase").private_token(MAINTAINER).send();
    assert_eq!(erased.status, 201, "{}", erased.text());
    assert_eq!(stored(&gateway), (0, 0, 5));
    gateway.sweep();
    assert_eq!(stored(&gateway), (0, 0, 0));
    let more = Fixture::project("group/project").pipeline(300, "old").status("failed").job(30, "a");
    let more = more.archive(b"expires").expire_in("1 hour").job(31, "b").archive(b"is purged");
    more.job(32, "c").archive(b"first").load(&gateway);
    assert_eq!(stored(&gateway), (3, 7 + 9 + 5, 0));
    Fixture::project("group/project")
        .pipeline(300, "old")
        .status("failed")
        .job(32, "c")
        .archive(b"other")
        .load(&gateway);
    assert_eq!(stored(&gateway), (3, 7 + 9 + 5, 1), "a registry file replaces bytes");
    gateway.advance_clock(3600);
    assert_eq!(delete(&gateway, "/api/v4/projects/1/artifacts"), 202);
    assert_eq!(stored(&gateway), (3, 7 + 9 + 5, 1), "nothing is marked yet");
    gateway.sweep();
    assert_eq!(stored(&gateway), (0, 0, 0));
    // The tombstone of what has expired counts for nothing, nor does its end.
    gateway.advance_clock(401 * 86_400);
    gateway.sweep();
    assert_eq!(stored(&gateway), (0, 0, 0));
}

fn what_was_stored_before_the_counters_is_counted(gateway: Gateway) {
    expiring(&gateway);
    assert_eq!(delete(&gateway, "/api/v4/projects/1/jobs/10/artifacts"), 204);
    let before = stored(&gateway);
    let database = match gateway.app.settings.database {
        DatabaseUrl::Sqlite(_) => "sqlite",
        DatabaseUrl::Postgres(_) => "postgres",
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(database);
    let undo = std::fs::read_to_string(folder.join("2026-11-26-000800_storage/down.sql")).unwrap();
    gateway.write_catalog(move |db| {
        db.batch_execute(&undo)?;
        db.batch_execute("DELETE FROM __diesel_schema_migrations WHERE version = '20261126000800'")?;
        // As a node of the release before leaves them.
        db.batch_execute("UPDATE artifacts SET size_bytes = size_bytes + 1 WHERE state = 'finished'")?;
        Ok(())
    });
    assert_eq!(gateway.app.catalog.migrate().unwrap(), 1);
    assert_eq!(stored(&gateway), (before.0, before.1 + before.0, before.2));
    Fixture::project("group/project").pipeline(300, "x").job(300, "a").archive(b"more").load(&gateway);
    assert_eq!(stored(&gateway), (before.0 + 1, before.1 + before.0 + 4, before.2));
}

fn a_wrong_counter_is_found_and_set_right(gateway: Gateway) {
    fixtures::small(&gateway, b"bytes");
    gateway.write_catalog(|db| {
        Ok(diesel::sql_query("UPDATE project_usage SET stored = stored + 2, stored_bytes = 1").execute(db)?)
    });
    let found = gateway.block_on(gateway.app.retention.check_counters()).unwrap();
    let [finding] = &found[..] else { panic!("{found:?}") };
    assert_eq!(
        finding.to_string(),
        "project 1, archive: counted 2 artifacts of -4 bytes too many, and 0 of 0 bytes too many that wait to be \
         removed; the counters are set right"
    );
    assert_eq!(stored(&gateway), (1, 5, 0));
    assert_eq!(gateway.block_on(gateway.app.retention.check_counters()).unwrap(), []);
}

/// Three refs, one with a child; what is old has expired, as far as it does at all.
pub fn expiring(gateway: &Gateway) {
    let made = Fixture::project("group/project").members().pipeline(100, "main").job(10, "a");
    let made = made.archive(b"old").expire_in("1 hour").artifact("trace", b"log").expire_in("1 hour");
    let made = made.pipeline(101, "main").job(11, "a").archive(b"newest").expire_in("1 hour");
    let made = made.pipeline(102, "main").status("failed").child_of(101);
    let made = made.job(12, "a").archive(b"below it").expire_in("1 hour");
    let made =
        made.pipeline(103, "other").status("failed").job(13, "a").archive(b"failed").expire_in("1 hour");
    let made = made.job(14, "b").archive(b"tomorrow").expire_in("20 hours");
    let made = made.job(15, "c").archive(b"next week!").expire_in("5 days").job(16, "d").archive(b"never");
    let made = made.and_project("group/other").members().keep_latest(false).pipeline(200, "main");
    made.job(20, "a").archive(b"is purged").job(21, "b").archive(b"both").expire_in("1 hour").load(gateway);
}

fn the_next_sweep_deletes_what_the_view_says(gateway: Gateway) {
    assert_eq!(view(&gateway).counted_at, None);
    expiring(&gateway);
    gateway.advance_clock(3600);
    assert_eq!(delete(&gateway, "/api/v4/projects/2/artifacts"), 202);
    let counts = count(&gateway);
    assert_eq!(view(&gateway).counts, counts);
    assert_eq!(view(&gateway).counted_at, Some(gateway.now()));
    let found = |artifacts, bytes: &[&[u8]]| Stored { artifacts, bytes: bytes.concat().len() as i64 };
    assert_eq!(counts.expired, found(5, &[b"old", b"newest", b"below it", b"failed", b"both"]));
    assert_eq!(counts.expired_since, Some(gateway.now()));
    assert_eq!(counts.expiring_in_a_day, found(1, &[b"tomorrow"]));
    assert_eq!(counts.expiring_in_a_week, found(2, &[b"tomorrow", b"next week!"]));
    assert_eq!(counts.locked, found(2, &[b"newest", b"below it"]));
    assert_eq!(counts.next_sweep, found(4, &[b"old", b"failed", b"both", b"is purged"]));
    let first: Vec<(&str, i64, bool)> = counts
        .next_sweep_first
        .iter()
        .map(|it| (it.project.as_str(), it.job_id, it.expire_at.is_some()))
        .collect();
    let (project, other) = ("group/project", "group/other");
    assert_eq!(first, [(project, 10, true), (project, 13, true), (other, 21, true), (other, 20, false)]);
    let (artifacts, bytes, _) = stored(&gateway);
    let swept = gateway.sweep();
    assert_eq!(swept.expired as i64, counts.next_sweep.artifacts);
    assert_eq!(swept.removed.blobs as i64, counts.next_sweep.artifacts);
    let left = (artifacts - counts.next_sweep.artifacts, bytes - counts.next_sweep.bytes, 0);
    assert_eq!(stored(&gateway), left);
    assert_eq!(count(&gateway).next_sweep, Stored::default());
}

fn growth_is_told_since_the_first_day_that_is_known(gateway: Gateway) {
    Fixture::project("group/project").pipeline(1, "main").job(10, "a").archive(b"12345").load(&gateway);
    assert_eq!(view(&gateway).growth, None);
    count(&gateway);
    let grown = |gateway: &Gateway| {
        let view = view(gateway);
        let (all, own) = (view.growth.unwrap(), view.projects[0].growth.unwrap());
        assert_eq!(all, own);
        (all.since.to_string()[..10].to_owned(), all.artifacts, all.bytes)
    };
    assert_eq!(grown(&gateway), ("2026-02-01".into(), 0, 0));
    gateway.advance_clock(86_400);
    Fixture::project("group/project").pipeline(1, "main").job(11, "b").archive(b"123").load(&gateway);
    count(&gateway);
    assert_eq!(grown(&gateway), ("2026-02-01".into(), 1, 3));
    gateway.advance_clock(29 * 86_400);
    count(&gateway);
    assert_eq!(grown(&gateway), ("2026-02-01".into(), 1, 3));
    gateway.advance_clock(86_400);
    count(&gateway);
    assert_eq!(grown(&gateway), ("2026-02-02".into(), 0, 0), "30 days ago it was there");
    gateway.write_catalog(|db| {
        artigate::catalog::tombstones::soft_delete_job(
            db,
            10,
            true,
            artigate::domain::Timestamp::from_millis(0),
        )
        .map(drop)
    });
    assert_eq!(grown(&gateway), ("2026-02-02".into(), -1, -5));
}

fn only_an_administrator_sees_the_storage(gateway: Gateway) {
    fixtures::small(&gateway, b"bytes");
    let ask = |token: &str| {
        let list = vec![Credential::Personal(Shown::Token(token.to_owned().into()))];
        let credentials =
            Credentials { list, audit: AuditContext::default(), asked: Consultation::default() };
        let (accepted, now) = (AcceptedCredentials::UserOnly, gateway.now());
        let principal = Principal { credentials, accepted, scopes: Scopes::READ, now };
        gateway.block_on(gateway.app.access.storage(&principal, 50))
    };
    let shown = ask(ADMIN).unwrap();
    assert_eq!(shown, view(&gateway));
    assert_eq!((shown.stored.artifacts, shown.projects[0].path.as_str()), (1, "group/project"));
    assert!(matches!(ask(MAINTAINER), Err(AccessError::NotAdministrator)));
    assert!(matches!(ask("glpat-unknown"), Err(AccessError::Credential(_))));
}

fn the_command_shows_the_same_numbers(gateway: Gateway) {
    // The command's clock is the machine's: everything has expired.
    expiring(&gateway);
    let shown = administration::parsed(&gateway, &["project", "list", "--usage"]);
    let seen = serde_json::to_value(view(&gateway)).unwrap();
    assert_eq!(shown["stored"], seen["stored"]);
    assert_eq!(shown["counts"], seen["counts"]);
    assert_eq!(shown["projects"][0]["path"], "group/project");
    assert_eq!(shown["projects"][0]["artifacts"], 8);
    assert_eq!(shown["counts"]["next_sweep"], json!({"artifacts": 5, "bytes": 3 + 6 + 8 + 10 + 4}));
    let text = administration::done(&gateway, &["project", "list", "--usage"]);
    for part in ["group/other", "the next sweep deletes", "5 artifacts, 31 B", "not looked for yet"] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    gateway.collect(std::time::Duration::ZERO).unwrap();
    let text = administration::done(&gateway, &["project", "list", "--usage"]);
    assert!(text.contains("none (at "), "{text}");
}

/// What nobody names is told with its age, and whether it is gone.
#[test]
fn the_view_tells_what_a_collection_found() {
    let gateway = Gateway::on_sqlite();
    fixtures::small(&gateway, b"bytes");
    gateway.write_catalog(|db| {
        Ok(diesel::sql_query("DELETE FROM artifacts WHERE job_id = 10").execute(db).map(drop)?)
    });
    gateway.silence_writers();
    let collected = gateway.collect(std::time::Duration::ZERO).unwrap();
    assert_eq!(collected.orphans, 1);
    let found = view(&gateway).collection;
    assert_eq!((found.orphans, found.bytes, found.deleted), (1, 5, true));
    assert!(found.oldest_at.is_some());
    assert_eq!(view(&gateway).collected_at, Some(gateway.now()));
}
