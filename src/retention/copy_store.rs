//! Copies all blobs from one store to another while servers run: blobs that are there already are skipped,
//! and every copy is checked against its row's digest.

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::catalog::artifacts::{self, Artifact};
use crate::catalog::uploads::{self, UploadBlob};
use crate::catalog::writers::Purpose;
use crate::catalog::{Catalog, instance};
use crate::domain::{Error, ErrorKind, Result, Sha256Digest};
use crate::identity::{self, ProjectUsage};
use crate::store::{Store, StoreKey};
use crate::writers::Writers;

/// How many rows are read at a time.
const BATCH: i64 = 500;

/// How many blobs are copied at the same time.
const CONCURRENT: usize = 4;

/// The outcome of a copy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copied {
    /// Blobs that were copied.
    pub blobs: usize,
    /// Their size in bytes.
    pub bytes: u64,
    /// Blobs that were there already.
    pub already_there: usize,
    /// Blobs that could not be copied.
    pub faults: usize,
}

/// What references a blob that is copied.
#[derive(Debug, Clone)]
pub enum CopyItem {
    /// An artifact.
    Artifact(Box<Artifact>),
    /// An upload that is not finished.
    Upload(UploadBlob),
}

impl CopyItem {
    /// Returns key, size and, if it is known, digest of the blob.
    fn blob(&self) -> (&str, i64, Option<Sha256Digest>) {
        match self {
            Self::Artifact(artifact) => (&artifact.store_key, artifact.size_bytes, Some(artifact.sha256)),
            Self::Upload(blob) => (&blob.store_key, blob.size_bytes, blob.sha256),
        }
    }

    /// Whether the catalog still references the blob.
    async fn is_referenced(&self, catalog: &Catalog) -> Result<bool> {
        match self.clone() {
            Self::Artifact(artifact) => {
                let key = artifact.store_key.clone();
                let now =
                    catalog.read(move |db| artifacts::find(db, artifact.job_id, &artifact.name)).await?;
                Ok(now.is_some_and(|now| now.store_key == key))
            }
            Self::Upload(blob) => {
                let now = catalog.read(uploads::blobs).await?;
                Ok(now.iter().any(|other| other.store_key == blob.store_key))
            }
        }
    }
}

/// The outcome of one blob.
enum CopyOutcome {
    Copied(u64),
    Present,
    /// Its row was deleted meanwhile, and so was the blob.
    Gone,
    Failed(String),
}

/// Copies the blob of every artifact, and those of uploads that are not finished. Calls `progress` for every one, and
/// `report` with whose blob could not be copied.
///
/// # Errors
/// Those of the catalog; `Conflict` when one of the stores belongs to another instance. A faulty blob is
/// reported, not an error.
pub async fn copy_blobs(
    catalog: &Catalog,
    from: &Store,
    to: &Store,
    progress: impl Fn(),
    mut report: impl FnMut(&CopyItem, &str),
) -> Result<Copied> {
    take_identity_along(catalog, from, to).await?;
    // While the writer is recorded, `gc` spares blobs that are being copied.
    let writers = Writers::new(catalog.clone(), Purpose::Copy);
    let writer = writers.writer().await?;
    let copied = copy_all(catalog, from, to, progress, &mut report).await;
    drop(writer);
    writers.retire().await;
    copied
}

/// Gives the copy the instance ID of the source; fails if either store belongs to another instance.
async fn take_identity_along(catalog: &Catalog, from: &Store, to: &Store) -> Result<()> {
    let of_database = catalog.read(instance::find).await?;
    let of_source = from.instance_id().await?;
    if let (Some(one), Some(other)) = (of_database, of_source)
        && one != other
    {
        let why = format!("the database has the instance ID {one}, the store to copy from has {other}");
        return Err(Error::new(ErrorKind::Conflict, why));
    }
    let Some(id) = of_source.or(of_database) else { return Ok(()) };
    if to.instance_id().await?.is_none() && identity::holdings(catalog, to).await? == ProjectUsage::Strange {
        let why = "the store to copy to holds blobs already, has no instance ID, and has none of the artifacts \
                   that the database references: it may belong to another instance. Copy to an empty store";
        return Err(Error::new(ErrorKind::Conflict, why));
    }
    let found = to.keep_instance_id(id).await?;
    if found == id {
        Ok(())
    } else {
        let why = format!("the store to copy to has the instance ID {found}, the copied blobs have {id}");
        Err(Error::new(ErrorKind::Conflict, why))
    }
}

async fn copy_all(
    catalog: &Catalog,
    from: &Store,
    to: &Store,
    progress: impl Fn(),
    mut report: impl FnMut(&CopyItem, &str),
) -> Result<Copied> {
    let mut copied = Copied::default();
    let mut after = 0;
    let mut uploads_too = Some(catalog.read(uploads::blobs).await?);
    loop {
        let rows = catalog.read(move |db| artifacts::page(db, after, BATCH)).await?;
        after = rows.last().map_or(after, |last| last.id);
        let mut items: Vec<CopyItem> =
            rows.into_iter().map(|artifact| CopyItem::Artifact(Box::new(artifact))).collect();
        if items.is_empty() {
            // What was no artifact yet when this began is one now, or still none.
            let Some(blobs) = uploads_too.take() else { return Ok(copied) };
            items = blobs.into_iter().map(CopyItem::Upload).collect();
        }
        let copying = stream::iter(items).map(|item| async move {
            let outcome = copy(catalog, from, to, &item).await?;
            Ok::<_, Error>((item, outcome))
        });
        let mut copying = copying.buffer_unordered(CONCURRENT);
        while let Some((item, outcome)) = copying.try_next().await? {
            match outcome {
                CopyOutcome::Copied(bytes) => {
                    copied.blobs += 1;
                    copied.bytes += bytes;
                }
                CopyOutcome::Present => copied.already_there += 1,
                CopyOutcome::Gone => {}
                CopyOutcome::Failed(why) => {
                    copied.faults += 1;
                    report(&item, &why);
                }
            }
            progress();
        }
    }
}

async fn copy(catalog: &Catalog, from: &Store, to: &Store, item: &CopyItem) -> Result<CopyOutcome> {
    match copy_bytes(from, to, item).await {
        Ok(outcome) => Ok(outcome),
        Err(error) if item.is_referenced(catalog).await? => {
            Ok(CopyOutcome::Failed(error.source_chain().unwrap_or_else(|| error.to_string())))
        }
        Err(_) => Ok(CopyOutcome::Gone),
    }
}

async fn copy_bytes(from: &Store, to: &Store, item: &CopyItem) -> Result<CopyOutcome> {
    let (key, size, sha256) = item.blob();
    let key: StoreKey = key.parse().map_err(Error::internal)?;
    let size = u64::try_from(size).map_err(Error::internal)?;
    match to.size_of(&key).await? {
        Some(found) if found == size => return Ok(CopyOutcome::Present),
        Some(found) => {
            return Err(Error::internal(format!(
                "the target already has a blob of this key with {found} bytes instead of {size}"
            )));
        }
        None => {}
    }
    let blob = from.open_blob(&key, size).await?;
    let mut upload = to.create(key).await?;
    let mut pieces = Box::pin(blob.stream(0..size));
    while let Some(piece) = pieces.try_next().await? {
        upload.write(&piece).await?;
    }
    match sha256 {
        Some(sha256) => upload.commit_as(sha256).await?,
        None => upload.commit().await?,
    };
    Ok(CopyOutcome::Copied(size))
}
