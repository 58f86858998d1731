//! Retention: sweeps, deletions, orphans, and `fsck`.

use std::time::Duration;

use artigate::catalog::artifacts::{self, BlobInfo, InsertOutcome, NewArtifact};
use artigate::catalog::{gc_marks, tombstones};
use artigate::domain::artifact::{Accessibility, ArtifactKind, ArtifactName};
use artigate::domain::{ErrorKind, Sha256Digest, Timestamp};
use artigate::retention::{Checked, Collected, FsckFinding, Removed, Swept};
use diesel::RunQueryDsl;

use crate::support::fixture::Fixture;
use crate::support::fixtures::{self, ARCHIVE, RUNNING, UPLOAD};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Form, Request, read_answer};
use crate::support::zips;

fn collect(gateway: &Gateway, grace: Duration) -> Collected {
    gateway.collect(grace).unwrap()
}

fn fsck(gateway: &Gateway, quick: bool) -> (Checked, Vec<String>) {
    let mut faults = Vec::new();
    let report = |fault: &FsckFinding| faults.push(fault.to_string());
    let checked = gateway.block_on(gateway.app.retention.check(quick, || {}, report));
    (checked.unwrap(), faults)
}

/// Two pipelines of main, the newer one with a child; all artifacts expire in an hour, except kept
/// ones. The logs do not expire by sweeping.
fn expiring(gateway: &Gateway) {
    let zip = zips::deflated(&[("a.txt", b"hello")]);
    let job = |made: Fixture, id: i64| {
        let made = made.job(id, &format!("j{id}")).archive(&zip).expire_in("1 hour");
        made.artifact("trace", &zip).expire_in("1 hour")
    };
    let made = Fixture::project("group/project").public().members().pipeline(100, "main");
    let made = job(job(made, 10), 11).pipeline(101, "main");
    let made = job(made, 12).pipeline(102, "main").status("failed").child_of(101);
    let made = job(made, 13).pipeline(103, "other").status("failed");
    let made = job(made, 14).and_project("group/other").public().keep_latest(false).pipeline(200, "main");
    job(made, 20).load(gateway);
}

/// When the archive of a job expired, if only its tombstone is left.
fn tombstone(gateway: &Gateway, job_id: i64) -> Option<Timestamp> {
    gateway.catalog(move |db| tombstones::expired_at(db, job_id, &ArtifactName::ARCHIVE))
}

/// Size, digest and key of every row of a job's archives, finished or not.
fn rows(gateway: &Gateway, job_id: i64) -> Vec<(i64, Vec<u8>, String)> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        size_bytes: i64,
        #[diesel(sql_type = diesel::sql_types::Binary)]
        sha256: Vec<u8>,
        #[diesel(sql_type = diesel::sql_types::Text)]
        store_key: String,
    }
    let select = format!(
        "SELECT size_bytes, sha256, store_key FROM artifacts WHERE job_id = {job_id} AND name = 'archive'"
    );
    let rows: Vec<Row> = gateway.catalog(move |db| Ok(diesel::sql_query(select).load(db)?));
    rows.into_iter().map(|row| (row.size_bytes, row.sha256, row.store_key)).collect()
}

#[test]
fn tombstones_that_are_not_wanted_go_with_the_bytes() {
    let gateway = Gateway::on_sqlite_with(|settings| settings.tombstones = Duration::ZERO);
    expiring(&gateway);
    gateway.advance_clock(3600);
    assert_eq!(gateway.sweep().expired, 4);
    assert_eq!((tombstone(&gateway, 20), rows(&gateway, 20)), (None, vec![]));
}

fn readable(gateway: &Gateway) -> Vec<i64> {
    let jobs = [(1, 10), (1, 11), (1, 12), (1, 13), (1, 14), (2, 20)];
    let is_readable = |(project, job): &(i64, i64)| {
        gateway.get(&format!("/api/v4/projects/{project}/jobs/{job}/artifacts")).send().status == 200
    };
    jobs.iter().filter(|job| is_readable(job)).map(|(_, job)| *job).collect()
}

on_both_databases!(
    a_sweep_takes_what_expired_and_leaves_what_is_locked_kept_or_a_log,
    the_tombstone_of_an_expired_artifact_outlives_its_bytes_for_a_while,
    the_place_of_a_tombstone_is_free,
    a_projects_removal_is_carried_out_by_the_next_sweep_and_spares_what_is_locked,
    a_reader_who_began_before_the_removal_gets_everything,
    a_removal_that_fails_stays_queued_and_is_finished_by_a_later_one,
    sweeps_at_once_do_each_thing_once,
    bytes_without_a_row_go_after_their_grace,
    a_check_finds_what_is_missing_short_or_changed,
    bytes_are_either_named_or_removed_whoever_comes_first
);

