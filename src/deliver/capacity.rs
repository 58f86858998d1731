//! What answers under way may hold and compute on this node, all together.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use super::budget::{Budget, Patience};
use super::skip::Skips;

/// In what steps memory is counted, in bytes.
const STEP_BYTES: u64 = 1 << 10;

/// The least that rows of folders on their way may take, in bytes.
const LEAST_ROWS_BYTES: u64 = 16 << 20;

/// What is bounded, apart from what [`IndexCache`](super::IndexCache) bounds.
#[derive(Debug)]
pub struct Capacity {
    /// Memory of decompressors.
    pub(super) decompression: Budget,
    /// Memory of what answers hold of archives' directories: the rows of folders, pages of trees.
    pub(super) rows: Budget,
    /// Ways to a part of a packed entry.
    pub(super) skips: Skips,
}

impl Capacity {
    /// Decompressors hold at most `decompression_bytes` together, what answers copied of directories
    /// `rows_bytes`, but 16 MiB in any case.
    pub fn new(decompression_bytes: u64, rows_bytes: u64) -> Self {
        Self::with(decompression_bytes, rows_bytes, Patience::default())
    }

    /// As [`Capacity::new`], with another patience for who waits and who stalls.
    pub fn with(decompression_bytes: u64, rows_bytes: u64, patience: Patience) -> Self {
        let rows_bytes = rows_bytes.max(LEAST_ROWS_BYTES);
        Self {
            decompression: Budget::new("memory for unpacking", decompression_bytes, STEP_BYTES, patience),
            rows: Budget::new("memory for folders of archives", rows_bytes, STEP_BYTES, patience),
            skips: Skips::new(available_parallelism().map_or(1, NonZeroUsize::get)),
        }
    }

    /// How many bytes decompressors take now.
    pub fn decompression_bytes(&self) -> u64 {
        self.decompression.used()
    }

    /// How many bytes of archives' directories answers hold now.
    pub fn rows_bytes(&self) -> u64 {
        self.rows.used()
    }

    /// How many long ways to a part of a packed entry are under way.
    pub fn skipping(&self) -> u64 {
        self.skips.count()
    }
}
