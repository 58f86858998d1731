//! Archives that the upstream has: fetched before anything is made of them.

use crate::access::{ArchiveLookup, JobArchive};
use crate::domain::Error;
use crate::http::context::RequestContext;

/// How often an archive is fetched that is gone again before it is read.
const TRIES: usize = 2;

/// Returns what stands for a job's archive, once it is here.
///
/// # Errors
/// Those of `find`; those of fetching; `Unavailable` if copies are given up as fast as they are fetched.
pub async fn here<E: From<Error>>(
    ctx: &RequestContext,
    find: impl AsyncFn() -> Result<ArchiveLookup, E>,
) -> Result<JobArchive, E> {
    let found = find().await?;
    settle(ctx, found, find).await
}

/// Like [`here`], with what was found already.
///
/// # Errors
/// As [`here`].
pub async fn settle<E: From<Error>>(
    ctx: &RequestContext,
    mut found: ArchiveLookup,
    find: impl AsyncFn() -> Result<ArchiveLookup, E>,
) -> Result<JobArchive, E> {
    for _ in 0..TRIES {
        match found {
            ArchiveLookup::Here(archive) => return Ok(archive),
            ArchiveLookup::Upstream(order) => ctx.app.pulls.store(order).await.map_err(Error::from)?,
        }
        found = find().await?;
    }
    match found {
        ArchiveLookup::Here(archive) => Ok(archive),
        ArchiveLookup::Upstream(_) => {
            Err(Error::unavailable("copies of an archive are given up as fast as they are fetched").into())
        }
    }
}