fn a_sweep_takes_what_expired_and_leaves_what_is_locked_kept_or_a_log(gateway: Gateway) {
    expiring(&gateway);
    assert_eq!(gateway.sweep(), Swept::default());
    let kept =
        gateway.post("/api/v4/projects/1/jobs/11/artifacts/keep").private_token(fixtures::DEVELOPER).send();
    assert_eq!(kept.status, 200);
    gateway.advance_clock(3600);
    let left = readable(&gateway);
    assert_eq!(left, [11, 12, 13], "kept, locked, locked by the parent");
    let swept = gateway.sweep();
    assert_eq!(swept, Swept { expired: 3, removed: Removed { blobs: 3, failed: 0 } });
    assert_eq!(readable(&gateway), left, "the sweep changes nothing for readers");
    gateway.until_blobs(9);
    assert_eq!(gateway.sweep(), Swept::default());
    assert_eq!(fsck(&gateway, false).0, Checked { artifacts: 9, faults: 0 });
    // A newer success unlocks the older pipeline and its child.
    Fixture::project("group/project").pipeline(110, "main").load(&gateway);
    assert_eq!(gateway.sweep().expired, 2);
    assert_eq!(readable(&gateway), [11]);
}

fn the_tombstone_of_an_expired_artifact_outlives_its_bytes_for_a_while(gateway: Gateway) {
    expiring(&gateway);
    let before = gateway.catalog(|db| artifacts::find(db, 20, &ArtifactName::ARCHIVE)).unwrap();
    let removed = Request::new(gateway.address, "DELETE", "/api/v4/projects/1/jobs/11/artifacts");
    assert_eq!(removed.private_token(fixtures::MAINTAINER).send().status, 204);
    gateway.advance_clock(3600);
    assert_eq!(gateway.sweep().expired, 3);
    gateway.until_blobs(8);
    let expired = [10, 14, 20].map(|job_id| (job_id, gateway.now()));
    let left = || [10, 11, 14, 20].map(|job_id| (job_id, tombstone(&gateway, job_id))).to_vec();
    let known: Vec<_> = left().into_iter().filter_map(|(job, found)| found.map(|time| (job, time))).collect();
    assert_eq!(known, expired, "what somebody deleted leaves none");
    assert_eq!(
        rows(&gateway, 20),
        [(before.size_bytes, before.sha256.as_bytes().to_vec(), format!("-{}", before.id))]
    );
    assert_eq!(collect(&gateway, Duration::ZERO), Collected::default());
    assert_eq!(fsck(&gateway, false), (Checked { artifacts: 8, faults: 0 }, vec![]));
    gateway.advance_clock(400 * 86_400 - 1);
    gateway.sweep();
    assert!(tombstone(&gateway, 20).is_some());
    gateway.advance_clock(1);
    gateway.sweep();
    assert!(left().iter().all(|(_, found)| found.is_none()), "400 days are over");
    assert_eq!(rows(&gateway, 20), []);
}

fn the_place_of_a_tombstone_is_free(gateway: Gateway) {
    expiring(&gateway);
    gateway.advance_clock(3600);
    gateway.sweep();
    expiring(&gateway);
    assert_eq!(readable(&gateway), [10, 11, 12, 13, 14, 20]);
    gateway.advance_clock(3600);
    assert_eq!(gateway.sweep().expired, 4);
    assert_eq!(rows(&gateway, 20).len(), 2, "each has its own");
    assert_eq!(tombstone(&gateway, 20), Some(gateway.now()));
}

