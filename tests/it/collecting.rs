//! Decisions of `gc`: which blobs are in use, and which clock counts.

mod instances;

use std::io::Write;
use std::time::Duration;

use artigate::catalog::artifacts::{self, InsertOutcome};
use artigate::catalog::writers::{self, Purpose};
use artigate::catalog::{clock, leases};
use artigate::domain::ErrorKind;
use artigate::registry;
use artigate::retention::{self, Collected, Terms};
use artigate::store::{Store, StoreKey, StoredBlob};
use artigate::writers::Writers;
use diesel::RunQueryDsl;

use crate::retention::declared;
use crate::support::bucket::{self, Fault, Proxy};
use crate::support::fixtures::{self, ARCHIVE, MAINTAINER, RUNNING, UPLOAD, UPLOADED};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Form, Request, read_answer};
use crate::support::until;
use crate::support::zips;

/// Stores bytes as somebody would who has not named them yet.
fn put(gateway: &Gateway, key: StoreKey) -> StoredBlob {
    gateway.block_on(async {
        let mut upload = gateway.app.store.create(key).await.unwrap();
        upload.write(b"bytes").await.unwrap();
        upload.commit().await.unwrap()
    })
}

fn is_there(gateway: &Gateway, stored: &StoredBlob) -> bool {
    gateway.block_on(gateway.app.store.size_of(&stored.key)).unwrap().is_some()
}

/// Names a blob as archive of a job of its own.
fn name(
    gateway: &Gateway,
    number: i64,
    stored: &StoredBlob,
    writer: Option<i64>,
) -> artigate::domain::Result<InsertOutcome> {
    let (declared, mut contents) = declared(number, stored.key.as_str());
    contents.sha256 = stored.sha256;
    contents.size_bytes = stored.size;
    let now = gateway.now();
    gateway.try_write_catalog(move |db| {
        writer.map_or(Ok(()), |writer| writers::hold(db, writer))?;
        artifacts::add(db, &declared, &contents, now)
    })
}

on_both_databases!(
    what_a_load_has_staged_is_spared_until_its_rows_are_there,
    an_upload_is_spared_from_its_first_byte_to_its_row,
    who_was_taken_for_dead_names_nothing_any_more,
    what_gc_removed_is_never_named_however_late_somebody_comes,
    more_than_half_of_a_store_goes_only_by_force,
    one_node_collects_at_a_time_and_the_next_after_an_interval,
    of_nodes_that_come_at_once_one_has_the_lease,
    what_came_after_a_projects_removal_was_asked_for_stays_whatever_its_nodes_clock_said,
    a_copy_under_way_is_spared_until_its_copier_is_dead,
    the_databases_clock_runs
);

fn what_a_load_has_staged_is_spared_until_its_rows_are_there(gateway: Gateway) {
    fixtures::small(&gateway, b"before");
    let jobs: Vec<String> = (1_000..1_020)
        .map(|id| {
            gateway.write_file(&format!("{id}.txt"), id.to_string().as_bytes());
            format!("{{id: {id}, name: j, status: success, artifacts: [{{type: sast, file: {id}.txt}}]}}")
        })
        .collect();
    let document = gateway.write_file("staged.yml", format!(
        "projects: [{{id: 1, path: group/project, pipelines: [{{id: 100, ref: main, sha: a, status: success, jobs: [{}]}}]}}]", jobs.join(", ")).as_bytes());
    // Each time that another blob is there, and none has its row.
    let stored = |_| assert_eq!(gateway.collect(Duration::ZERO).unwrap().orphans, 0);
    let documents = [document];
    let loading =
        registry::load_files(&documents, gateway.app.registry.destination(), gateway.now(), &stored);
    let loaded = gateway.block_on(loading).unwrap();
    assert_eq!(loaded.artifacts, 20);
    for id in 1_000..1_020 {
        let answer = gateway.get(&format!("/api/v4/projects/1/jobs/{id}/artifacts?file_type=sast")).send();
        assert_eq!((answer.status, answer.text()), (200, &*id.to_string()));
    }
    assert_eq!(gateway.collect(Duration::ZERO).unwrap(), Collected::default());
}

