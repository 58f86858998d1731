//! Directories of database and store: who creates them, with which permissions, and the errors of unusable
//! ones.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};

use crate::program::{Serving, artigate};
use crate::support::gateway::PostgresDatabase;

/// Somebody who may not do what root may.
const NOBODY: u32 = 65534;

fn outcome(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    outcome(&mut artigate(folder, arguments))
}

/// Every command that works on what is there.
const ADMINISTRATION: &[&[&str]] = &[
    &["user", "create", "zed"],
    &["user", "list"],
    &["token", "list"],
    &["token", "create", "--user", "a", "--scopes", "api"],
    &["token", "revoke", "1"],
    &["project", "list"],
    &["project", "create", "a/b"],
    &["sweep"],
    &["gc"],
    &["fsck"],
    &["copy-store", "--from", "file://artigate-data/blobs", "--to", "file://copy"],
];

#[test]
fn only_what_begins_an_instance_makes_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let real = path.canonicalize().unwrap();
    for arguments in ADMINISTRATION {
        let (code, out, error) = run(path, arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}");
        let expected = format!(
            "artigate: there is no database at {0}/artigate-data/artigate.db (there is no {0}/artigate.toml); \
             only serve, migrate and load create a new one\n",
            real.display()
        );
        assert_eq!(error, expected, "{arguments:?}");
    }
    assert_eq!(std::fs::read_dir(path).unwrap().count(), 0, "nothing was made");
    std::fs::write(path.join("own.toml"), "[database]\nurl = 'sqlite://elsewhere/x.db'").unwrap();
    let (code, _, error) = run(path, &["gc", "--config", "own.toml"]);
    assert_eq!(code, Some(2));
    assert!(
        error.contains("/elsewhere/x.db (settings were read from ") && error.contains("/own.toml)"),
        "{error}"
    );
    std::fs::write(path.join("empty.db"), "").unwrap();
    let (code, _, error) =
        outcome(artigate(path, &["gc"]).env("ARTIGATE_DATABASE__URL", "sqlite://empty.db"));
    assert_eq!(code, Some(2));
    assert!(error.contains("/empty.db is empty"), "{error}");
    assert_eq!(run(path, &["migrate"]).0, Some(0));
    assert_eq!(run(path, &["user", "create", "zed"]).0, Some(0));
}

#[test]
fn an_empty_database_on_a_server_is_left_empty_by_administration() {
    let folder = tempfile::tempdir().unwrap();
    let database = PostgresDatabase::create();
    for arguments in ADMINISTRATION {
        let (code, _, error) =
            outcome(artigate(folder.path(), arguments).env("ARTIGATE_DATABASE__URL", &database.url));
        assert_eq!(code, Some(2), "{arguments:?}");
        assert!(error.contains("the database that database.url names is empty"), "{error}");
    }
    let mut server = PgConnection::establish(&database.url).unwrap();
    server
        .batch_execute("CREATE TABLE users (a int); CREATE TABLE __diesel_schema_migrations (a int)")
        .unwrap();
}

#[test]
fn only_what_begins_an_instance_makes_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert_eq!(run(path, &["migrate"]).0, Some(0));
    std::fs::remove_dir_all(path.join("artigate-data/blobs")).unwrap();
    for arguments in &ADMINISTRATION[7..] {
        let (code, out, error) = run(path, arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(
            error.contains("there is no store at ") && error.contains("/artigate-data/blobs ("),
            "{error}"
        );
    }
    assert!(!path.join("artigate-data/blobs").exists() && !path.join("copy").exists());
    std::fs::write(path.join("users.yml"), "users: [{id: 1, username: a}]").unwrap();
    assert_eq!(run(path, &["load", "users.yml"]).0, Some(0));
    for arguments in &ADMINISTRATION[7..] {
        let (code, _, error) = run(path, arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {error}");
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).mode() & 0o777
}

#[test]
fn what_an_instance_makes_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut command = artigate(path, &["serve", "--demo"]);
    command.env("ARTIGATE_DATABASE__URL", "sqlite://made/for/it/artigate.db");
    let serving = Serving::run(command);
    for directory in
        ["made", "made/for", "made/for/it", "artigate-data", "artigate-data/blobs", "artigate-data/blobs/00"]
    {
        assert_eq!(mode(&path.join(directory)), 0o700, "{directory}");
    }
    for file in ["artigate.db", "artigate.db-wal", "artigate.db-shm"] {
        assert_eq!(mode(&path.join("made/for/it").join(file)), 0o600, "{file}");
    }
    let mut blobs = 0;
    assert_eq!(mode(&path.join("artigate-data/blobs/instance-id")), 0o600);
    let shards =
        std::fs::read_dir(path.join("artigate-data/blobs")).unwrap().map(|entry| entry.unwrap().path());
    for shard in shards.filter(|path| path.is_dir()) {
        for blob in std::fs::read_dir(shard).unwrap() {
            assert_eq!(mode(&blob.unwrap().path()), 0o600);
            blobs += 1;
        }
    }
    assert!(blobs > 0);
    assert_eq!(serving.stop(), Some(0));
}

