//! Rewriting of an archive: a file is taken out, the other entries are copied as they lie, and the new archive takes
//! the place of the old one in one step.

use futures_util::TryStreamExt;

use super::hashes::blob_info;
use super::scan::lost;
use super::{Ingest, Turn};
use crate::archive::{DirectoryError, Files, Index, Subset, read_directory};
use crate::catalog::artifacts::{self, Artifact};
use crate::catalog::tombstones;
use crate::domain::{Error, ErrorKind, Result, Timestamp};
use crate::store::{Blob, StoreKey};
use crate::yielding;

/// How often an archive is rewritten that others rewrite at the same time.
const TRIES: usize = 5;

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
    pub async fn remove_file(
        &self,
        _turn: &Turn,
        archive: &Artifact,
        path: &str,
        now: Timestamp,
    ) -> Result<RemoveOutcome> {
        for _ in 0..TRIES {
            let (job_id, name, id) = (archive.job_id, archive.name.clone(), archive.id);
            let current = self.catalog.read(move |db| artifacts::find(db, job_id, &name)).await?;
            let Some(current) = current.filter(|current| current.id == id) else {
                return Ok(RemoveOutcome::NotFound);
            };
            if let Some(outcome) = self.remove_from(current, path, now).await? {
                return Ok(outcome);
            }
        }
        Err(Error::unavailable("concurrent deletions kept rewriting the archive"))
    }

    /// Makes one try; `None` if another node rewrote the archive meanwhile.
    async fn remove_from(
        &self,
        current: Artifact,
        path: &str,
        now: Timestamp,
    ) -> Result<Option<RemoveOutcome>> {
        let key: StoreKey = current.store_key.parse().map_err(Error::internal)?;
        let size = u64::try_from(current.size_bytes).map_err(Error::internal)?;
        let blob = self.store.open_blob(&key, size).await?;
        let Some((subset, files)) = self.plan(&blob, &current, path).await? else {
            return Ok(Some(RemoveOutcome::NotFound));
        };
        let uuid = current.uuid.within(path);
        if files == 0 {
            let deleted = self.catalog.write(move |db| {
                let is_current =
                    |found: &Artifact| (found.id, &found.store_key) == (current.id, &current.store_key);
                let found = artifacts::find(db, current.job_id, &current.name)?;
                let is_current = found.as_ref().is_some_and(is_current);
                if is_current {
                    tombstones::delete(db, current.id, now)?;
                }
                Ok::<_, Error>(is_current)
            });
            return Ok(deleted.await?.then_some(RemoveOutcome::Removed));
        }
        let (writer, mut upload) = self.writers.begin(&self.store).await?;
        let source = blob.clone();
        let mut pieces = Box::pin(subset.into_stream(move |range| source.stream(range)));
        while let Some(piece) = pieces.try_next().await? {
            upload.write(&piece).await?;
        }
        let stored = upload.commit().await?;
        let tail_bytes = self.scan(&stored, current.format, current.job_id).await?;
        let contents = blob_info(&stored, tail_bytes, None);
        let swapping = self.catalog.write(move |db| {
            writer.hold(db)?;
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

    /// Plans the archive without the file, and counts the files that are left; `None` if it has no such file.
    async fn plan(&self, blob: &Blob, archive: &Artifact, path: &str) -> Result<Option<(Subset, usize)>> {
        let tail_bytes = archive.tail_bytes.and_then(|bytes| u64::try_from(bytes).ok());
        let read = async |range| blob.bytes(range).await;
        let directory = match read_directory(read, blob.size(), &self.limits, tail_bytes).await {
            Ok(directory) => directory,
            Err(DirectoryError::ArchiveError(fault)) => return Err(unprocessable(fault)),
            Err(DirectoryError::Read(error)) => return Err(lost(error.into())),
        };
        let path = path.to_owned();
        let planned = yielding::run(move || {
            let index = Index::build(&directory.bytes, &directory.span).map_err(unprocessable)?;
            if !Files::of(&index).has(&index, &path) {
                return Ok(None);
            }
            Subset::without(&index, &path).map(Some).map_err(unprocessable)
        });
        planned.await?
    }
}

fn unprocessable(why: impl std::error::Error) -> Error {
    Error::new(ErrorKind::Unprocessable, why.to_string())
}
