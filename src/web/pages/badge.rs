//! Badge: a small picture of the state or the coverage of what ran last on a ref, for pages elsewhere.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use askama::Template;

use super::by_ref::job_of;
use crate::access::{AccessError, RefLookup, RefSearch};
use crate::domain::project::ProjectRef;
use crate::web::error::PageError;
use crate::web::headers::CROSS_ORIGIN_RESOURCE_POLICY;
use crate::web::project_page::BadgeKind;
use crate::web::visit::Visit;
use crate::web::words::State;

#[derive(Template)]
#[template(path = "badge.svg", escape = "html")]
struct Badge {
    label: &'static str,
    value: String,
    colour: &'static str,
    label_width: usize,
    value_width: usize,
}

/// Width of a character and of the room on both sides, in pixels.
const CHARACTER: usize = 7;
const ROOM: usize = 12;

/// `GET …/-/jobs/artifacts/REF/badge.svg?job=NAME`, `GET PROJECT/badges/REF/pipeline.svg` and `…/coverage.svg`. What is
/// not there or may not be seen is `unknown`.
pub(in crate::web) async fn show(
    visit: &Visit<'_>,
    project: &str,
    ref_name: String,
    kind: BadgeKind,
) -> Result<HttpResponse, PageError> {
    let (label, value, colour) = match found(visit, project, ref_name, kind).await {
        Ok(found) => found,
        Err(AccessError::Other(error)) => return Err(error.into()),
        Err(_) => (label(kind), "unknown".to_owned(), "#57606a"),
    };
    let width = |text: &str| text.chars().count() * CHARACTER + ROOM;
    let badge = Badge { label, label_width: width(label), value_width: width(&value), value, colour };
    let svg = badge.render().map_err(crate::domain::Error::internal)?;
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((CONTENT_TYPE, "image/svg+xml"))
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; sandbox"))
        .insert_header((CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin"))
        .insert_header((CACHE_CONTROL, "private, max-age=300"));
    Ok(answer.body(svg))
}

fn label(kind: BadgeKind) -> &'static str {
    match kind {
        BadgeKind::Pipeline => "pipeline",
        BadgeKind::Coverage => "coverage",
        BadgeKind::Job => "job",
    }
}

type Words = (&'static str, String, &'static str);

async fn found(
    visit: &Visit<'_>,
    project: &str,
    ref_name: String,
    kind: BadgeKind,
) -> Result<Words, AccessError> {
    let reference = ProjectRef::Path(project.to_owned());
    let job_name = visit.query("job").filter(|_| kind == BadgeKind::Job);
    if let Some(job_name) = job_name {
        let lookup = RefLookup { ref_name, job_name: job_name.to_owned(), search: RefSearch::Newest };
        let found = visit.access().archive_of_ref(&visit.reader, reference.clone(), lookup).await?;
        let Some(job_id) = job_of(&found) else { return Err(AccessError::RefWithoutPipeline) };
        let (details, _) = visit.access().job(&visit.reader, reference, job_id).await?;
        return Ok(match details.job.coverage {
            Some(percent) => coverage(percent),
            None => state("job", details.job.status.into()),
        });
    }
    let (details, _) = visit.access().latest_pipeline(&visit.reader, reference, Some(ref_name)).await?;
    match (kind, details.coverage) {
        (BadgeKind::Coverage, Some(percent)) => Ok(coverage(percent)),
        (BadgeKind::Coverage, None) => Err(AccessError::RefWithoutPipeline),
        (BadgeKind::Pipeline | BadgeKind::Job, _) => Ok(state("pipeline", details.pipeline.status.into())),
    }
}

fn coverage(percent: f64) -> Words {
    let colour = match percent {
        90.0.. => "#116329",
        70.0.. => "#7d4e00",
        _ => "#a40e26",
    };
    ("coverage", format!("{percent:.1}%"), colour)
}

fn state(label: &'static str, state: State) -> Words {
    let colour = match state.class {
        "good" => "#116329",
        "bad" => "#a40e26",
        "busy" => "#7d4e00",
        _ => "#57606a",
    };
    (label, state.word.to_owned(), colour)
}