/// One sentence that names the key and the path: a second line would be a warning of a try that failed.
fn refuses_at_once(command: &mut Command, parts: &[&str]) {
    let (code, out, error) = outcome(command);
    assert_eq!((code, out.as_str()), (Some(2), ""), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    for part in ["artigate: database.url: "].iter().chain(parts) {
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }
    assert!(!error.contains("timed out"), "{error}");
}

#[test]
fn a_database_that_will_never_open_is_named_at_once_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let with = |url: &str| {
        let mut command = artigate(path, &["serve"]);
        command.env("ARTIGATE_DATABASE__URL", url).env("ARTIGATE_SERVER__LISTEN", "127.0.0.1:0");
        command
    };
    std::fs::write(
        path.join("text.db"),
        "not a database at all, but long enough to be looked at ".repeat(40),
    )
    .unwrap();
    refuses_at_once(&mut with("sqlite://text.db"), &["/text.db: ", "file is not a database"]);
    refuses_at_once(&mut with("sqlite://text.db/x.db"), &["/text.db cannot be created: "]);
    std::fs::create_dir(path.join("directory")).unwrap();
    refuses_at_once(&mut with("sqlite://directory"), &["/directory is a directory"]);
    refuses_at_once(
        &mut with("sqlite:///proc/artigate/x.db"),
        &["the directory /proc/artigate cannot be created: "],
    );
}

#[test]
fn a_server_that_will_never_let_us_in_is_told_of_at_once_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let with = |url: &str| {
        let mut command = artigate(folder.path(), &["serve"]);
        command.env("ARTIGATE_DATABASE__URL", url);
        command
    };
    let database = PostgresDatabase::create();
    let (before, _) = database.url.rsplit_once('/').unwrap();
    refuses_at_once(
        &mut with(&format!("{before}/no_such_database")),
        &["no_such_database", "does not exist"],
    );
    let (_, place) = database.url.rsplit_once('@').unwrap();
    let wrong = format!("postgres://postgres:wr0ng-pass@{place}");
    refuses_at_once(&mut with(&wrong), &["password authentication failed"]);
    assert!(!outcome(&mut with(&wrong)).2.contains("wr0ng-pass"));
}

/// The program as somebody whom modes of files bind, which they do not bind root.
fn as_nobody(folder: &Path) -> Command {
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let program = folder.join("artigate");
    if !program.exists() {
        std::fs::copy(env!("CARGO_BIN_EXE_artigate"), &program).unwrap();
        set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(program);
    command.current_dir(folder).arg("migrate").env_clear();
    if is_root {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn own(path: &Path, mode: u32) {
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_database_that_may_not_be_used_is_named_at_once_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert_eq!(run(path, &["migrate"]).0, Some(0));
    let data = path.join("artigate-data");
    let files: Vec<PathBuf> = std::fs::read_dir(&data).unwrap().map(|file| file.unwrap().path()).collect();
    files.iter().for_each(|file| own(file, 0o600));
    let database = data.join("artigate.db");
    for (directory_mode, file_mode, says) in [
        (0o700, 0o400, "/artigate-data/artigate.db"),
        (0o700, 0o000, "/artigate-data/artigate.db"),
        (0o500, 0o600, "/artigate-data"),
    ] {
        own(&database, file_mode);
        own(&data, directory_mode);
        let says = format!("{says} cannot be written: Permission denied");
        refuses_at_once(&mut as_nobody(path), &[&says]);
    }
    own(&data, 0o700);
    let (code, _, error) = outcome(&mut as_nobody(path));
    assert_eq!(code, Some(0), "{error}");
    let mut elsewhere = as_nobody(path);
    elsewhere.env("ARTIGATE_DATABASE__URL", "sqlite://of-root/x.db");
    set_permissions(path, Permissions::from_mode(0o555)).unwrap();
    refuses_at_once(&mut elsewhere, &["/of-root cannot be created: Permission denied"]);
    set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_database_of_a_newer_release_is_one_warning() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert_eq!(run(path, &["migrate"]).2, "");
    let file = path.join("artigate-data/artigate.db");
    let mut database = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    database
        .batch_execute(
            "INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000'), ('99990102000000')",
        )
        .unwrap();
    drop(database);
    let (code, _, error) = run(path, &["user", "create", "zed"]);
    let warnings: Vec<&str> = error.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!((code, warnings.len()), (Some(0), 1), "{error}");
    assert!(warnings[0].contains("2 migrations are unknown to this release"), "{error}");
}
