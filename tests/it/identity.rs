//! Identity of database and store: which pairs are accepted as one instance, and which are rejected until an
//! operator has looked.

use std::fs;
use std::path::{Path, PathBuf};

use artigate::catalog::instance;
use artigate::domain::ErrorKind;

use crate::program::{Serving, artigate};
use crate::support::bucket::{self, Fault, Proxy};
use crate::support::fixtures::{self, ARCHIVE, RUNNING, UPLOAD};
use crate::support::gateway::Gateway;
use crate::support::http_client::{Answer, Form, Request};
use crate::support::until;
use crate::support::zips;

/// A folder with an instance of its own, or with the files to make one.
struct Place(tempfile::TempDir);

impl Place {
    /// With a database and a store that have nothing in common with any other.
    fn with_an_archive() -> Self {
        let place = Self::with_nothing();
        assert_eq!(place.run(&["load", "registry.yml"], &[]).0, Some(0));
        assert_eq!(place.blobs().len(), 1);
        place
    }

    fn with_nothing() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("archive.zip"), zips::deflated(&[("a.txt", b"hello")])).unwrap();
        fs::write(folder.path().join("registry.yml"), fixtures::small_document()).unwrap();
        fs::write(folder.path().join("users.yml"), "users: [{id: 1, username: a}]").unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn store(&self) -> PathBuf {
        self.path("artigate-data/blobs")
    }

    fn url(&self) -> String {
        format!("file://{}", self.store().display())
    }

    fn id(&self) -> Option<Vec<u8>> {
        fs::read(self.store().join("instance-id")).ok()
    }

    /// As a release made it that knew of no ids.
    fn forget_the_stores_id(&self) {
        fs::remove_file(self.store().join("instance-id")).unwrap();
    }

    fn change_database(&self, statement: &str) {
        let changed = std::process::Command::new("sqlite3")
            .arg(self.path("artigate-data/artigate.db"))
            .arg(statement)
            .status();
        assert!(changed.unwrap().success());
    }

    fn blobs(&self) -> Vec<PathBuf> {
        blobs_in(&self.store())
    }

    /// Runs a command with other settings; what it said on both channels.
    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
        let mut command = artigate(self.0.path(), arguments);
        command.env("ARTIGATE_SERVER__LISTEN", "127.0.0.1:0").envs(variables.iter().copied());
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }

    /// Every command that could stamp a store, or remove from it, refuses this one in words.
    fn is_refused(&self, variables: &[(&str, &str)], says: &[&str]) {
        for arguments in [
            &["serve"][..],
            &["migrate"],
            &["load", "registry.yml"],
            &["load", "users.yml"],
            &["gc", "--grace", "0s"],
        ] {
            let (code, said) = self.run(arguments, variables);
            assert_eq!(code, Some(2), "{arguments:?}: {said}");
            assert!(!said.contains("listening on") && !said.contains("loaded "), "{said}");
            // `gc` reports a store that it cannot delete from as it finds it: it gives no IDs.
            let says = if arguments[0] == "gc" { &["artigate.db", "instance"] } else { says };
            for part in says {
                assert!(said.contains(part), "{arguments:?} does not say {part:?}: {said}");
            }
        }
    }
}

fn blobs_in(store: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(store).unwrap();
    let files = folders.filter_map(|folder| fs::read_dir(folder.unwrap().path()).ok()).flatten();
    files.map(|file| file.unwrap().path()).collect()
}

#[test]
fn a_new_database_takes_no_store_with_blobs_for_its_own_until_it_is_told_to() {
    let (owner, new) = (Place::with_an_archive(), Place::with_nothing());
    owner.forget_the_stores_id();
    let store = owner.url();
    let there = [("ARTIGATE_STORAGE__URL", store.as_str())];
    let says = [
        "sqlite://artigate-data/artigate.db",
        &store,
        "holds blobs",
        "references no artifacts",
        "--adopt-store",
    ];
    new.is_refused(&there, &says);
    assert!(owner.id().is_none() && owner.blobs().len() == 1);
    // Its owner is known by what it names.
    assert_eq!(owner.run(&["gc", "--grace", "0s"], &[]).0, Some(2), "gc gives no id");
    assert_eq!(owner.run(&["migrate"], &[]).0, Some(0));
    assert!(owner.id().is_some());
    assert_eq!(owner.run(&["gc", "--grace", "0s"], &[]).0, Some(0));
    assert_eq!(owner.blobs().len(), 1);
    new.is_refused(&there, &["artigate.db", &store, "may not belong together"]);
    owner.forget_the_stores_id();
    let (code, said) = new.run(&["migrate", "--adopt-store"], &there);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&format!("the store {store} belongs to the database sqlite://")), "{said}");
    assert!(said.contains("store.adopt"), "{said}");
    let (code, said) = new.run(&["gc", "--grace", "0s"], &there);
    assert!(code == Some(0) && said.contains("1 blobs without a row"), "{said}");
}

