//! Tests of the catalog's threads and its file: which work waits or is given up, and which connections are
//! discarded.

use std::fs;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::*;
use crate::domain::ErrorKind;

/// A catalog on SQLite with a given number of connections, and a runtime of one thread, like a worker's, that
/// calls it.
struct CatalogFixture {
    catalog: Catalog,
    runtime: tokio::runtime::Runtime,
    folder: tempfile::TempDir,
}

impl CatalogFixture {
    fn with(connections: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            database: DatabaseUrl::Sqlite(folder.path().join("artigate.db")),
            database_connections: connections,
            ..Settings::default()
        };
        let catalog = Catalog::open(&settings).unwrap();
        catalog.migrate().unwrap();
        catalog.pool.get().unwrap().batch_execute("CREATE TABLE notes (text TEXT)").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { catalog, runtime, folder }
    }

    /// Makes a catalog of one connection, which running work holds until the sender is dropped.
    fn by_one_that_hangs() -> (Self, mpsc::Sender<()>, tokio::task::JoinHandle<Result<()>>) {
        let asked = Self::with(1);
        let begun = Arc::default();
        let (end, work) = hangs(&begun);
        let catalog = asked.catalog.clone();
        let first = asked.runtime.spawn(async move { catalog.read(work).await });
        asked.runtime.block_on(async { tokio::task::yield_now().await });
        until(|| begun.load(Ordering::SeqCst) == 1);
        (asked, end, first)
    }

    fn write(&self, text: &'static str) -> Result<()> {
        self.runtime.block_on(self.catalog.write(move |db| note(db, text)))
    }

    fn notes(&self) -> i64 {
        self.runtime.block_on(self.catalog.read(count)).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn note(db: &mut Db, text: &str) -> Result<()> {
    Ok(diesel::sql_query(format!("INSERT INTO notes VALUES ('{text}')")).execute(db).map(drop)?)
}

fn count(db: &mut Db) -> Result<i64> {
    #[derive(QueryableByName)]
    #[diesel(check_for_backend(db::MultiBackend))]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        count: i64,
    }
    Ok(diesel::sql_query("SELECT count(*) AS count FROM notes").get_result::<Count>(db)?.count)
}

/// Makes work that does not end before the sender is dropped, as on a disk that does not answer; `begun`
/// counts its starts.
fn hangs(
    begun: &Arc<AtomicUsize>,
) -> (mpsc::Sender<()>, impl FnOnce(&mut Db) -> Result<()> + Send + 'static) {
    let (sender, receiver) = mpsc::channel();
    let begun = Arc::clone(begun);
    (sender, move |_: &mut Db| {
        begun.fetch_add(1, Ordering::SeqCst);
        let _ = receiver.recv();
        Ok(())
    })
}

