//! What lies in the store, seen from outside: for whoever looks for things that no row names.

use std::time::SystemTime;

use object_store::path::Path;

use super::StoreKey;

/// Something that lies in the store.
#[derive(Debug, Clone)]
pub struct StoreEntry {
    /// The blob's key; `None` for an upload that is not finished.
    pub key: Option<StoreKey>,
    /// The key that an upload is to get that is not finished, where its name tells.
    pub upload_of: Option<StoreKey>,
    /// Its size in bytes, 0 where that is not told.
    pub size: u64,
    /// When it was last written to, or begun, by the store's own clock.
    pub modified: SystemTime,
    /// Whether it may have been written to since: a bucket tells only when an upload was begun.
    pub age_is_lower_bound: bool,
    pub(super) leftover: EntryLocation,
}

/// How to remove it.
#[derive(Debug, Clone)]
pub(super) enum EntryLocation {
    /// A file, by its name below the directory.
    File(String),
    /// An object.
    Object(Path),
    /// Parts of an object that was never finished.
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