#[test]
fn a_store_that_is_not_mounted_is_not_made_anew() {
    let place = Place::with_an_archive();
    let aside = place.path("aside");
    for with_database_id in [true, false] {
        if !with_database_id {
            place.change_database("DELETE FROM instance");
        }
        fs::rename(place.store(), &aside).unwrap();
        fs::create_dir(place.store()).unwrap();
        place.is_refused(
            &[],
            &["blobs is empty", "artigate.db references artifacts", "may not be mounted", "--adopt-store"],
        );
        assert!(place.id().is_none());
        fs::remove_dir_all(place.store()).unwrap();
        fs::rename(&aside, place.store()).unwrap();
        assert_eq!(place.run(&["load", "users.yml"], &[]).0, Some(0), "it is back");
    }
    // The ID was lost for good, and the operator says so.
    fs::remove_dir_all(place.store()).unwrap();
    fs::create_dir(place.store()).unwrap();
    assert_eq!(place.run(&["migrate", "--adopt-store"], &[]).0, Some(0));
    assert_eq!(place.run(&["load", "registry.yml"], &[]).0, Some(0));
}

#[test]
fn blobs_of_which_the_database_names_none_are_somebody_elses() {
    let (one, other) = (Place::with_an_archive(), Place::with_an_archive());
    one.forget_the_stores_id();
    let store = one.url();
    let there = [("ARTIGATE_STORAGE__URL", store.as_str())];
    for statement in ["SELECT 1", "DELETE FROM instance"] {
        other.change_database(statement);
        other.is_refused(&there, &["none of the artifacts", "--adopt-store", &store]);
        assert!(one.id().is_none());
    }
    // Nor is an id taken over from a store that a database has nothing to do with.
    assert_eq!(one.run(&["migrate"], &[]).0, Some(0));
    other.is_refused(&there, &["none of the artifacts", "--adopt-store", &store]);
    assert_eq!(other.run(&["migrate"], &[]).0, Some(0), "its own is still its own");
    assert_eq!(other.run(&["gc", "--grace", "0s"], &there).0, Some(2));
    assert_eq!(one.blobs().len(), 1);
}

#[test]
fn who_has_nothing_to_lose_begins_with_an_empty_store() {
    let place = Place::with_an_archive();
    let first = place.id().unwrap();
    place.change_database("DELETE FROM artifacts");
    fs::remove_dir_all(place.store()).unwrap();
    assert_eq!(place.run(&["migrate"], &[]).0, Some(0));
    assert_eq!(place.id().unwrap(), first);
    assert_eq!(place.run(&["load", "registry.yml"], &[]).0, Some(0));
}

#[test]
fn while_an_instance_moves_the_new_place_is_empty_and_its_own() {
    let place = Place::with_an_archive();
    let old = place.url();
    let moving = |new: &Path| {
        let new = format!("file://{}", new.display());
        place.run(&["migrate"], &[("ARTIGATE_STORAGE__URL", &new), ("ARTIGATE_STORAGE__PREVIOUS_URL", &old)])
    };
    let (code, said) = moving(&place.path("new"));
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(fs::read(place.path("new/instance-id")).unwrap(), place.id().unwrap());
    // A store elsewhere says nothing about blobs here.
    let foreign = Place::with_an_archive();
    foreign.forget_the_stores_id();
    let (code, said) = moving(&foreign.store());
    assert!(code == Some(2) && said.contains("none of the artifacts"), "{said}");
    assert!(foreign.id().is_none());
    let target = foreign.url();
    let (code, said) = place.run(&["copy-store", "--from", &old, "--to", &target], &[]);
    assert!(code == Some(1) && said.contains("the store to copy to holds blobs already"), "{said}");
    assert!(foreign.id().is_none() && foreign.blobs().len() == 1);
    // A copy that an earlier release has made is known by what is in it.
    fs::remove_file(place.path("new/instance-id")).unwrap();
    let copy = format!("file://{}", place.path("new").display());
    for expected in ["1 blobs copied", "1 already present"] {
        let (code, said) = place.run(&["copy-store", "--from", &old, "--to", &copy], &[]);
        assert!(code == Some(0) && said.contains(expected), "{said}");
        fs::remove_file(place.path("new/instance-id")).unwrap();
    }
}

#[test]
fn another_instances_store_is_neither_served_from_nor_loaded_into() {
    let (one, other) = (Place::with_an_archive(), Place::with_an_archive());
    let store = other.url();
    one.is_refused(&[("ARTIGATE_STORAGE__URL", &store)], &["do not belong together", "artigate.db", &store]);
    assert_eq!(other.blobs().len(), 1, "nothing was stored");
    let there = [("ARTIGATE_STORAGE__URL", store.as_str())];
    let (code, said) = one.run(&["migrate", "--adopt-store"], &there);
    assert!(code == Some(2) && said.contains("do not belong together"), "{said}");
}

