//! What goes and what stays: sweeps, removals, orphans, and the check of all that.

use std::time::Duration;

use artigate::catalog::artifacts::{self, Added, Contents, Declared};
use artigate::catalog::orphans;
use artigate::domain::artifact::{Accessibility, ArtifactKind};
use artigate::domain::{Kind, Sha256Digest};
use artigate::retention::{self, Checked, Collected, Removed, Swept};
use diesel::RunQueryDsl;

use crate::support::gateway::Gateway;
use crate::support::wire::{Form, read_answer};
use crate::support::world::{self, ARCHIVE, RUNNING, UPLOAD, USERS};
use crate::support::zips;

fn sweep(gateway: &Gateway) -> Swept {
    gateway
        .block_on(retention::sweep(&gateway.app.catalog, &gateway.app.store, &gateway.app.clock, |_| {}))
        .unwrap()
}

fn collect(gateway: &Gateway, grace: Duration) -> Collected {
    gateway.collect(grace).unwrap()
}

fn fsck(gateway: &Gateway, quick: bool) -> (Checked, Vec<String>) {
    let mut faults = Vec::new();
    let report = |fault: &retention::Fault| faults.push(fault.to_string());
    let checked =
        gateway.block_on(retention::check(&gateway.app.catalog, &gateway.app.store, quick, || {}, report));
    (checked.unwrap(), faults)
}

/// Two pipelines of main, the newer one with a child; all artifacts expire in an hour, except kept
/// ones. The logs do not expire by sweeping.
fn expiring(gateway: &Gateway) {
    gateway.write_file("archive.zip", &zips::deflated(&[("a.txt", b"hello")]));
    let job = |id: i64| {
        format!(
            "{{id: {id}, name: j{id}, status: success, artifacts: [{{file: archive.zip, expire_in: 1 hour}}, {{type: trace, file: archive.zip, expire_in: 1 hour}}]}}"
        )
    };
    gateway.load(&format!(
        "{USERS}
projects:
  - id: 1
    path: group/project
    visibility: public
    members: {}
    pipelines:
      - {{id: 100, ref: main, sha: a, status: success, jobs: [{}, {}]}}
      - {{id: 101, ref: main, sha: a, status: success, jobs: [{}]}}
      - {{id: 102, ref: main, sha: a, status: failed, source: parent_pipeline, parent: 101, jobs: [{}]}}
      - {{id: 103, ref: other, sha: a, status: failed, jobs: [{}]}}
  - id: 2
    path: group/other
    visibility: public
    keep_latest_artifact: false
    pipelines:
      - {{id: 200, ref: main, sha: a, status: success, jobs: [{}]}}
",
        world::MEMBERS,
        job(10),
        job(11),
        job(12),
        job(13),
        job(14),
        job(20)
    ));
}

fn readable(gateway: &Gateway) -> Vec<i64> {
    let jobs = [(1, 10), (1, 11), (1, 12), (1, 13), (1, 14), (2, 20)];
    let is_readable = |(project, job): &(i64, i64)| {
        gateway.get(&format!("/api/v4/projects/{project}/jobs/{job}/artifacts")).send().status == 200
    };
    jobs.iter().filter(|job| is_readable(job)).map(|(_, job)| *job).collect()
}