fn an_upload_is_spared_from_its_first_byte_to_its_row(gateway: Gateway) {
    fixtures::small(&gateway, b"before");
    let body = Form::default().file("artifacts.zip", &zips::noise(600_000)).bytes();
    let length = body.len().to_string();
    let mut stream =
        gateway.post(UPLOAD).job_token(RUNNING).form_type().header("Content-Length", &length).connect();
    stream.write_all(&body[..300_000]).unwrap();
    // A blob that grows while it is looked at is too young to be spared, or to be anything else.
    until(10_000, "the blob of the upload is spared", || {
        let collected = gateway.collect(Duration::ZERO).unwrap();
        assert_eq!(Collected { spared: 0, ..collected }, Collected::default());
        collected.spared == 1
    });
    stream.write_all(&body[300_000..]).unwrap();
    assert_eq!(read_answer(stream, false).unwrap().status, 201);
    assert_eq!(gateway.get(UPLOADED).send().body.len(), 600_000);

    let writers = Writers::new(gateway.app.catalog.clone(), Purpose::Keys);
    let writer = gateway.block_on(writers.writer()).unwrap();
    let stored = put(&gateway, writer.key());
    assert_eq!(gateway.collect(Duration::ZERO).unwrap(), Collected { spared: 1, ..Collected::default() });
    assert!(matches!(name(&gateway, 1, &stored, stored.key.writer()), Ok(InsertOutcome::Inserted(_))));
    // What nobody came to name goes when its writer has ended.
    let left = put(&gateway, writer.key());
    gateway.block_on(writers.retire());
    assert_eq!(gateway.collect(Duration::ZERO).unwrap().spared, 1, "it is held");
    drop(writer);
    gateway.block_on(writers.retire());
    assert_eq!(gateway.collect(Duration::ZERO).unwrap().orphans, 1);
    assert!(is_there(&gateway, &stored) && !is_there(&gateway, &left));
}

fn who_was_taken_for_dead_names_nothing_any_more(gateway: Gateway) {
    fixtures::small(&gateway, b"before");
    let form = Form::default().file("artifacts.zip", &zips::noise(600_000)).bytes();
    let length = form.len().to_string();
    let request = || gateway.post(UPLOAD).job_token(RUNNING).form_type().header("Content-Length", &length);
    let mut stream = request().connect();
    stream.write_all(&form[..300_000]).unwrap();
    gateway.until_blobs(2);
    gateway.silence_writers();
    assert_eq!(
        gateway.collect(Duration::from_secs(3600)).unwrap(),
        Collected::default(),
        "the grace is for the dead"
    );
    stream.write_all(&form[300_000..]).unwrap();
    assert_eq!(read_answer(stream, false).unwrap().status, 503, "nothing is acknowledged that gc may take");
    assert_eq!(gateway.get(UPLOADED).send().status, 404);
    let mut stream = request().connect();
    stream.write_all(&form).unwrap();
    assert_eq!(read_answer(stream, false).unwrap().status, 201, "the next has a writer that lives");
    assert_eq!(gateway.collect(Duration::ZERO).unwrap().orphans, 1);
    assert_eq!(gateway.get(UPLOADED).send().body.len(), 600_000);
    // Without a grace, the bytes go while they arrive.
    let mut stream = gateway
        .post(&format!("{UPLOAD}?artifact_type=sast&artifact_format=raw"))
        .job_token(RUNNING)
        .form_type()
        .header("Content-Length", &length)
        .connect();
    stream.write_all(&form[..300_000]).unwrap();
    gateway.until_blobs(3);
    gateway.silence_writers();
    until(10_000, "the bytes that have come are removed", || {
        gateway.collect(Duration::ZERO).unwrap().unfinished == 1
    });
    stream.write_all(&form[300_000..]).unwrap();
    assert_eq!(read_answer(stream, false).unwrap().status, 503);
}

fn what_gc_removed_is_never_named_however_late_somebody_comes(gateway: Gateway) {
    // As a node of the release before stores: it writes no writer down.
    fixtures::small(&gateway, b"before");
    let stored = put(&gateway, StoreKey::random());
    assert_eq!(gateway.collect(Duration::ZERO).unwrap().orphans, 1);
    assert_eq!(gateway.collect(Duration::ZERO).unwrap(), Collected::default());
    assert!(!is_there(&gateway, &stored));
    assert_eq!(name(&gateway, 1, &stored, None).unwrap_err().kind(), ErrorKind::Unavailable);
}

