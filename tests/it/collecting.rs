//! Decisions of `gc`: which blobs are in use, which database owns a store, and which clock counts.

use std::io::Write;
use std::path::Path;
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

use crate::program::artigate;
use crate::retention::declared;
use crate::support::bucket::{self, Fault, Proxy};
use crate::support::fixtures::{self, ARCHIVE, MAINTAINER, RUNNING, UPLOAD, UPLOADED};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Form, Request, read_answer};
use crate::support::zips;

/// Stores bytes as somebody would who has not named them yet.
fn put(gateway: &Gateway, key: StoreKey) -> StoredBlob {
    gateway.block_on(async {
        let mut upload = gateway.app.store.begin(key).await.unwrap();
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
    let (catalog, store) = (&gateway.app.catalog, &gateway.app.store);
    let loaded =
        gateway.block_on(registry::load_files(&[document], catalog, store, gateway.now(), &stored)).unwrap();
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
    gateway.until_blobs(2);
    assert_eq!(gateway.collect(Duration::ZERO).unwrap(), Collected { spared: 1, ..Collected::default() });
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
    assert_eq!(gateway.collect(Duration::ZERO).unwrap().unfinished, 1);
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
    assert_eq!(gateway.block_on(gateway.app.retention.sweep(|_| {})).unwrap().expired, 1);
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
    let mut upload = gateway.block_on(gateway.app.store.begin(key.parse().unwrap())).unwrap();
    gateway.block_on(upload.write(b"before")).unwrap();
    assert_eq!(gateway.collect(Duration::ZERO).unwrap(), Collected { spared: 1, ..Collected::default() });
    gateway.block_on(upload.commit()).unwrap();
    assert_eq!(gateway.get(ARCHIVE).send().text(), "before");
    let left = gateway.block_on(gateway.app.store.begin(key.parse().unwrap())).unwrap();
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
        let mut unfinished = gateway.block_on(gateway.app.store.begin(StoreKey::of_writer(7))).unwrap();
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

fn blobs(folder: &Path) -> usize {
    let folders = std::fs::read_dir(folder.join("artigate-data/blobs")).unwrap();
    folders.filter_map(|folder| std::fs::read_dir(folder.unwrap().path()).ok()).flatten().count()
}

/// A folder with an instance whose only job has an archive.
fn instance() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("archive.zip"), zips::deflated(&[("a.txt", b"hello")])).unwrap();
    std::fs::write(folder.path().join("registry.yml"), fixtures::small_document()).unwrap();
    assert!(run(folder.path(), &["load", "registry.yml"], None).0 == Some(0));
    folder
}

/// Runs a command, on another store than its own.
fn run(folder: &Path, arguments: &[&str], store: Option<&str>) -> (Option<i32>, String) {
    let mut command = artigate(folder, arguments);
    command.envs(store.map(|store| ("ARTIGATE_STORAGE__URL", store)));
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn gc_with_the_wrong_database_removes_nothing_and_names_both() {
    let (right, wrong, fresh) = (instance(), instance(), tempfile::tempdir().unwrap());
    assert!(right.path().join("artigate-data/blobs/instance-id").is_file());
    let store = format!("file://{}/artigate-data/blobs", right.path().display());
    for (folder, says) in [(&wrong, "do not belong together"), (&fresh, "is new and has no instance ID yet")]
    {
        let (code, said) = run(folder.path(), &["gc", "--grace", "0s"], Some(&store));
        // A database that is not there may be refused as such.
        if folder.path() == wrong.path() {
            assert_eq!(code, Some(2), "{said}");
            assert!(said.contains("sqlite://artigate-data/artigate.db") && said.contains(says), "{said}");
            assert!(said.contains(&store), "{said}");
        }
        assert_ne!(code, Some(0), "{said}");
        assert_eq!(blobs(right.path()), 1);
    }
    // Whoever may make a database does not thereby make it the store's.
    for _ in 0..2 {
        let (code, said) = run(fresh.path(), &["migrate"], Some(&store));
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("may not belong together") && said.contains("--adopt-store"), "{said}");
        assert_eq!(run(fresh.path(), &["gc", "--grace", "0s"], Some(&store)).0, Some(2));
    }
    assert_eq!(blobs(right.path()), 1);
    // A store that is not there is not made, and one that is not mounted is of no instance.
    let (code, said) = run(right.path(), &["gc", "--grace", "0s"], Some("file://nothing-here"));
    assert_eq!(code, Some(2), "{said}");
    std::fs::create_dir(right.path().join("not-mounted")).unwrap();
    let (code, said) = run(right.path(), &["gc", "--grace", "0s"], Some("file://not-mounted"));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("has none: the store may be another one, or may not be mounted"), "{said}");
    let (code, said) = run(right.path(), &["gc", "--grace", "0s", "--json"], None);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(r#""orphans":0"#), "{said}");
}

#[test]
fn an_instance_from_before_ids_gets_one_at_its_start_and_a_restored_database_takes_its_stores() {
    let folder = instance();
    let database = folder.path().join("artigate-data/artigate.db");
    let id = folder.path().join("artigate-data/blobs/instance-id");
    let forget = |statement: &str| {
        let changed = std::process::Command::new("sqlite3").arg(&database).arg(statement).status();
        assert!(changed.unwrap().success());
    };
    let first = std::fs::read(&id).unwrap();
    forget("DELETE FROM instance");
    std::fs::remove_file(&id).unwrap();
    let (code, said) = run(folder.path(), &["gc"], None);
    assert!(code == Some(2) && said.contains("run `artigate migrate`"), "{said}");
    assert_eq!(run(folder.path(), &["migrate"], None).0, Some(0));
    let second = std::fs::read(&id).unwrap();
    assert_ne!(first, second);
    assert_eq!(run(folder.path(), &["gc"], None).0, Some(0));
    // A copy of the database that is older than the id has rows.
    forget("DELETE FROM instance");
    assert_eq!(run(folder.path(), &["gc"], None).0, Some(2));
    assert_eq!(run(folder.path(), &["load", "registry.yml"], None).0, Some(0));
    assert_eq!(std::fs::read(&id).unwrap(), second);
    assert_eq!(run(folder.path(), &["gc"], None).0, Some(0));
}

#[test]
fn a_copied_store_is_the_same_instances_and_another_instances_is_not_copied_to() {
    let (one, other) = (instance(), instance());
    let copy = format!("file://{}", one.path().join("copy").display());
    let arguments = ["copy-store", "--from", "file://artigate-data/blobs", "--to", &copy];
    let (code, said) = run(one.path(), &arguments, None);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(run(one.path(), &["gc", "--grace", "0s"], Some(&copy)).0, Some(0));
    let (code, said) = run(other.path(), &arguments, None);
    assert!(code == Some(1) && said.contains("the store to copy to has the instance ID "), "{said}");
    let (code, said) = run(other.path(), &["copy-store", "--from", &copy, "--to", "file://elsewhere"], None);
    assert!(code == Some(1) && said.contains("the store to copy from has "), "{said}");
}

/// The store alone tells whose an unfinished upload is.
#[test]
fn an_unfinished_upload_in_a_bucket_tells_its_writer() {
    let store = Store::open_at(&bucket::fresh(bucket::server()), Duration::from_secs(30)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let key = StoreKey::of_writer(StoreKey::random_writer());
    let shard = u16::from_str_radix(&key.as_str()[..2], 16).unwrap();
    runtime.block_on(async {
        let mut upload = store.begin(key.clone()).await.unwrap();
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
