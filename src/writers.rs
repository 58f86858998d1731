//! A *writer* is an ID that is part of the store keys given out under it. The catalog records it before its
//! blobs are stored, so that `gc` tells uploads in progress from leftovers.
//!
//! One writer serves all uploads that begin within some minutes, so that an upload costs no database write of
//! its own; it ends with the last of them. While it lasts, a thread renews it in the catalog.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Mutex as AsyncMutex;

use crate::catalog::writers::{self, Purpose};
use crate::catalog::{Catalog, Db};
use crate::domain::{Error, Result};
use crate::store::{Store, StoreKey, Upload};

/// How long a writer accepts new uploads. `gc` spares the leftovers of an upload as long as any other upload
/// of the same writer goes on.
const TERM: Duration = Duration::from_secs(10 * 60);

/// How often living writers are renewed in the catalog.
const BEAT: Duration = Duration::from_secs(30);

/// The writers of one purpose. Clones share them.
#[derive(Debug, Clone)]
pub struct Writers(Arc<Shared>);

/// A writer in use; it ends when all clones are dropped.
#[derive(Debug, Clone)]
pub struct Writer(Arc<Life>);

#[derive(Debug)]
struct Life {
    number: i64,
    /// Whether the catalog gave it up as dead: rows can no longer reference its blobs.
    lost: AtomicBool,
}

#[derive(Debug)]
struct Shared {
    catalog: Catalog,
    purpose: Purpose,
    /// The writer for new uploads, and when it was opened.
    current: AsyncMutex<Option<(Writer, Instant)>>,
    /// All writers that the catalog may hold.
    lives: Mutex<Vec<Arc<Life>>>,
    /// Ends the renewing thread when dropped.
    heart: Mutex<Option<Sender<()>>>,
}

impl Writers {
    /// Opens no writer yet; the first upload does.
    pub fn new(catalog: Catalog, purpose: Purpose) -> Self {
        let (current, lives, heart) = Default::default();
        Self(Arc::new(Shared { catalog, purpose, current, lives, heart }))
    }

    /// Returns the writer for new uploads; opens one if needed.
    ///
    /// # Errors
    /// Those of the catalog, if a writer is opened.
    pub async fn writer(&self) -> Result<Writer> {
        let mut current = self.0.current.lock().await;
        if let Some((writer, since)) = &*current
            && since.elapsed() < TERM
            && !writer.is_lost()
        {
            return Ok(writer.clone());
        }
        let writer = self.0.open().await?;
        *current = Some((writer.clone(), Instant::now()));
        drop(current);
        self.start_heart()?;
        Ok(writer)
    }

    /// Begins a blob in `store` under a key of the returned writer, which must be held until the blob's row
    /// is committed or the blob is deleted.
    ///
    /// # Errors
    /// Those of catalog and store.
    pub async fn begin(&self, store: &Store) -> Result<(Writer, Upload)> {
        let writer = self.writer().await?;
        let upload = store.create(StoreKey::of_writer(writer.0.number)).await?;
        Ok((writer, upload))
    }

    /// Ends writers without uploads in progress. Later uploads begin under a new writer; uploads in progress
    /// keep theirs. A catalog that does not answer gives the writers up by itself later.
    pub async fn retire(&self) {
        *self.0.current.lock().await = None;
        if let Err(error) = self.0.show().await {
            tracing::warn!(
                causes = error.source_chain(),
                "a writer that ended cannot be deleted from the database and stays there for a while"
            );
        }
    }

    fn start_heart(&self) -> Result<()> {
        let mut heart = self.0.heart.lock().unwrap_or_else(PoisonError::into_inner);
        if heart.is_none() {
            let (sender, ended) = channel();
            let shared = Arc::downgrade(&self.0);
            // A separate thread, so that a writer does not look dead while the workers are busy.
            let thread = std::thread::Builder::new().name("writers".into());
            thread.spawn(move || beat(&shared, &ended)).map_err(Error::internal)?;
            *heart = Some(sender);
        }
        Ok(())
    }
}

/// Renews living writers in the catalog until `shared` is dropped.
fn beat(shared: &Weak<Shared>, ended: &Receiver<()>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "writers cannot be renewed: uploads of several minutes will be rejected");
            return;
        }
    };
    while ended.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
        let Some(shared) = shared.upgrade() else { return };
        let shown = runtime.block_on(async {
            shared.end_term().await;
            shared.show().await
        });
        if let Err(error) = shown {
            tracing::warn!(causes = error.source_chain(), "writers cannot be renewed in the database");
        }
    }
}

impl Shared {
    async fn open(&self) -> Result<Writer> {
        let (number, purpose) = (StoreKey::random_writer(), self.purpose);
        self.catalog.write(move |db| writers::open(db, number, purpose)).await?;
        let life = Arc::new(Life { number, lost: AtomicBool::new(false) });
        self.lives().push(Arc::clone(&life));
        Ok(Writer(life))
    }

    /// Closes the current writer to new uploads if its term is over.
    async fn end_term(&self) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|(_, since)| since.elapsed() >= TERM) {
            *current = None;
        }
    }

    /// Deletes ended writers from the catalog and renews the others.
    async fn show(&self) -> Result<()> {
        // Only the list holds an ended writer, so it cannot be cloned any more.
        let (ended, living): (Vec<Arc<Life>>, Vec<Arc<Life>>) = {
            let lives = self.lives();
            let (ended, living): (Vec<_>, Vec<_>) =
                lives.iter().partition(|life| Arc::strong_count(life) == 1);
            (ended.into_iter().cloned().collect(), living.into_iter().cloned().collect())
        };
        if ended.is_empty() && living.is_empty() {
            return Ok(());
        }
        let numbers = |lives: &[Arc<Life>]| lives.iter().map(|life| life.number).collect::<Vec<_>>();
        let (gone, shown) = (numbers(&ended), numbers(&living));
        let still_there = self.catalog.write(move |db| {
            writers::close(db, &gone)?;
            writers::see(db, &shown)
        });
        let still_there = still_there.await?;
        for life in living.iter().filter(|life| !still_there.contains(&life.number)) {
            life.lost.store(true, Ordering::SeqCst);
        }
        self.lives().retain(|life| !ended.iter().any(|ended| ended.number == life.number));
        Ok(())
    }

    fn lives(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Life>>> {
        // The list is consistent at any time.
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Ensures that rows of this transaction may reference the writer's blobs.
    ///
    /// # Errors
    /// `Unavailable` when the catalog gave the writer up; its blobs have to be uploaded again.
    pub fn hold(&self, db: &mut Db) -> Result<()> {
        let held = writers::hold(db, self.0.number);
        if held.is_err() {
            self.0.lost.store(true, Ordering::SeqCst);
        }
        held
    }

    /// Returns a new key of this writer, which no blob has had before.
    pub fn key(&self) -> StoreKey {
        StoreKey::of_writer(self.0.number)
    }

    fn is_lost(&self) -> bool {
        self.0.lost.load(Ordering::SeqCst)
    }
}