fn more_than_half_of_a_store_goes_only_by_force(gateway: Gateway) {
    fixtures::small(&gateway, b"before");
    for _ in 0..99 {
        put(&gateway, StoreKey::random());
    }
    assert_eq!(gateway.collect(Duration::ZERO).unwrap().orphans, 99, "a small store is no great loss");
    for _ in 0..100 {
        put(&gateway, StoreKey::random());
    }
    let deleted = Request::new(gateway.address, "DELETE", ARCHIVE).private_token(MAINTAINER).send();
    assert_eq!(deleted.status, 204);
    let refused = gateway.collect(Duration::ZERO).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(refused.public_message().contains("100 of the 101 blobs in file://"), "{refused}");
    assert_eq!(gateway.blobs().len(), 101, "not even what is queued went");
    assert_eq!(
        gateway.collect(Duration::from_secs(3600)).unwrap().removed.blobs,
        1,
        "young ones do not count"
    );
    let collected = gateway.collect_on(&Terms { grace: Duration::ZERO, force: true }).unwrap();
    assert_eq!(collected.orphans, 100);
}

fn one_node_collects_at_a_time_and_the_next_after_an_interval(gateway: Gateway) {
    fixtures::small(&gateway, b"before");
    let app = &gateway.app;
    let collect = |node: i64, grace: Duration| {
        let settings = artigate::settings::Settings { orphan_grace: grace, ..app.settings.clone() };
        gateway.block_on(app.retention.collect_if_due(&settings, node))
    };
    let take = |node: i64| {
        gateway.write_catalog(move |db| leases::take(db, "gc", node, Duration::from_secs(86_400)))
    };
    let age = |seconds: i64| {
        gateway.write_catalog(move |db| {
            let aged = format!(
                "UPDATE leases SET expires_at = expires_at - {0}, done_at = done_at - {0}",
                seconds * 1000
            );
            Ok(diesel::sql_query(aged).execute(db).map(drop)?)
        })
    };
    put(&gateway, StoreKey::random());
    assert!(take(1));
    assert_eq!(collect(2, Duration::ZERO).unwrap(), None, "the other is at it");
    age(5 * 60);
    assert_eq!(collect(2, Duration::ZERO).unwrap(), None, "it may be slow");
    age(6 * 60);
    assert!(!gateway.write_catalog(|db| leases::renew(db, "gc", 2)));
    assert_eq!(collect(2, Duration::ZERO).unwrap().unwrap().orphans, 1, "it must have been killed");
    assert!(!gateway.write_catalog(|db| leases::renew(db, "gc", 1)), "and learns so should it live");
    assert_eq!(collect(1, Duration::ZERO).unwrap(), None, "it was just done");
    age(86_400);
    assert!(collect(1, Duration::ZERO).unwrap().is_some());
    // Never by force.
    for _ in 0..101 {
        put(&gateway, StoreKey::random());
    }
    age(86_400);
    assert_eq!(collect(1, Duration::ZERO).unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(gateway.blobs().len(), 102);
    assert_eq!(collect(2, Duration::ZERO).unwrap(), None, "a refusal is one until somebody looks at it");
}

fn of_nodes_that_come_at_once_one_has_the_lease(gateway: Gateway) {
    for _ in 0..5 {
        let taken = std::thread::scope(|scope| {
            let gateway = &gateway;
            let takers: Vec<_> = (0..6)
                .map(|node| {
                    scope.spawn(move || {
                        gateway.write_catalog(move |db| leases::take(db, "gc", node, Duration::ZERO))
                    })
                })
                .collect();
            takers.into_iter().map(|taker| taker.join().unwrap()).filter(|taken| *taken).count()
        });
        assert_eq!(taken, 1);
        gateway.write_catalog(|db| {
            Ok(diesel::sql_query("UPDATE leases SET expires_at = 0").execute(db).map(drop)?)
        });
    }
}

fn what_came_after_a_projects_removal_was_asked_for_stays_whatever_its_nodes_clock_said(gateway: Gateway) {
    fixtures::small(&gateway, b"before");
    gateway.load("projects: [{id: 1, path: group/project, keep_latest_artifact: false}]");
    let asked = Request::new(gateway.address, "DELETE", "/api/v4/projects/1/artifacts")
        .private_token(MAINTAINER)
        .send();
    assert_eq!(asked.status, 202);
    gateway.advance_clock(-3600);
    let form = Form::default().file("artifacts.zip", b"after");
    assert_eq!(gateway.post(UPLOAD).job_token(RUNNING).form(form).send().status, 201);
    gateway.advance_clock(3600);
    assert_eq!(gateway.sweep().expired, 1);
    assert_eq!(gateway.get(ARCHIVE).send().status, 404);
    assert_eq!(gateway.get(UPLOADED).send().text(), "after");
}

fn a_copy_under_way_is_spared_until_its_copier_is_dead(gateway: Gateway) {
    fixtures::small(&gateway, b"before");
    // The copier writes to the store that is collected, under a key that a row names.
    let key = gateway.catalog(|db| artifacts::page(db, 0, 1)).remove(0).store_key;
    let blob = gateway.path().join("blobs").join(&key);
    std::fs::remove_file(&blob).unwrap();
    let writers = Writers::new(gateway.app.catalog.clone(), Purpose::Copy);
    let writer = gateway.block_on(writers.writer()).unwrap();
    let mut upload = gateway.block_on(gateway.app.store.create(key.parse().unwrap())).unwrap();
    gateway.block_on(upload.write(b"before")).unwrap();
    assert_eq!(gateway.collect(Duration::ZERO).unwrap(), Collected { spared: 1, ..Collected::default() });
    gateway.block_on(upload.commit()).unwrap();
    assert_eq!(gateway.get(ARCHIVE).send().text(), "before");
    let left = gateway.block_on(gateway.app.store.create(key.parse().unwrap())).unwrap();
    drop(writer);
    gateway.block_on(writers.retire());
    assert_eq!(gateway.collect(Duration::ZERO).unwrap().unfinished, 1);
    drop(left);
}

fn the_databases_clock_runs(gateway: Gateway) {
    let first = gateway.catalog(clock::now);
    assert!(first.as_millis() > 1_700_000_000_000 && gateway.catalog(clock::now) >= first, "{first}");
}

#[test]
fn nodes_that_start_together_do_not_collect_together() {
    let after: Vec<Duration> = [0, 1, 599, 600, -7].map(retention::first_after).into();
    let seconds: Vec<u64> = after.iter().map(Duration::as_secs).collect();
    assert_eq!(seconds, [180, 181, 779, 180, 187]);
}

/// A bucket's clock is nobody's here: an hour behind, what was just stored looks an hour old.
#[test]
fn ages_are_told_by_the_stores_own_clock() {
    for hours in [-1, 1] {
        let proxy = Proxy::start();
        let gateway = Gateway::in_a_bucket(proxy.address, |_| {});
        fixtures::small(&gateway, b"before");
        proxy.fail(Fault::Clock(hours * 3600));
        let stored = put(&gateway, StoreKey::random());
        let mut unfinished = gateway.block_on(gateway.app.store.create(StoreKey::of_writer(7))).unwrap();
        gateway.block_on(async { unfinished.write(&zips::noise(9 << 20)).await.unwrap() });
        gateway.block_on(async { unfinished.write(b"more").await.unwrap() });
        let grace = Duration::from_secs(30 * 60);
        assert_eq!(gateway.collect(grace).unwrap(), Collected::default(), "{hours} h: both are young");
        assert!(is_there(&gateway, &stored));
        // Whole seconds are all that a bucket tells.
        let collected = gateway.collect(Duration::ZERO).unwrap();
        assert_eq!((collected.orphans, collected.unfinished), (1, 1), "{hours} h");
        assert_eq!(gateway.get(ARCHIVE).send().text(), "before");
    }
}

/// The store alone tells whose an unfinished upload is.
#[test]
fn an_unfinished_upload_in_a_bucket_tells_its_writer() {
    let store = Store::open_at(&bucket::fresh(bucket::server()), Duration::from_secs(30)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let key = StoreKey::of_writer(StoreKey::random_writer());
    let shard = u16::from_str_radix(&key.as_str()[..2], 16).unwrap();
    runtime.block_on(async {
        let mut upload = store.create(key.clone()).await.unwrap();
        upload.write(&zips::noise(9 << 20)).await.unwrap();
        upload.write(b"more").await.unwrap();
        let listed = loop {
            if let Some(item) = store.list(shard).await.unwrap().pop() {
                break item;
            }
        };
        assert_eq!((listed.key, listed.upload_of), (None, Some(key)));
    });
}
