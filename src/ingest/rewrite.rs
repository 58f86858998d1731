//! Rewriting of an archive: a file is taken out, the other entries are copied as they lie, and the new archive takes
//! the place of the old one in one step.

use futures_util::TryStreamExt;

use super::hashes::blob_info;
use super::scan::lost;
use super::{Ingest, Turn};
use crate::archive::{DirectoryError, Removal, Rewriting, read_directory};
use crate::catalog::artifacts::{self, Artifact};
use crate::catalog::clock;
use crate::domain::{Error, ErrorKind, Result};
use crate::store::{Blob, StoreKey};
use crate::yielding;

/// How often an archive is rewritten that other nodes rewrite at the same time: each try that is lost is a removal that
/// another node has made.
const TRIES: usize = 50;

/// The outcome of [`Ingest::remove_file`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoveOutcome {
    /// The file is gone.
    Removed,
    /// There is no such file any more.
    NotFound,
}

impl Ingest {
    /// Takes the file at `path` out of an archive, during a turn of its job. The archive of which it was the last
    /// file is deleted.
    ///
    /// # Errors
    /// `Unprocessable` when the archive cannot be read or copied; `Unavailable` after too many rewritings by others;
    /// those of store and catalog. The archive is as it was then.
    pub async fn remove_file(&self, _turn: &Turn, archive: &Artifact, path: &str) -> Result<RemoveOutcome> {
        for _ in 0..TRIES {
            let (job_id, name, id) = (archive.job_id, archive.name.clone(), archive.id);
            let current = self.catalog.read(move |db| artifacts::find(db, job_id, &name)).await?;
            let Some(current) = current.filter(|current| current.id == id) else {
                return Ok(RemoveOutcome::NotFound);
            };
            if let Some(outcome) = self.remove_from(current, path).await? {
                return Ok(outcome);
            }
        }
        Err(Error::unavailable("concurrent deletions kept rewriting the archive"))
    }

    /// Makes one try; `None` if another node rewrote the archive meanwhile.
    async fn remove_from(&self, current: Artifact, path: &str) -> Result<Option<RemoveOutcome>> {
        let key: StoreKey = current.store_key.parse().map_err(Error::internal)?;
        let size = u64::try_from(current.size_bytes).map_err(Error::internal)?;
        let blob = self.store.open_blob(&key, size).await?;
        let Some(removal) = self.find(&blob, &current, path).await? else {
            return Ok(Some(RemoveOutcome::NotFound));
        };
        if removal.files_left() == 0 {
            return Ok(self.delete_current(current).await?.then_some(RemoveOutcome::Removed));
        }
        let rewriting = plan(removal, &blob).await?;
        let (writer, mut upload) = self.writers.begin(&self.store).await?;
        for part in rewriting.kept {
            let mut pieces = Box::pin(blob.stream(part));
            while let Some(piece) = pieces.try_next().await? {
                upload.write(&piece).await?;
            }
        }
        upload.write(&rewriting.tail).await?;
        let stored = upload.commit().await?;
        let Some(tail_bytes) = self.scan(&stored, current.format, current.job_id).await? else {
            self.discard(&stored.key).await;
            return Err(unprocessable("the archive cannot be read without the file"));
        };
        let contents = blob_info(&stored, Some(tail_bytes), None);
        let (uuid, clock) = (current.uuid.within(path), self.clock.clone());
        let swapping = self.catalog.write(move |db| {
            writer.hold(db)?;
            let now = clock::shared(db, &clock)?;
            let swapped = artifacts::swap_blob(db, &current, &contents, now)?;
            if swapped {
                artifacts::forget_digests(db, uuid)?;
            }
            Ok::<_, Error>(swapped)
        });
        if swapping.await? {
            return Ok(Some(RemoveOutcome::Removed));
        }
        self.discard(&stored.key).await;
        Ok(None)
    }

    /// Deletes the archive as it was read; returns whether it still was so.
    async fn delete_current(&self, current: Artifact) -> Result<bool> {
        let clock = self.clock.clone();
        let deleting = self.catalog.write(move |db| {
            let now = clock::shared(db, &clock)?;
            artifacts::delete_blob(db, &current, now)
        });
        deleting.await
    }

    /// Finds what has to be removed; `None` if the archive has no such file.
    async fn find(&self, blob: &Blob, archive: &Artifact, path: &str) -> Result<Option<Removal>> {
        let tail_bytes = archive.tail_bytes.and_then(|bytes| u64::try_from(bytes).ok());
        let read = async |range| blob.bytes(range).await;
        let directory = read_directory(read, blob.size(), &self.limits, tail_bytes).await.map_err(unread)?;
        let (path, size) = (path.to_owned(), blob.size());
        let found = yielding::run(move || Removal::find(directory, size, &path)).await?;
        found.map_err(unprocessable)
    }
}

async fn plan(removal: Removal, blob: &Blob) -> Result<Rewriting> {
    let planned = removal.plan(async |range| blob.bytes(range).await).await.map_err(unread)?;
    yielding::run(move || planned.finish()).await?.map_err(unprocessable)
}

fn unread(error: DirectoryError) -> Error {
    match error {
        DirectoryError::ArchiveError(fault) => unprocessable(fault),
        DirectoryError::Read(error) => lost(error.into()),
    }
}

fn unprocessable(why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Unprocessable, why.to_string())
}
