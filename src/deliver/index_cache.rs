//! Indexes of archives, kept by bytes and loaded once however many ask.
//!
//! A store key's bytes never change, so an index never goes stale, and neither does the finding
//! that an archive has none.

use std::sync::Arc;

use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};
use tokio::sync::Semaphore;

use crate::archive::{DirectoryError, Fault, Index, Limits, read_directory};
use crate::background;
use crate::catalog::artifacts::Artifact;
use crate::domain::{Error, Result};
use crate::store::Blob;

/// A guess at how many archives that is; only sizes the first allocation.
const EXPECTED_ARCHIVES: usize = 1_000;

/// How many indexes are read at the same time; each may need its whole directory in memory.
const CONCURRENT_LOADS: usize = 2;

/// Giving back more memory than this takes long enough to be felt by others, in bytes.
const LONG_BYTES: usize = 4 << 20;

/// An archive's index, or why it has none.
type Known = Result<Arc<Index>, Fault>;

/// The bounded cache.
#[derive(Debug)]
pub struct IndexCache {
    cache: Cache<String, Known, HeapBytes, DefaultHashBuilder, DropAside>,
    loads: Semaphore,
    limits: Limits,
}

#[derive(Debug, Clone)]
struct HeapBytes;

impl Weighter<String, Known> for HeapBytes {
    fn weight(&self, key: &String, known: &Known) -> u64 {
        let index_bytes = known.as_ref().map_or(0, |index| index.heap_bytes());
        (key.len() + index_bytes + size_of::<Known>()) as u64
    }
}

/// What happens to an index that has to make room.
#[derive(Debug, Clone)]
struct DropAside;

impl Lifecycle<String, Known> for DropAside {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _key: String, known: Known) {
        if known.as_ref().is_ok_and(|index| index.heap_bytes() > LONG_BYTES) {
            background::discard(known);
        }
    }
}

impl IndexCache {
    /// An empty cache, for archives within `limits`; all indexes together hold at most `capacity_bytes`
    /// of memory.
    pub fn new(limits: Limits, capacity_bytes: u64) -> Self {
        // One shard: of several, each would keep only indexes that fit its share of the capacity.
        let options = OptionsBuilder::new()
            .estimated_items_capacity(EXPECTED_ARCHIVES)
            .weight_capacity(capacity_bytes)
            .shards(1)
            .build()
            .expect("all that it needs is set");
        Self {
            cache: Cache::with_options(options, HeapBytes, DefaultHashBuilder::default(), DropAside),
            loads: Semaphore::new(CONCURRENT_LOADS),
            limits,
        }
    }

    /// The bounds on what is read of an archive.
    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The index of the archive in `blob`.
    ///
    /// # Errors
    /// `Internal` when the blob cannot be read. That it is no archive is a [`Fault`] inside.
    pub(super) async fn get(&self, archive: &Artifact, blob: &Blob) -> Result<Known> {
        let tail_bytes = archive.tail_bytes.and_then(|bytes| u64::try_from(bytes).ok());
        self.cache.get_or_insert_async(archive.store_key.as_str(), self.load(blob, tail_bytes)).await
    }

    async fn load(&self, blob: &Blob, tail_bytes: Option<u64>) -> Result<Known> {
        let _permit = self.loads.acquire().await.map_err(Error::internal)?;
        let read = async |range| blob.bytes(range).await;
        let directory = match read_directory(read, blob.size(), &self.limits, tail_bytes).await {
            Ok(directory) => directory,
            Err(DirectoryError::Fault(fault)) => return Ok(Err(fault)),
            Err(DirectoryError::Read(error)) => return Err(error.into()),
        };
        let build = move || Index::build(&directory.bytes, &directory.span).map(Arc::new);
        Ok(background::run(build).await?)
    }
}
