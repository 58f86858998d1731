//! Downloads of archives that the upstream has: fetched first, and sent on the way if the whole archive is asked for.

use actix_web::HttpResponse;
use actix_web::http::header;

use crate::access::{ArchiveLookup, JobArchive};
use crate::api::gitlab::downloads::folder_path;
use crate::api::gitlab::error::ApiError;
use crate::deliver::Body;
use crate::domain::Error;
use crate::http::content_disposition::attachment;
use crate::http::context::RequestContext;
use crate::http::download::with_body;
use crate::http::pulled::settle;
use crate::ingest::pull::{ComingArchive, Pulled};

/// Headers of requests whose answer depends on what is known of the whole archive.
const NEED_ALL: [header::HeaderName; 6] = [
    header::RANGE,
    header::IF_RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
];

/// What is sent of an archive.
pub(super) enum Found {
    /// What is here.
    Here(JobArchive),
    /// The whole archive, while it is being stored.
    Coming(HttpResponse),
}

/// Finds what stands for a job's archive. A whole archive that is not here is sent while it is being stored, unless the
/// request needs to know more of it first.
pub(super) async fn here_or_coming(
    ctx: &RequestContext,
    find: impl AsyncFn() -> Result<ArchiveLookup, ApiError>,
) -> Result<Found, ApiError> {
    let mut found = find().await?;
    if let ArchiveLookup::Upstream(order) = &found
        && is_for_all(ctx)?
    {
        match ctx.app.pulls.coming(order.clone()).await.map_err(Error::from)? {
            Pulled::Coming(archive) => return Ok(Found::Coming(send(archive))),
            Pulled::Stored => found = find().await?,
        }
    }
    settle(ctx, found, find).await.map(Found::Here)
}

/// Whether a request is for a whole archive, whatever it is.
fn is_for_all(ctx: &RequestContext) -> Result<bool, ApiError> {
    let headers = ctx.request.headers();
    let depends = NEED_ALL.iter().any(|name| headers.contains_key(name));
    Ok(!ctx.is_head() && !depends && folder_path(ctx)?.is_none())
}

/// Nothing is said of what is only known at the end: the digest, and so the entity tag.
fn send(archive: ComingArchive) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((header::CONTENT_TYPE, "application/octet-stream"))
        .insert_header((header::CONTENT_DISPOSITION, attachment(&archive.filename)))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header(("Content-Transfer-Encoding", "binary"));
    with_body(&mut answer, archive.size, Body::Stream(archive.bytes))
}
