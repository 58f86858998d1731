//! A look at an archive's directory when it arrives, so that the log tells of a damaged one while
//! the job that made it can still be found. It is kept either way (contract, row 20).

use crate::archive::{ArchiveError, DirectoryError, Limits, read_directory, walk};
use crate::domain::{Error, ErrorKind, Result};
use crate::store::{Store, StoredBlob};

/// Reads a stored archive's directory within the limits and logs what is wrong with it. Tells how many
/// bytes at the archive's end hold it, unless it is damaged.
///
/// # Errors
/// Only when the store cannot be read.
pub async fn scan_archive(
    store: &Store,
    stored: &StoredBlob,
    limits: &Limits,
    job_id: i64,
) -> Result<Option<u64>> {
    let blob = store.open_blob(&stored.key, stored.size).await.map_err(lost)?;
    let read = read_directory(async |range| blob.bytes(range).await, blob.size(), limits, None).await;
    let tail_bytes: Result<u64, ArchiveError> = match read {
        Ok(directory) => tokio::task::spawn_blocking(move || {
            walk(&directory.bytes, &directory.span, |_| Ok(())).map(|()| directory.tail_bytes(blob.size()))
        })
        .await
        .map_err(Error::internal)?,
        Err(DirectoryError::ArchiveError(fault)) => Err(fault),
        Err(DirectoryError::Read(error)) => return Err(lost(error.into())),
    };
    if let Err(fault) = &tail_bytes {
        tracing::warn!(
            job.id = job_id,
            size_bytes = stored.size,
            reason = %fault,
            "archive is kept, but its files cannot be served one by one"
        );
    }
    Ok(tail_bytes.ok())
}

/// What was stored a moment ago and is not there any more was taken away by somebody else; the client asked
/// for nothing that it could be told is not found.
pub(super) fn lost(error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => Error::unavailable(error),
        _ => error,
    }
}
