//! Limits of a central directory, beyond which an archive cannot be browsed. The first two bound memory and
//! say nothing about the size of an archive.

/// Bounds on a central directory, checked before anything is fetched or allocated for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most entries an archive may list, inclusive.
    pub entries: u64,
    /// The most bytes its central directory may take, inclusive.
    pub directory_bytes: u64,
    /// The largest decompressed size of a compressed entry, in bytes, inclusive; `None` for no limit.
    pub uncompressed_size: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 1_000_000, directory_bytes: 256 * 1024 * 1024, uncompressed_size: None }
    }
}
