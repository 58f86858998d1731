//! A scan reads an archive's directory on arrival, so that the log reports a damaged one while its job can
//! still be found. The archive is kept either way (contract, row 20).

use crate::archive::{ArchiveError, DirectoryError, Limits, read_directory, walk};
use crate::domain::{Error, ErrorKind, Result};
use crate::store::{Store, StoredBlob};

/// Reads a stored archive's directory within the limits and logs its fault, if any. Returns how many bytes at
/// the archive's end hold it, or `None` if it is damaged.
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
            "archive is stored, but its files cannot be served one by one"
        );
    }
    Ok(tail_bytes.ok())
}

/// Turns `NotFound` into `Unavailable`: bytes that were just stored were deleted by somebody else, and the
/// client did not ask for them.
pub(super) fn lost(error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => Error::unavailable(error),
        _ => error,
    }
}
