//! A folder of an archive: what is in it, or all of it as a zip of its own.

use std::ops::Range;
use std::sync::Arc;

use super::{ByteStream, IndexCache, open_artifact};
use crate::archive::{Index, Listing, Subset};
use crate::catalog::artifacts::Artifact;
use crate::domain::{EntryPath, Error, Kind, Result};
use crate::store::{Blob, Store};

/// A folder's zip, planned.
pub struct FolderDelivery {
    blob: Blob,
    subset: Subset,
}

/// Lists a folder of an archive, the root without a `path`: the items in `window`, and how many
/// there are. `None` when there is no such folder.
///
/// # Errors
/// `Unprocessable` when it is no readable archive; `Internal` when its bytes cannot be read.
pub async fn list_folder(
    store: &Store,
    indexes: &IndexCache,
    archive: &Artifact,
    path: Option<EntryPath>,
    recursive: bool,
    window: Range<usize>,
) -> Result<Option<Listing>> {
    let (_, index) = index_of(store, indexes, archive).await?;
    let list = move || index.list(path.as_ref().map_or("", EntryPath::as_str), recursive, window);
    tokio::task::spawn_blocking(list).await.map_err(Error::internal)
}

/// Plans a zip of the folder at `path`. `None` when there is no such folder.
///
/// # Errors
/// As [`list_folder`]; `Unprocessable` also when the folder cannot be copied.
pub async fn plan_folder(
    store: &Store,
    indexes: &IndexCache,
    archive: &Artifact,
    path: EntryPath,
) -> Result<Option<FolderDelivery>> {
    let (blob, index) = index_of(store, indexes, archive).await?;
    let planned = tokio::task::spawn_blocking(move || Subset::plan(index, path.as_str())).await;
    let subset =
        planned.map_err(Error::internal)?.map_err(|why| Error::new(Kind::Unprocessable, why.to_string()))?;
    Ok(subset.map(|subset| FolderDelivery { blob, subset }))
}

async fn index_of(store: &Store, indexes: &IndexCache, archive: &Artifact) -> Result<(Blob, Arc<Index>)> {
    let blob = open_artifact(store, archive).await?;
    let index = indexes.get(archive, &blob).await?;
    let index = index.map_err(|fault| Error::new(Kind::Unprocessable, fault.to_string()))?;
    Ok((blob, index))
}

impl FolderDelivery {
    /// The exact size of the zip in bytes.
    pub fn size(&self) -> u64 {
        self.subset.size_bytes()
    }

    /// The zip. It ends with an error when the archive is damaged.
    pub fn into_stream(self) -> ByteStream {
        let Self { blob, subset } = self;
        Box::pin(subset.into_stream(move |range| blob.stream(range)))
    }
}