fn upload(at: impl Fn(&str, &str) -> Request, kind: &str) -> Answer {
    let target = format!("{UPLOAD}?artifact_type={kind}&artifact_format=raw");
    at("POST", &target).job_token(RUNNING).form(Form::default().file("a", b"x")).send()
}

/// The bucket answers, only not the question whose it is.
#[test]
fn a_server_takes_no_writes_before_its_store_has_said_whose_it_is() {
    let proxy = Proxy::start();
    let place = Place::with_nothing();
    let storage = bucket::text(&bucket::fresh(proxy.address));
    let command = |arguments: &[&str]| {
        let mut command = artigate(place.0.path(), arguments);
        command.envs(bucket::variables(proxy.address)).env("ARTIGATE_STORAGE__URL", &storage);
        command
    };
    assert!(command(&["load", "registry.yml"]).output().unwrap().status.success());
    proxy.fail(Fault::Refuse("instance-id"));
    let output = command(&["load", "registry.yml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    let serving = Serving::run(command(&["serve"]));
    let at = |method: &str, target: &str| Request::new(serving.address(), method, target);
    let refused = upload(at, "sast");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")));
    assert_eq!(refused.text(), r#"{"message":"503 Service Unavailable"}"#);
    assert_eq!(at("GET", "/-/readiness").send().status, 503);
    assert_eq!((at("GET", ARCHIVE).send().status, at("GET", "/-/liveness").send().status), (200, 200));
    proxy.fail(Fault::None);
    until(30_000, "readiness is as it should be", || at("GET", "/-/readiness").send().status == 200);
    assert_eq!(upload(at, "sast").status, 201);
    assert_eq!(serving.stop(), Some(0));
}

on_both_databases!(
    a_store_that_becomes_another_takes_no_more_writes_and_is_given_no_id,
    a_sample_is_of_the_newest_and_the_oldest_and_only_of_what_is_there
);

fn a_store_that_becomes_another_takes_no_more_writes_and_is_given_no_id(gateway: Gateway) {
    fixtures::small(&gateway, b"before");
    let at = |method: &str, target: &str| Request::new(gateway.address, method, target);
    let app = &gateway.app;
    let look = || gateway.block_on(app.belonging.look(&app.catalog, &app.store, &app.settings));
    assert_eq!(upload(at, "sast").status, 201);
    let (id, aside) = (gateway.path().join("blobs/instance-id"), gateway.path().join("aside"));
    fs::rename(&id, &aside).unwrap();
    assert_eq!(look().unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(upload(at, "dast").status, 503);
    until(30_000, "readiness is as it should be", || at("GET", "/-/readiness").send().status == 503);
    assert_eq!(at("GET", ARCHIVE).send().status, 200);
    // Nor does a timer give one, whatever the store holds.
    let collected = gateway.block_on(app.retention.collect_if_due(&app.settings, 1));
    assert_eq!(collected.unwrap_err().kind(), ErrorKind::Conflict);
    assert!(!id.exists());
    fs::write(&id, format!("{}\n", uuid::Uuid::new_v4())).unwrap();
    assert_eq!(look().unwrap_err().kind(), ErrorKind::Conflict);
    fs::rename(&aside, &id).unwrap();
    look().unwrap();
    assert_eq!(upload(at, "dast").status, 201);
    until(30_000, "readiness is as it should be", || at("GET", "/-/readiness").send().status == 200);
}

fn a_sample_is_of_the_newest_and_the_oldest_and_only_of_what_is_there(gateway: Gateway) {
    assert!(gateway.catalog(instance::sample).is_empty());
    fixtures::small(&gateway, b"before");
    let jobs: Vec<String> = (1_000..1_008)
        .map(|id| {
            format!("{{id: {id}, name: j, status: success, artifacts: [{{type: sast, file: archive.zip}}]}}")
        })
        .collect();
    gateway.load(&format!("projects: [{{id: 1, path: group/project, pipelines: [{{id: 100, ref: main, sha: a, status: success, jobs: [{}]}}]}}]", jobs.join(", ")));
    let jobs =
        || gateway.catalog(instance::sample).iter().map(|artifact| artifact.job_id).collect::<Vec<_>>();
    assert_eq!(jobs(), [1_007, 1_006, 1_005, 10, 1_000, 1_001]);
    let deleted = Request::new(gateway.address, "DELETE", "/api/v4/projects/1/jobs/1007/artifacts")
        .private_token(fixtures::MAINTAINER)
        .send();
    assert_eq!(deleted.status, 204);
    assert_eq!(jobs()[0], 1_006);
}
