//! A store entry is a blob or an unfinished upload as it is listed, for finding those without a row.

use std::time::SystemTime;

use object_store::path::Path;

use super::StoreKey;

/// A blob or an unfinished upload.
#[derive(Debug, Clone)]
pub struct StoreEntry {
    /// The blob's key; `None` for an upload that is not finished.
    pub key: Option<StoreKey>,
    /// The key that an unfinished upload will get, if its name tells.
    pub upload_of: Option<StoreKey>,
    /// Its size in bytes; 0 if unknown.
    pub size: u64,
    /// When it was last written to, or begun, by the store's own clock.
    pub modified: SystemTime,
    /// Whether it may have been written to after `modified`: a bucket tells only when an upload was begun.
    pub age_is_lower_bound: bool,
    pub(super) leftover: EntryLocation,
}

/// Where an entry is, for deleting it.
#[derive(Debug, Clone)]
pub(super) enum EntryLocation {
    /// A file, by its name below the directory.
    File(String),
    /// An object.
    Object(Path),
    /// A multipart upload that was never completed.
    Unfinished { path: Path, upload_id: String },
}

impl StoreEntry {
    pub(super) fn blob(key: StoreKey, size: u64, modified: SystemTime, leftover: EntryLocation) -> Self {
        Self { key: Some(key), upload_of: None, size, modified, age_is_lower_bound: false, leftover }
    }

    pub(super) fn unfinished(
        upload_of: Option<StoreKey>,
        size: u64,
        modified: SystemTime,
        leftover: EntryLocation,
    ) -> Self {
        let age_is_lower_bound = matches!(leftover, EntryLocation::Unfinished { .. });
        Self { key: None, upload_of, size, modified, age_is_lower_bound, leftover }
    }
}
