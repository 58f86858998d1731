//! Schema migrations: run once however many processes start them, equal on both databases, and compatible
//! with the previous release.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::program::artigate;
use crate::support::gateway::PostgresDatabase;

/// The statements of each migration, by its name, without comments.
fn migrations(database: &str) -> BTreeMap<String, Vec<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(database);
    let migrations = std::fs::read_dir(folder).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(path.join("up.sql")).unwrap();
        let bare = text
            .lines()
            .map(|line| line.split("--").next().unwrap_or_default().trim())
            .collect::<Vec<_>>()
            .join(" ");
        (path.file_name().unwrap().to_str().unwrap().to_owned(), statements(&bare))
    });
    migrations.collect()
}

/// Cuts a text into statements. That of a trigger, and the body of a function, hold statements of their own.
fn statements(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut is_whole = true;
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        match found.last_mut() {
            Some(begun) if !is_whole => begun.push_str(&format!("; {part}")),
            _ => found.push(part.to_owned()),
        }
        let statement = found.last().map(String::as_str).unwrap_or_default();
        let is_in_body = statement.matches("$$").count() % 2 == 1;
        let has_body = statement.starts_with("CREATE TRIGGER ") && statement.contains(" BEGIN ");
        is_whole = !is_in_body && (!has_body || part == "END");
    }
    found
}

#[test]
fn both_databases_have_the_same_migrations() {
    let names = |database| migrations(database).into_keys().collect::<Vec<_>>();
    assert_eq!(names("sqlite"), names("postgres"));
}

/// A node of the release before inserts rows without the new columns and knows nothing of new tables:
/// that works as long as a change only adds, and what it adds may be missing. A trigger runs for that node, too, and
/// changes nothing that it reads.
#[test]
fn a_change_of_the_schema_lets_the_release_before_go_on() {
    for database in ["sqlite", "postgres"] {
        for (name, statements) in migrations(database).into_iter().skip(1) {
            for statement in statements {
                let words = statement.to_uppercase();
                let adds = [
                    "CREATE TABLE ",
                    "CREATE INDEX ",
                    "CREATE UNIQUE INDEX ",
                    "CREATE FUNCTION ",
                    "CREATE TRIGGER ",
                ]
                .iter()
                .any(|verb| words.starts_with(verb));
                let adds_a_column = words.starts_with("ALTER TABLE ")
                    && words.contains(" ADD COLUMN ")
                    && (!words.contains(" NOT NULL") || words.contains(" DEFAULT "));
                assert!(adds || adds_a_column, "{database}/{name}: {statement}");
            }
        }
    }
}

/// Runs `migrate` many times at once and tells how many migrations each run made.
fn race(folder: &Path, prepare: impl Fn(&mut Command)) -> Vec<usize> {
    let racers: Vec<_> = (0..8)
        .map(|_| {
            let mut command = artigate(folder, &["migrate"]);
            prepare(&mut command);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let made = racers.into_iter().map(|racer| {
        let output = racer.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let printed = String::from_utf8(output.stdout).unwrap();
        printed.split(' ').next().unwrap().parse().unwrap()
    });
    made.collect()
}

#[test]
fn nodes_that_begin_at_once_migrate_once() {
    let all = migrations("sqlite").len();
    let folder = tempfile::tempdir().unwrap();
    let made = race(folder.path(), |_| {});
    assert_eq!(made.iter().filter(|made| **made == all).count(), 1, "{made:?}");
    assert_eq!(made.iter().sum::<usize>(), all, "{made:?}");
    let (database, folder) = (PostgresDatabase::create(), tempfile::tempdir().unwrap());
    let made = race(folder.path(), |command| {
        command.env("ARTIGATE_DATABASE__URL", &database.url);
    });
    assert_eq!(made.iter().filter(|made| **made == all).count(), 1, "{made:?}");
    assert_eq!(made.iter().sum::<usize>(), all, "{made:?}");
}
