//! The index cache keeps indexes of archives, bounded by bytes, and loads each once, however many requests
//! need it.
//!
//! A store key's bytes never change, so an index never goes stale, and neither does the finding
//! that an archive has none.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Duration, timeout};

use crate::archive::{ArchiveError, DirectoryError, Files, Index, Limits, Listing, Outline, read_directory};
use crate::catalog::artifacts::Artifact;
use crate::domain::{Error, Result};
use crate::metrics::{IndexCacheUse, Looked};
use crate::store::Blob;
use crate::yielding;

/// The expected number of archives; only sizes the first allocation.
const EXPECTED_ARCHIVES: usize = 1_000;

/// The largest index that is freed on the calling thread, in bytes: a larger one would delay other requests.
const LONG_BYTES: usize = 4 << 20;

/// The largest directory or index in the small lane, in bytes: milliseconds of work do not wait behind a
/// second of it.
const SMALL_BYTES: u64 = 1 << 20;

/// The largest index that is worked on without a turn, in bytes.
const TINY_BYTES: usize = 32 << 10;

/// The number of outlines kept with an index. Each takes about a thousandth of the index's memory.
const OUTLINES: usize = 8;

/// How long a request waits for its turn at an index before it is refused.
const WAIT: Duration = Duration::from_secs(60);

/// An archive's index, or why it has none.
type Known = Result<Arc<Indexed>, ArchiveError>;

/// An index with its recently used outlines.
pub(super) struct Indexed {
    pub(super) index: Index,
    outlines: Mutex<Vec<Arc<Outline>>>,
    /// The files among the entries, once they were asked for.
    files: OnceLock<Files>,
}

/// A bounded cache of indexes.
pub struct IndexCache {
    cache: Cache<String, Known, HeapBytes, DefaultHashBuilder, DropAside>,
    /// Turns to load a directory, each of which is in memory as a whole.
    loads: Lanes,
    /// Turns for work on cached indexes. A waiting request holds no index, so that no client can keep an
    /// evicted one in memory.
    work: Lanes,
    /// Turns for pages, which are short work and do not wait for other work.
    pages: Lanes,
    limits: Limits,
    metrics: IndexCacheUse,
}

impl fmt::Debug for IndexCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IndexCache").field("cache", &self.cache).field("limits", &self.limits).finish()
    }
}

/// The turns at the same time, for small and for large archives.
struct Lanes {
    small: Semaphore,
    large: Semaphore,
}

impl Default for Lanes {
    fn default() -> Self {
        Self { small: Semaphore::new(2), large: Semaphore::new(1) }
    }
}

impl Lanes {
    async fn enter(&self, bytes: u64) -> Result<SemaphorePermit<'_>> {
        let lane = if bytes <= SMALL_BYTES { &self.small } else { &self.large };
        if let Ok(permit) = lane.try_acquire() {
            return Ok(permit);
        }
        match timeout(WAIT, lane.acquire()).await {
            Ok(permit) => permit.map_err(Error::internal),
            Err(_) => Err(Error::unavailable("too many archive directories are being read")),
        }
    }
}

#[derive(Debug, Clone)]
struct HeapBytes;

impl Weighter<String, Known> for HeapBytes {
    fn weight(&self, key: &String, known: &Known) -> u64 {
        // The numbers of the files come on top when they are asked for.
        let bytes_of = |index: &Index| index.heap_bytes() + index.len() * size_of::<u32>();
        let index_bytes = known.as_ref().map_or(0, |known| bytes_of(&known.index));
        (key.len() + index_bytes + size_of::<Known>()) as u64
    }
}

/// Frees evicted indexes, large ones on a thread of their own.
#[derive(Debug, Clone)]
struct DropAside;

impl Lifecycle<String, Known> for DropAside {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _key: String, known: Known) {
        if known.as_ref().is_ok_and(|known| known.index.heap_bytes() > LONG_BYTES) {
            yielding::drop_in_background(known);
        }
    }
}

