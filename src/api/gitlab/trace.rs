//! `GET /projects/:id/jobs/:job_id/trace`: a job's log, where somebody stored one.

use std::ops::Range;

use actix_web::HttpResponse;
use actix_web::http::header;

use crate::api::gitlab::call::{Call, number};
use crate::api::gitlab::failure::Failure;
use crate::api::gitlab::gate::{Guests, READ_SCOPES, Readable, identify};
use crate::catalog::artifacts::Artifact;
use crate::deliver::{self, Body};
use crate::domain::Error;
use crate::domain::access::Action;
use crate::domain::artifact::ArtifactKind;
use crate::domain::project::ProjectRef;
use crate::http::conditional::Validators;
use crate::http::response::{self, Download};

const TEXT: &str = "text/plain";

/// For users only, as in GitLab; a job without a log has an empty one.
pub(super) async fn read(call: &Call, project: ProjectRef, job_id: &str) -> Result<HttpResponse, Failure> {
    let (job_id, credentials, now) = (number(job_id, "job_id"), call.credentials(), call.now);
    let (job_id, log) = call
        .read(move |db| {
            let actor = identify(db, &credentials, Guests::None, READ_SCOPES, now)?;
            let job_id = job_id?;
            let readable = Readable::admit(db, &actor, Action::ReadJobs, &project, now, &credentials.trail)?;
            let job = readable.job(db, job_id)?;
            Ok((job.id, readable.log(db, &job)?))
        })
        .await?;
    match log {
        Some(log) => send(call, job_id, &log).await,
        None => Ok(HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, TEXT))
            .insert_header((header::CACHE_CONTROL, "private, no-cache"))
            .finish()),
    }
}

async fn send(call: &Call, job_id: i64, log: &Artifact) -> Result<HttpResponse, Failure> {
    debug_assert_eq!(log.kind, ArtifactKind::Trace);
    let download = Download {
        filename: format!("{job_id}.log"),
        media_type: TEXT,
        validators: Validators { etag: format!("\"{}\"", log.sha256), last_modified: log.created_at },
        size: u64::try_from(log.size_bytes).map_err(Error::internal)?,
        ranges: true,
        coding: None,
        varies: false,
        headers: Vec::new(),
    };
    let blob = deliver::open_artifact(&call.app.store, log).await?;
    let open = async |part: Option<Range<u64>>| -> Result<Body, Failure> {
        Ok(Body::InPieces(deliver::read_artifact(&blob, part.unwrap_or(0..blob.size())).await?))
    };
    Ok(response::send(&call.request, &download, open).await?)
}
