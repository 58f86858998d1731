//! Capacity: what all responses in progress may hold and compute on this node.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use super::budget::{Budget, Patience};
use super::skip::Skips;
use super::text::TextTurns;

/// The steps in which memory is counted, in bytes.
const STEP_BYTES: u64 = 1 << 10;

/// The least budget for rows of folders, in bytes.
const LEAST_ROWS_BYTES: u64 = 16 << 20;

/// The bounds on responses, apart from those of [`IndexCache`](super::IndexCache).
#[derive(Debug)]
pub struct Capacity {
    /// Memory of decompressors.
    pub(super) decompression: Budget,
    /// Memory of the parts of archives' directories that responses hold: the rows of folders, pages of
    /// trees, long texts.
    pub(super) rows: Budget,
    /// Skips to a part of a compressed entry.
    pub(super) skips: Skips,
    /// Long texts that are being made.
    pub(super) texts: TextTurns,
}

impl Capacity {
    /// Allows `decompression_bytes` for decompressors and `rows_bytes`, at least 16 MiB, for what responses
    /// copied of directories.
    pub fn new(decompression_bytes: u64, rows_bytes: u64) -> Self {
        Self::with(decompression_bytes, rows_bytes, Patience::default())
    }

    /// Like [`Capacity::new`], with other time limits.
    pub fn with(decompression_bytes: u64, rows_bytes: u64, patience: Patience) -> Self {
        let rows_bytes = rows_bytes.max(LEAST_ROWS_BYTES);
        Self {
            decompression: Budget::new("memory for decompression", decompression_bytes, STEP_BYTES, patience),
            rows: Budget::new("memory for folder downloads", rows_bytes, STEP_BYTES, patience),
            skips: Skips::new(available_parallelism().map_or(1, NonZeroUsize::get)),
            texts: TextTurns::default(),
        }
    }

    /// The number of bytes that decompressors take now.
    pub fn decompression_bytes(&self) -> u64 {
        self.decompression.used()
    }

    /// The number of bytes of archives' directories that responses hold now.
    pub fn rows_bytes(&self) -> u64 {
        self.rows.used()
    }

    /// The number of long skips in progress.
    pub fn skipping(&self) -> u64 {
        self.skips.count()
    }
}