on_both_databases! {
    fn a_sweep_takes_what_expired_and_leaves_what_is_locked_kept_or_a_log(gateway) {
        expiring(&gateway);
        assert_eq!(sweep(&gateway), Swept::default());
        let kept = gateway.post("/api/v4/projects/1/jobs/11/artifacts/keep").private_token(world::DEVELOPER).send();
        assert_eq!(kept.status, 200);
        gateway.wait_seconds(3600);
        let left = readable(&gateway);
        assert_eq!(left, [11, 12, 13], "kept, locked, locked by the parent");
        let swept = sweep(&gateway);
        assert_eq!(swept, Swept { expired: 3, removed: Removed { blobs: 3, failed: 0 } });
        assert_eq!(readable(&gateway), left, "the sweep changes nothing for readers");
        gateway.until_blobs(9);
        assert_eq!(sweep(&gateway), Swept::default());
        assert_eq!(fsck(&gateway, false).0, Checked { artifacts: 9, faults: 0 });
        // A newer success unlocks the older pipeline and its child.
        gateway.load("projects: [{id: 1, path: group/project, pipelines: [{id: 110, ref: main, sha: b, status: success}]}]");
        assert_eq!(sweep(&gateway).expired, 2);
        assert_eq!(readable(&gateway), [11]);
    }

    fn a_projects_removal_is_carried_out_by_the_next_sweep_and_spares_what_is_locked(gateway) {
        expiring(&gateway);
        let request = || crate::support::wire::Request::new(gateway.address, "DELETE", "/api/v4/projects/1/artifacts");
        let answer = request().private_token(world::MAINTAINER).send();
        assert_eq!(answer.says(), (202, r#"{"message":"202 Accepted"}"#));
        assert_eq!(readable(&gateway), [10, 11, 12, 13, 14, 20], "nothing has gone yet");
        gateway.wait_seconds(1);
        gateway.load("projects: [{id: 1, path: group/project, pipelines: [{id: 120, ref: later, sha: b, status: failed, jobs: [{id: 14000, name: x, status: success, artifacts: [{file: archive.zip}]}]}]}]");
        assert_eq!(sweep(&gateway).expired, 3);
        assert_eq!(readable(&gateway), [12, 13, 20]);
        assert_eq!(gateway.get("/api/v4/projects/1/jobs/14000/artifacts").send().status, 200, "made after the request");
        gateway.wait_seconds(1);
        assert_eq!(sweep(&gateway), Swept::default(), "the request is closed");
    }

    fn a_reader_who_began_before_the_removal_gets_everything(gateway) {
        let archive = zips::packed(zip::CompressionMethod::Stored, &[("big", &zips::noise(30 << 20))]);
        world::small(&gateway, &archive);
        let stream = gateway.get(ARCHIVE).connect();
        let mut first = [0; 1];
        stream.peek(&mut first).unwrap();
        let deleted = crate::support::wire::Request::new(gateway.address, "DELETE", ARCHIVE).private_token(world::MAINTAINER).send();
        assert_eq!(deleted.status, 204);
        assert_eq!(sweep(&gateway).removed, Removed { blobs: 1, failed: 0 });
        gateway.until_blobs(0);
        let answer = read_answer(stream, false).unwrap();
        assert!(answer.complete && answer.body == archive);
        assert_eq!(gateway.get(ARCHIVE).send().status, 404);
    }

    fn a_removal_that_fails_stays_queued_and_is_finished_by_a_later_one(gateway) {
        world::small(&gateway, b"bytes");
        let blob = gateway.blobs().remove(0);
        // A folder in the place of the file cannot be removed as one.
        std::fs::remove_file(&blob).unwrap();
        std::fs::create_dir(&blob).unwrap();
        crate::support::wire::Request::new(gateway.address, "DELETE", ARCHIVE).private_token(world::MAINTAINER).send();
        assert_eq!(sweep(&gateway).removed, Removed { blobs: 0, failed: 1 });
        std::fs::remove_dir(&blob).unwrap();
        assert_eq!(sweep(&gateway).removed, Removed::default(), "somebody else may still be at it");
        assert_eq!(collect(&gateway, Duration::from_secs(3600)).removed, Removed { blobs: 1, failed: 0 });
        gateway.wait_seconds(3600);
        assert_eq!(sweep(&gateway).removed, Removed::default());
    }

    fn sweeps_at_once_do_each_thing_once(gateway) {
        gateway.write_file("archive.zip", b"bytes");
        let jobs: Vec<String> = (1..=300).map(|id| format!("{{id: {id}, name: j, status: success, artifacts: [{{file: archive.zip, expire_in: 1 hour}}]}}")).collect();
        gateway.load(&format!("projects: [{{id: 1, path: g/p, pipelines: [{{id: 1, ref: main, sha: a, status: failed, jobs: [{}]}}]}}]", jobs.join(", ")));
        gateway.wait_seconds(3600);
        let swept: Vec<Swept> = std::thread::scope(|scope| {
            let gateway = &gateway;
            let sweeps: Vec<_> = (0..4).map(|_| scope.spawn(move || sweep(gateway))).collect();
            sweeps.into_iter().map(|sweep| sweep.join().unwrap()).collect()
        });
        assert_eq!(swept.iter().map(|swept| swept.expired).sum::<usize>(), 300, "{swept:?}");
        assert_eq!(swept.iter().map(|swept| swept.removed.blobs).sum::<usize>(), 300, "{swept:?}");
        gateway.until_blobs(0);
    }

    fn bytes_without_a_row_go_after_their_grace(gateway) {
        world::small(&gateway, b"bytes");
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

    fn a_check_finds_what_is_missing_short_or_changed(gateway) {
        world::small(&gateway, b"bytes");
        for kind in ["junit", "sast", "dast"] {
            let format = kind.parse::<ArtifactKind>().unwrap().format();
            let form = Form::default().file("x", kind.as_bytes());
            let answer = gateway.post(&format!("{UPLOAD}?artifact_type={kind}&artifact_format={format}")).job_token(RUNNING).form(form).send();
            assert_eq!(answer.status, 201);
        }
        assert_eq!(fsck(&gateway, false), (Checked { artifacts: 4, faults: 0 }, vec![]));
        let blob = |kind: &'static str| {
            let kind = kind.parse::<ArtifactKind>().unwrap();
            let artifact = gateway.catalog(move |db| artigate::catalog::artifacts::find(db, 20, kind)).unwrap();
            gateway.path().join("blobs").join(artifact.store_key)
        };
        std::fs::remove_file(blob("junit")).unwrap();
        std::fs::write(blob("sast"), b"longer than before").unwrap();
        std::fs::write(blob("dast"), b"DAST").unwrap();
        let (quick, lines) = fsck(&gateway, true);
        assert_eq!(quick, Checked { artifacts: 4, faults: 2 });
        assert!(lines[0].contains("(junit of job 20)") && lines[0].contains("is not in the store"), "{lines:?}");
        assert!(lines[1].contains("has 18 bytes, its row says 4"), "{lines:?}");
        let (full, lines) = fsck(&gateway, false);
        assert_eq!(full, Checked { artifacts: 4, faults: 3 });
        assert!(lines[2].contains("its SHA-256 is "), "{lines:?}");
    }

    fn bytes_are_either_named_or_removed_whoever_comes_first(gateway) {
        world::small(&gateway, b"bytes");
        for number in 1..90 {
            let key = artigate::store::StoreKey::random().to_string();
            let (declared, contents) = declared(number, &key);
            let now = gateway.now();
            let (added, doomed) = std::thread::scope(|scope| {
                let (gateway, key) = (&gateway, key.clone());
                let adding = scope.spawn(move || gateway.try_write_catalog(move |db| artifacts::add(db, &declared, &contents, now)));
                let dooming = scope.spawn(move || gateway.write_catalog(move |db| orphans::doom(db, &[key])));
                (adding.join().unwrap(), dooming.join().unwrap())
            });
            match added {
                Ok(added) => assert!(matches!(added, Added::New(_)) && doomed.is_empty(), "both had their way"),
                Err(error) => assert!(error.kind() == Kind::Unavailable && doomed == [key], "{error:?} {doomed:?}"),
            }
        }
        let (declared, contents) = declared(90, "ab/ab0123456789abcdef0123456789abcd");
        let key = vec![contents.store_key.clone()];
        let now = gateway.now();
        assert_eq!(gateway.write_catalog({ let key = key.clone(); move |db| orphans::doom(db, &key) }), key);
        let add = || { let (declared, contents) = (declared.clone(), contents.clone()); gateway.try_write_catalog(move |db| artifacts::add(db, &declared, &contents, now)) };
        assert_eq!(add().unwrap_err().kind(), Kind::Unavailable);
        // Marks go by the database's clock, and long after the last who might come.
        let age = |days: i64| gateway.write_catalog(move |db| {
            let aged = format!("UPDATE doomed_blobs SET doomed_at = doomed_at - {}", days * 86_400_000);
            diesel::sql_query(aged).execute(db)?;
            orphans::doom(db, &[])
        });
        assert!(age(6).is_empty());
        assert_eq!(add().unwrap_err().kind(), Kind::Unavailable);
        assert!(age(2).is_empty());
        assert!(add().is_ok());
    }
}

/// An artifact of a job of its own, whose bytes are under `key`.
pub fn declared(number: i64, key: &str) -> (Declared, Contents) {
    let kind = ArtifactKind::ALL[number as usize % ArtifactKind::ALL.len()];
    let job_id = [10, 20, 21][(number as usize / ArtifactKind::ALL.len()) % 3];
    let declared = Declared {
        project_id: 1,
        job_id,
        kind,
        filename: "x".into(),
        accessibility: Accessibility::Public,
        expire_at: None,
    };
    let contents = Contents {
        size_bytes: 1,
        sha256: Sha256Digest::of(key.as_bytes()),
        store_key: key.into(),
        tail_bytes: None,
    };
    (declared, contents)
}