fn until(mut is_so: impl FnMut() -> bool) {
    for _ in 0..60_000 {
        if is_so() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    panic!("it does not come to that");
}

#[test]
fn short_work_that_hangs_stops_neither_its_caller_nor_others() {
    let asked = CatalogFixture::with(8);
    let begun = Arc::default();
    let (ends, waiting): (Vec<_>, Vec<_>) = (0..7)
        .map(|_| {
            let (end, work) = hangs(&begun);
            let catalog = asked.catalog.clone();
            // The task only gets as far as its first poll here; the caller continues immediately.
            (end, asked.runtime.spawn(async move { catalog.read_inline(work).await }))
        })
        .unzip();
    assert_eq!(asked.runtime.block_on(asked.catalog.read_inline(count)).unwrap(), 0);
    assert_eq!(asked.notes(), 0);
    asked.write("a").unwrap();
    assert_eq!(asked.notes(), 1);
    drop(ends);
    for work in waiting {
        asked.runtime.block_on(work).unwrap().unwrap();
    }
    assert_eq!(begun.load(Ordering::SeqCst), 7);
}

#[test]
fn work_whose_caller_has_gone_is_not_begun_any_more() {
    let (asked, end, first) = CatalogFixture::by_one_that_hangs();
    let touched = Arc::new(AtomicBool::new(false));
    let touch = Arc::clone(&touched);
    asked.runtime.block_on(async {
        let second = pin!(asked.catalog.write(move |_| -> Result<()> {
            touch.store(true, Ordering::SeqCst);
            Ok(())
        }));
        assert!(matches!(second.poll(&mut Context::from_waker(Waker::noop())), Poll::Pending));
    });
    drop(end);
    asked.runtime.block_on(first).unwrap().unwrap();
    asked.write("the next has the thread and the turn").unwrap();
    assert!(!touched.load(Ordering::SeqCst));
}

#[test]
fn work_that_does_not_begin_in_time_is_refused_and_the_line_goes_on() {
    let (mut asked, end, first) = CatalogFixture::by_one_that_hangs();
    asked.catalog.timeout = Duration::from_millis(10);
    for _ in 0..3 {
        let refused = asked.runtime.block_on(asked.catalog.read(count)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unavailable);
        let refused = asked.runtime.block_on(asked.catalog.read_inline(count)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unavailable);
    }
    drop(end);
    asked.runtime.block_on(first).unwrap().unwrap();
    asked.catalog.timeout = Duration::from_secs(60);
    assert_eq!(asked.notes(), 0);
}

#[test]
fn work_that_panics_is_one_error_and_leaves_nothing_behind() {
    let asked = CatalogFixture::with(1);
    for _ in 0..3 {
        let panicking = asked.catalog.write(|db| -> Result<()> {
            note(db, "half")?;
            panic!("as a fault of ours would")
        });
        assert_eq!(asked.runtime.block_on(panicking).unwrap_err().kind(), ErrorKind::Internal);
        assert_eq!(asked.notes(), 0, "its transaction went with its connection");
    }
    asked.write("whole").unwrap();
    assert_eq!(asked.notes(), 1);
}

#[test]
fn a_hundred_at_once_are_all_served() {
    let asked = CatalogFixture::with(3);
    let asking: Vec<_> = (0..300)
        .map(|number| {
            let catalog = asked.catalog.clone();
            asked.runtime.spawn(async move {
                match number % 3 {
                    0 => catalog.read_inline(count).await.map(drop),
                    1 => catalog.read(count).await.map(drop),
                    _ => catalog.write(|db| note(db, "x")).await,
                }
            })
        })
        .collect();
    for asking in asking {
        asked.runtime.block_on(asking).unwrap().unwrap();
    }
    assert_eq!(asked.notes(), 100);
}

#[test]
fn turn_and_lock_are_waited_for_until_one_deadline() {
    let asked = CatalogFixture::with(2);
    let mut other = SqliteConnection::establish(asked.path("artigate.db").to_str().unwrap()).unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    // The lock is held until this write is refused.
    let waiting = asked.catalog.write_within(Duration::from_millis(50), |db| note(db, "late"));
    assert_eq!(asked.runtime.block_on(waiting).unwrap_err().kind(), ErrorKind::Unavailable);
    other.batch_execute("COMMIT").unwrap();
    asked.write("in time").unwrap();
    assert_eq!(asked.notes(), 1);
}

#[test]
fn a_file_that_is_gone_or_another_is_not_written_to() {
    let asked = CatalogFixture::with(4);
    asked.write("kept").unwrap();
    let (path, aside) = (asked.path("artigate.db"), asked.path("aside.db"));
    let refused = |what: &str| {
        for error in
            [asked.write("lost").unwrap_err(), asked.runtime.block_on(asked.catalog.probe()).unwrap_err()]
        {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{what}");
            let causes = error.source_chain().unwrap();
            assert!(causes.contains(path.to_str().unwrap()) && causes.contains(what), "{causes}");
        }
    };
    fs::rename(&path, &aside).unwrap();
    refused("was deleted or moved");
    assert!(!path.exists(), "nobody makes an empty one in its place");
    fs::copy(&aside, &path).unwrap();
    refused("was replaced");
    fs::rename(&aside, &path).unwrap();
    asked.write("back again").unwrap();
    asked.runtime.block_on(asked.catalog.probe()).unwrap();
    let (log, aside) = (asked.path("artigate.db-wal"), asked.path("aside-wal"));
    fs::rename(&log, &aside).unwrap();
    refused("-wal was deleted or moved");
    fs::rename(&aside, &log).unwrap();
    asked.write("and again").unwrap();
    assert_eq!(asked.notes(), 3);
}
