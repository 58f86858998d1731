//! Which instance a store belongs to: with the database of another one, `gc` removes nothing.

use std::path::Path;

use crate::program::artigate;
use crate::support::{fixtures, zips};

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