impl IndexCache {
    /// Creates an empty cache, for archives within `limits`; all indexes together hold at most
    /// `capacity_bytes` of memory.
    pub fn new(limits: Limits, capacity_bytes: u64) -> Self {
        // One shard: with several, each would keep only indexes that fit its share of the capacity.
        let options = OptionsBuilder::new()
            .estimated_items_capacity(EXPECTED_ARCHIVES)
            .weight_capacity(capacity_bytes)
            .shards(1)
            .build()
            .expect("all that it needs is set");
        Self {
            cache: Cache::with_options(options, HeapBytes, DefaultHashBuilder::default(), DropAside),
            loads: Lanes::default(),
            work: Lanes::default(),
            pages: Lanes::default(),
            limits,
            metrics: IndexCacheUse::default(),
        }
    }

    /// Its metrics.
    pub(super) fn metrics(&self) -> &IndexCacheUse {
        &self.metrics
    }

    /// Returns the bytes and the number of what is kept.
    pub(super) fn held(&self) -> (u64, usize) {
        (self.cache.weight(), self.cache.len())
    }

    /// The bounds on what is read of an archive.
    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Returns the index of the archive in `blob`.
    ///
    /// # Errors
    /// `Internal` when the blob cannot be read, `Unavailable` when there is no turn. A fault of the archive
    /// is an [`ArchiveError`] inside.
    pub(super) async fn get(&self, archive: &Artifact, blob: &Blob) -> Result<Known> {
        let tail_bytes = archive.tail_bytes.and_then(|bytes| u64::try_from(bytes).ok());
        let was_there = AtomicBool::new(true);
        let load = async {
            was_there.store(false, Ordering::Relaxed);
            self.load(blob, tail_bytes).await
        };
        let known = self.cache.get_or_insert_async(archive.store_key.as_str(), load).await;
        self.metrics.looked(match &known {
            Ok(Err(ArchiveError::DirectoryTooLarge { .. } | ArchiveError::TooManyEntries { .. })) => {
                Looked::TooLarge
            }
            _ if was_there.load(Ordering::Relaxed) => Looked::Hit,
            _ => Looked::Miss,
        });
        known
    }

