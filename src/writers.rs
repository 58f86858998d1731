//! The writers of this process: whoever stores bytes whose rows come later is written down in the catalog
//! first, so that `gc` tells what somebody is at work on from what was left behind.
//!
//! A *writer* is a number that is part of the keys given out in its name. One serves all uploads that begin
//! within some minutes, so that an upload costs no write of its own; it ends when the last of them has.
//! While it lasts, a thread shows the catalog that it lives.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Mutex as AsyncMutex;

use crate::catalog::writers::{self, Purpose};
use crate::catalog::{Catalog, Db};
use crate::domain::{Error, Result};
use crate::store::{Store, StoreKey, Upload};

/// How long a writer takes new uploads. What one of them leaves behind is spared by `gc` as long as any of
/// the others goes on.
const TERM: Duration = Duration::from_secs(10 * 60);

/// How often the catalog is shown which writers live.
const BEAT: Duration = Duration::from_secs(30);

/// The writers of one purpose. Clones share them.
#[derive(Debug, Clone)]
pub struct Writers(Arc<Shared>);

/// A writer in use: it does not end before all clones are dropped.
#[derive(Debug, Clone)]
pub struct Writer(Arc<Life>);

#[derive(Debug)]
struct Life {
    number: i64,
    /// Whether the catalog took it for dead: what it stores can be named no more.
    lost: AtomicBool,
}

#[derive(Debug)]
struct Shared {
    catalog: Catalog,
    purpose: Purpose,
    /// The one that takes new uploads, and since when.
    current: AsyncMutex<Option<(Writer, Instant)>>,
    /// All that the catalog may have.
    lives: Mutex<Vec<Arc<Life>>>,
    /// Dropping it ends the thread.
    heart: Mutex<Option<Sender<()>>>,
}

impl Writers {
    /// None yet: the first upload makes one.
    pub fn new(catalog: Catalog, purpose: Purpose) -> Self {
        let (current, lives, heart) = Default::default();
        Self(Arc::new(Shared { catalog, purpose, current, lives, heart }))
    }

    /// A writer that takes new uploads.
    ///
    /// # Errors
    /// Those of the catalog, when a new one has to be written down.
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

    /// Begins a blob in `store` under a key of a writer's, which is to be held until its row is committed or
    /// the bytes are removed.
    ///
    /// # Errors
    /// Those of catalog and store.
    pub async fn begin(&self, store: &Store) -> Result<(Writer, Upload)> {
        let writer = self.writer().await?;
        let upload = store.begin(StoreKey::of_writer(writer.0.number)).await?;
        Ok((writer, upload))
    }

    /// Ends what can be ended now. Later uploads begin under another writer; what goes on does so under its
    /// own. A catalog that does not answer is told nothing: it will find out.
    pub async fn retire(&self) {
        *self.0.current.lock().await = None;
        if let Err(error) = self.0.show().await {
            tracing::warn!(
                causes = error.source_chain(),
                "a writer that ended stays written down for a while"
            );
        }
    }

    fn start_heart(&self) -> Result<()> {
        let mut heart = self.0.heart.lock().unwrap_or_else(PoisonError::into_inner);
        if heart.is_none() {
            let (sender, ended) = channel();
            let shared = Arc::downgrade(&self.0);
            // A thread of its own: workers that are busy must not look dead.
            let thread = std::thread::Builder::new().name("writers".into());
            thread.spawn(move || beat(&shared, &ended)).map_err(Error::internal)?;
            *heart = Some(sender);
        }
        Ok(())
    }
}

/// Shows who lives until the writers are dropped.
fn beat(shared: &Weak<Shared>, ended: &Receiver<()>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return tracing::error!(%error, "uploads that last for minutes will be refused"),
    };
    while ended.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
        let Some(shared) = shared.upgrade() else { return };
        let shown = runtime.block_on(async {
            shared.end_term().await;
            shared.show().await
        });
        if let Err(error) = shown {
            tracing::warn!(causes = error.source_chain(), "the database was not shown who stores bytes");
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

    /// Takes no more uploads under a writer whose term is over.
    async fn end_term(&self) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|(_, since)| since.elapsed() >= TERM) {
            *current = None;
        }
    }

    /// Takes those that have ended out of the catalog and shows it the others.
    async fn show(&self) -> Result<()> {
        // Nobody but the list has one that is ended, and nobody can get it any more.
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
        // The list is whole at any time.
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Makes sure that what was stored in its name can be named in this transaction.
    ///
    /// # Errors
    /// `Unavailable` when the writer was taken for dead; what it stored is to be sent again.
    pub fn hold(&self, db: &mut Db) -> Result<()> {
        let held = writers::hold(db, self.0.number);
        if held.is_err() {
            self.0.lost.store(true, Ordering::SeqCst);
        }
        held
    }

    /// A key of its own that nothing has had before.
    pub fn key(&self) -> StoreKey {
        StoreKey::of_writer(self.0.number)
    }

    fn is_lost(&self) -> bool {
        self.0.lost.load(Ordering::SeqCst)
    }
}