fn a_projects_removal_is_carried_out_by_the_next_sweep_and_spares_what_is_locked(gateway: Gateway) {
    expiring(&gateway);
    let request = || {
        crate::support::http_client::Request::new(gateway.address, "DELETE", "/api/v4/projects/1/artifacts")
    };
    let answer = request().private_token(fixtures::MAINTAINER).send();
    assert_eq!(answer.error(), (202, r#"{"message":"202 Accepted"}"#));
    assert_eq!(readable(&gateway), [10, 11, 12, 13, 14, 20], "nothing has gone yet");
    gateway.advance_clock(1);
    let later = Fixture::project("group/project").pipeline(120, "later").status("failed");
    later.job(14000, "x").archive(b"bytes").load(&gateway);
    assert_eq!(gateway.sweep().expired, 3);
    assert_eq!(readable(&gateway), [12, 13, 20]);
    assert_eq!(
        gateway.get("/api/v4/projects/1/jobs/14000/artifacts").send().status,
        200,
        "made after the request"
    );
    gateway.advance_clock(1);
    assert_eq!(gateway.sweep(), Swept::default(), "the request is closed");
}

fn a_reader_who_began_before_the_removal_gets_everything(gateway: Gateway) {
    let archive = zips::packed(zip::CompressionMethod::Stored, &[("big", &zips::noise(30 << 20))]);
    fixtures::small(&gateway, &archive);
    let stream = gateway.get(ARCHIVE).connect();
    let mut first = [0; 1];
    stream.peek(&mut first).unwrap();
    let deleted = crate::support::http_client::Request::new(gateway.address, "DELETE", ARCHIVE)
        .private_token(fixtures::MAINTAINER)
        .send();
    assert_eq!(deleted.status, 204);
    assert_eq!(gateway.sweep().removed, Removed { blobs: 1, failed: 0 });
    gateway.until_blobs(0);
    let answer = read_answer(stream, false).unwrap();
    assert!(answer.complete && answer.body == archive);
    assert_eq!(gateway.get(ARCHIVE).send().status, 404);
}

fn a_removal_that_fails_stays_queued_and_is_finished_by_a_later_one(gateway: Gateway) {
    fixtures::small(&gateway, b"bytes");
    let blob = gateway.blobs().remove(0);
    // A folder in the place of the file cannot be removed as one.
    std::fs::remove_file(&blob).unwrap();
    std::fs::create_dir(&blob).unwrap();
    crate::support::http_client::Request::new(gateway.address, "DELETE", ARCHIVE)
        .private_token(fixtures::MAINTAINER)
        .send();
    assert_eq!(gateway.sweep().removed, Removed { blobs: 0, failed: 1 });
    std::fs::remove_dir(&blob).unwrap();
    assert_eq!(gateway.sweep().removed, Removed::default(), "somebody else may still be at it");
    assert_eq!(collect(&gateway, Duration::from_secs(3600)).removed, Removed { blobs: 1, failed: 0 });
    gateway.advance_clock(3600);
    assert_eq!(gateway.sweep().removed, Removed::default());
}

fn sweeps_at_once_do_each_thing_once(gateway: Gateway) {
    let made = Fixture::project("g/p").pipeline(1, "main").status("failed");
    let job = |made: Fixture, id| made.job(id, "j").archive(b"bytes").expire_in("1 hour");
    (1..=300).fold(made, job).load(&gateway);
    gateway.advance_clock(3600);
    let swept: Vec<Swept> = std::thread::scope(|scope| {
        let gateway = &gateway;
        let sweeps: Vec<_> = (0..4).map(|_| scope.spawn(move || gateway.sweep())).collect();
        sweeps.into_iter().map(|sweep| sweep.join().unwrap()).collect()
    });
    assert_eq!(swept.iter().map(|swept| swept.expired).sum::<usize>(), 300, "{swept:?}");
    assert_eq!(swept.iter().map(|swept| swept.removed.blobs).sum::<usize>(), 300, "{swept:?}");
    gateway.until_blobs(0);
}

fn bytes_without_a_row_go_after_their_grace(gateway: Gateway) {
    fixtures::small(&gateway, b"bytes");
    let named = gateway.blobs().remove(0);
    let folder = named.parent().unwrap();
    std::fs::write(folder.join(".upload-abandoned"), b"half").unwrap();
    std::fs::write(folder.join("notes.txt"), b"somebody's own").unwrap();
    let orphan = gateway.path().join("blobs/ab/ab0123456789abcdef0123456789abcd");
    std::fs::write(&orphan, b"orphan").unwrap();
    let nothing = Collected::default();
    assert_eq!(collect(&gateway, Duration::from_secs(3600)), nothing);
    let collected = collect(&gateway, Duration::ZERO);
    assert_eq!(collected, Collected { orphans: 1, unfinished: 1, bytes: 10, ..nothing });
    assert!(!orphan.exists() && named.exists() && folder.join("notes.txt").exists());
    assert_eq!(collect(&gateway, Duration::ZERO), nothing);
    assert_eq!(gateway.get(ARCHIVE).send().text(), "bytes");
}

fn a_check_finds_what_is_missing_short_or_changed(gateway: Gateway) {
    fixtures::small(&gateway, b"bytes");
    for kind in ["junit", "sast", "dast"] {
        let format = kind.parse::<ArtifactKind>().unwrap().default_format();
        let form = Form::default().file("x", kind.as_bytes());
        let answer = gateway
            .post(&format!("{UPLOAD}?artifact_type={kind}&artifact_format={format}"))
            .job_token(RUNNING)
            .form(form)
            .send();
        assert_eq!(answer.status, 201);
    }
    assert_eq!(fsck(&gateway, false), (Checked { artifacts: 4, faults: 0 }, vec![]));
    let blob = |kind: &'static str| {
        let kind = kind.parse::<ArtifactKind>().unwrap();
        let artifact =
            gateway.catalog(move |db| artigate::catalog::artifacts::find(db, 20, &kind.into())).unwrap();
        gateway.path().join("blobs").join(artifact.store_key)
    };
    std::fs::remove_file(blob("junit")).unwrap();
    std::fs::write(blob("sast"), b"longer than before").unwrap();
    std::fs::write(blob("dast"), b"DAST").unwrap();
    let (quick, lines) = fsck(&gateway, true);
    assert_eq!(quick, Checked { artifacts: 4, faults: 2 });
    assert!(lines[0].contains("(junit of job 20)") && lines[0].contains("is not in the store"), "{lines:?}");
    assert!(lines[1].contains("has 18 bytes instead of 4"), "{lines:?}");
    let (full, lines) = fsck(&gateway, false);
    assert_eq!(full, Checked { artifacts: 4, faults: 3 });
    assert!(lines[2].contains("SHA-256 is "), "{lines:?}");
}

fn bytes_are_either_named_or_removed_whoever_comes_first(gateway: Gateway) {
    fixtures::small(&gateway, b"bytes");
    for number in 1..90 {
        let key = artigate::store::StoreKey::random().to_string();
        let (declared, contents) = declared(number, &key);
        let now = gateway.now();
        let (added, doomed) = std::thread::scope(|scope| {
            let (gateway, key) = (&gateway, key.clone());
            let adding = scope.spawn(move || {
                gateway.try_write_catalog(move |db| artifacts::add(db, &declared, &contents, now))
            });
            let dooming = scope.spawn(move || gateway.write_catalog(move |db| gc_marks::mark(db, &[key])));
            (adding.join().unwrap(), dooming.join().unwrap())
        });
        match added {
            Ok(added) => assert!(
                matches!(added, InsertOutcome::Inserted(_)) && doomed.is_empty(),
                "both had their way"
            ),
            Err(error) => {
                assert!(error.kind() == ErrorKind::Unavailable && doomed == [key], "{error:?} {doomed:?}")
            }
        }
    }
    let (declared, contents) = declared(90, "ab/ab0123456789abcdef0123456789abcd");
    let key = vec![contents.store_key.clone()];
    let now = gateway.now();
    assert_eq!(
        gateway.write_catalog({
            let key = key.clone();
            move |db| gc_marks::mark(db, &key)
        }),
        key
    );
    let add = || {
        let (declared, contents) = (declared.clone(), contents.clone());
        gateway.try_write_catalog(move |db| artifacts::add(db, &declared, &contents, now))
    };
    assert_eq!(add().unwrap_err().kind(), ErrorKind::Unavailable);
    // Marks go by the database's clock, and long after the last who might come.
    let age = |days: i64| {
        gateway.write_catalog(move |db| {
            let aged = format!("UPDATE doomed_blobs SET doomed_at = doomed_at - {}", days * 86_400_000);
            diesel::sql_query(aged).execute(db)?;
            gc_marks::mark(db, &[])
        })
    };
    assert!(age(6).is_empty());
    assert_eq!(add().unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(age(2).is_empty());
    assert!(add().is_ok());
}

/// An artifact of a job of its own, whose bytes are under `key`.
pub fn declared(number: i64, key: &str) -> (NewArtifact, BlobInfo) {
    let kind = ArtifactKind::ALL[number as usize % ArtifactKind::ALL.len()];
    let job_id = [10, 20, 21][(number as usize / ArtifactKind::ALL.len()) % 3];
    let declared = NewArtifact {
        project_id: 1,
        job_id,
        name: kind.into(),
        kind,
        format: kind.default_format(),
        media_type: None,
        filename: "x".into(),
        accessibility: Accessibility::Public,
        expire_at: None,
    };
    let contents = BlobInfo {
        size_bytes: 1,
        sha256: Sha256Digest::of(key.as_bytes()),
        store_key: key.into(),
        tail_bytes: None,
        sha1: None,
        crc32: None,
    };
    (declared, contents)
}
