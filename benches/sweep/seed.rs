//! The data of the sweep benchmark: many expired artifacts of a few bytes, and one that stays and is read.

use std::io::{Cursor, Write};
use std::path::Path;

use artigate::catalog::Catalog;
use artigate::settings::{DatabaseUrl, Settings, StorageUrl};
use artigate::store::Store;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};

/// The path that readers fetch.
pub(crate) const PATH: &str = "/api/v4/projects/1/jobs/1/artifacts/file.txt";

/// The content that they get.
pub(crate) const CONTENT: &[u8] = b"a file that is read again and again\n";

/// Creates an empty database and returns its URL.
pub(crate) fn create_postgres_database(server: &str) -> String {
    let name = format!("bench_{}", uuid::Uuid::now_v7().simple());
    let mut connection = PgConnection::establish(server).expect("PostgreSQL answers");
    connection.batch_execute(&format!("CREATE DATABASE {name}")).expect("a database can be made");
    let (base, _) = server.rsplit_once('/').expect("the URL names a database");
    format!("{base}/{name}")
}

/// Fills the database and the store that the defaults of `folder` name.
pub(crate) fn seed(folder: &Path, postgres: Option<&str>, count: u64) {
    let sqlite = folder.join("artigate-data/artigate.db");
    let url = match postgres {
        Some(url) => DatabaseUrl::Postgres(url.to_owned().into()),
        None => DatabaseUrl::Sqlite(sqlite.clone()),
    };
    let settings = Settings { database: url, ..Settings::default() };
    Catalog::open(&settings).expect("the database opens").migrate().expect("the schema is made");
    let directory = StorageUrl::Directory(folder.join("artigate-data/blobs"));
    Store::open_at(&directory, settings.storage_timeout).expect("the store opens");
    match postgres {
        Some(url) => fill(&mut PgConnection::establish(url).expect("PostgreSQL answers"), count, POSTGRES),
        None => {
            let path = sqlite.to_str().expect("a path in UTF-8");
            let mut connection = SqliteConnection::establish(path).expect("the file opens");
            connection.batch_execute("PRAGMA busy_timeout = 30000").expect("the file is a database");
            fill(&mut connection, count, SQLITE);
        }
    }
    write_blobs(&folder.join("artigate-data/blobs"), count);
}

/// How the two databases differ in what seeding needs.
struct Dialect {
    numbers: fn(u64) -> String,
    uuid: &'static str,
    key: &'static str,
    digest: &'static str,
    finish: &'static str,
}

const SQLITE: Dialect = Dialect {
    numbers: |count| {
        format!(
            "WITH RECURSIVE numbers(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM numbers WHERE n <= {count})"
        )
    },
    uuid: "randomblob(16)",
    key: "printf('%02x/%02x%030x', n % 256, n % 256, n)",
    digest: "zeroblob(32)",
    finish: "ANALYZE;",
};

const POSTGRES: Dialect = Dialect {
    numbers: |count| format!("WITH numbers AS (SELECT generate_series(2, {count} + 1) AS n)"),
    uuid: "decode(md5(n::text || random()::text), 'hex')",
    key: "lpad(to_hex(n % 256), 2, '0') || '/' || lpad(to_hex(n % 256), 2, '0') || lpad(to_hex(n), 30, '0')",
    digest: "decode(repeat('00', 32), 'hex')",
    finish: "ANALYZE; CHECKPOINT;",
};

/// Ten jobs a pipeline, each with one archive that expired long ago; job 1 is in a pipeline of its own.
fn fill(db: &mut impl SimpleConnection, count: u64, dialect: Dialect) {
    let Dialect { numbers, uuid, key, digest, finish } = dialect;
    let (jobs, pipelines) = (numbers(count), numbers(count / 10 + 1));
    let archive = archive();
    let statements = [
        format!("INSERT INTO projects (id, uuid, path, path_lower, name, visibility, public_jobs, keep_latest_artifact, created_at)
            SELECT 1, {uuid}, 'g/p', 'g/p', 'p', 'public', true, true, 0 FROM (SELECT 1 AS n) one"),
        format!("INSERT INTO pipelines (id, uuid, project_id, iid, ref, tag, sha, status, source, root_id, depth, created_at, updated_at)
            SELECT 1, {uuid}, 1, 1, 'main', false, 'a', 'success', 'push', 1, 0, 0, 0 FROM (SELECT 1 AS n) one"),
        format!("{pipelines} INSERT INTO pipelines (id, uuid, project_id, iid, ref, tag, sha, status, source, root_id, depth, created_at, updated_at)
            SELECT n, {uuid}, 1, n, 'branch-' || (n % 1000), false, 'a', 'failed', 'push', n, 0, 0, 0 FROM numbers"),
        format!("INSERT INTO jobs (id, uuid, project_id, pipeline_id, name, stage, status, allow_failure, retried, created_at)
            SELECT 1, {uuid}, 1, 1, 'build', 'test', 'success', false, false, 0 FROM (SELECT 1 AS n) one"),
        format!("{jobs} INSERT INTO jobs (id, uuid, project_id, pipeline_id, name, stage, status, allow_failure, retried, created_at)
            SELECT n, {uuid}, 1, 2 + (n - 2) / 10, 'build', 'test', 'success', false, false, 0 FROM numbers"),
        format!("INSERT INTO artifacts (uuid, project_id, job_id, name, kind, format, filename, accessibility, state, size_bytes, sha256, store_key, created_at, updated_at, shown_name)
            SELECT {uuid}, 1, 1, 'archive', 'archive', 'zip', 'artifacts.zip', 'public', 'finished', {}, {digest}, {key}, 0, 0, 'build' FROM (SELECT 1 AS n) one", archive.len()),
        format!("{jobs} INSERT INTO artifacts (uuid, project_id, job_id, name, kind, format, filename, accessibility, state, size_bytes, sha256, store_key, created_at, updated_at, expire_at, shown_name)
            SELECT {uuid}, 1, n, 'archive', 'archive', 'zip', 'artifacts.zip', 'public', 'finished', 1, {digest}, {key}, 0, 0, 1000 + n, 'build' FROM numbers"),
        finish.to_owned(),
    ];
    for statement in statements {
        db.batch_execute(&statement).unwrap_or_else(|error| panic!("{error}: {statement}"));
    }
}

fn archive() -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("file.txt", zip::write::SimpleFileOptions::default()).expect("memory is writable");
    writer.write_all(CONTENT).expect("memory is writable");
    writer.finish().expect("memory is writable").into_inner()
}

fn write_blobs(folder: &Path, count: u64) {
    let path = |n: u64| folder.join(format!("{:02x}/{:02x}{n:030x}", n % 256, n % 256));
    std::fs::write(path(1), archive()).expect("the store is writable");
    std::thread::scope(|scope| {
        for part in 0..2 {
            scope.spawn(move || {
                for n in (2..count + 2).filter(|n| n % 2 == part) {
                    std::fs::write(path(n), b"x").expect("the store is writable");
                }
            });
        }
    });
}