    /// Runs `work` on the index of the archive in `blob`, on a thread of its own unless the index is tiny;
    /// few run at a time.
    ///
    /// # Errors
    /// As [`IndexCache::get`]; `Unavailable` when there is no turn.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        archive: &Artifact,
        blob: &Blob,
        work: impl FnOnce(&Indexed) -> T + Send + 'static,
    ) -> Result<Result<T, ArchiveError>> {
        let bytes = match self.get(archive, blob).await? {
            Ok(known) if known.index.heap_bytes() <= TINY_BYTES => return Ok(Ok(work(&known))),
            Ok(known) => known.index.heap_bytes() as u64,
            Err(fault) => return Ok(Err(fault)),
        };
        let _turn = self.work.enter(bytes).await?;
        // The index is loaded again only if it was evicted meanwhile.
        match self.get(archive, blob).await? {
            Ok(known) => Ok(Ok(yielding::run(move || work(&known)).await?)),
            Err(fault) => Ok(Err(fault)),
        }
    }

    /// Runs `work` on the indexes of two archives, as [`IndexCache::work`] does on one.
    ///
    /// # Errors
    /// As [`IndexCache::work`].
    pub(super) async fn work_on_two<T: Send + 'static>(
        &self,
        (one, one_blob): (&Artifact, &Blob),
        (other, other_blob): (&Artifact, &Blob),
        work: impl FnOnce(&Indexed, &Indexed) -> T + Send + 'static,
    ) -> Result<Result<T, ArchiveError>> {
        let mut bytes = 0;
        for (archive, blob) in [(one, one_blob), (other, other_blob)] {
            match self.get(archive, blob).await? {
                Ok(known) => bytes += known.index.heap_bytes() as u64,
                Err(fault) => return Ok(Err(fault)),
            }
        }
        let _turn = self.work.enter(bytes).await?;
        match (self.get(one, one_blob).await?, self.get(other, other_blob).await?) {
            (Ok(one), Ok(other)) => Ok(Ok(yielding::run(move || work(&one, &other)).await?)),
            (Err(fault), _) | (_, Err(fault)) => Ok(Err(fault)),
        }
    }

    /// Returns the outline of a folder and keeps it for the next pages; `None` if there is no such folder.
    ///
    /// # Errors
    /// As [`IndexCache::work`].
    pub(super) async fn outline(
        &self,
        archive: &Artifact,
        blob: &Blob,
        folder: String,
        recursive: bool,
    ) -> Result<Result<Option<Arc<Outline>>, ArchiveError>> {
        match self.get(archive, blob).await? {
            Err(fault) => return Ok(Err(fault)),
            Ok(known) => {
                if let Some(outline) = known.kept_outline(&folder, recursive) {
                    return Ok(Ok(Some(outline)));
                }
            }
        }
        self.work(archive, blob, move |known| known.outline(&folder, recursive)).await
    }

    /// Returns a page of a folder.
    ///
    /// # Errors
    /// As [`IndexCache::work`].
    pub(super) async fn page(
        &self,
        archive: &Artifact,
        blob: &Blob,
        outline: Arc<Outline>,
        window: Range<usize>,
    ) -> Result<Result<Listing, ArchiveError>> {
        let bytes = match self.get(archive, blob).await? {
            Ok(known) if known.index.heap_bytes() <= TINY_BYTES => {
                return Ok(Ok(outline.page(&known.index, window)));
            }
            Ok(known) => known.index.heap_bytes() as u64,
            Err(fault) => return Ok(Err(fault)),
        };
        let _turn = self.pages.enter(bytes).await?;
        match self.get(archive, blob).await? {
            Ok(known) => Ok(Ok(yielding::run(move || outline.page(&known.index, window)).await?)),
            Err(fault) => Ok(Err(fault)),
        }
    }

    /// Loads an index, beside large ones if its directory is small. The directory's size is known from the
    /// artifact's row or from the archive's end.
    async fn load(&self, blob: &Blob, tail_bytes: Option<u64>) -> Result<Known> {
        if tail_bytes.is_none_or(|bytes| bytes <= SMALL_BYTES) {
            let directory_bytes = self.limits.directory_bytes.min(SMALL_BYTES);
            let limits = Limits { directory_bytes, ..self.limits };
            let known = self.load_within(blob, tail_bytes, &limits, directory_bytes).await?;
            if !matches!(known, Err(ArchiveError::DirectoryTooLarge { .. })) {
                return Ok(known);
            }
        }
        self.load_within(blob, tail_bytes, &self.limits, u64::MAX).await
    }

    async fn load_within(
        &self,
        blob: &Blob,
        tail_bytes: Option<u64>,
        limits: &Limits,
        lane: u64,
    ) -> Result<Known> {
        let _turn = self.loads.enter(lane).await?;
        let read = async |range| blob.bytes(range).await;
        let directory = match read_directory(read, blob.size(), limits, tail_bytes).await {
            Ok(directory) => directory,
            Err(DirectoryError::ArchiveError(fault)) => return Ok(Err(fault)),
            Err(DirectoryError::Read(error)) => return Err(error.into()),
        };
        let build = move || Index::build(&directory.bytes, &directory.span).map(Indexed::new).map(Arc::new);
        Ok(yielding::run(build).await?)
    }
}

impl Indexed {
    fn new(index: Index) -> Self {
        Self { index, outlines: Mutex::default(), files: OnceLock::new() }
    }

    /// Returns the files among the entries. The first call takes a while for a large archive.
    pub(super) fn files(&self) -> &Files {
        self.files.get_or_init(|| Files::of(&self.index))
    }

    fn kept_outline(&self, folder: &str, recursive: bool) -> Option<Arc<Outline>> {
        // The list is consistent after every step.
        let mut outlines = self.outlines.lock().unwrap_or_else(PoisonError::into_inner);
        let at = outlines.iter().position(|outline| outline.is_of(folder, recursive))?;
        let outline = outlines.remove(at);
        outlines.push(Arc::clone(&outline));
        Some(outline)
    }

    fn outline(&self, folder: &str, recursive: bool) -> Option<Arc<Outline>> {
        if let Some(outline) = self.kept_outline(folder, recursive) {
            return Some(outline);
        }
        let outline = Arc::new(Outline::of(&self.index, folder, recursive)?);
        let mut outlines = self.outlines.lock().unwrap_or_else(PoisonError::into_inner);
        if outlines.len() == OUTLINES {
            outlines.remove(0);
        }
        outlines.push(Arc::clone(&outline));
        Some(outline)
    }
}

#[cfg(test)]
mod tests;
