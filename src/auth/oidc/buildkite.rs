//! Claims of Buildkite's ID tokens.
//!
//! Slugs change hands, so a pipeline is known by its ID where the job asks for it (`--claim pipeline_id`).

use super::IdTokenRefusal;
use super::claims::Claims;
use super::vouched::{VouchedJob, path_below, plain_ref, text_id};
use crate::catalog::foreign::{ForeignId, ReportedPipeline, ReportedProject};
use crate::domain::pipeline::Source;
use crate::settings::UpstreamSettings;

/// The claims that say which pipeline a build is of.
pub(super) const WORKFLOW_CLAIMS: &[&str] = &["pipeline_slug", "pipeline_id"];

/// Reads the job of a token.
pub(super) fn job(upstream: &UpstreamSettings, claims: Claims<'_>) -> Result<VouchedJob, IdTokenRefusal> {
    let (organization, pipeline) = (claims.text("organization_slug")?, claims.text("pipeline_slug")?);
    let tag = claims.optional("build_tag")?;
    let build = claims.number("build_number")?;
    let name = format!("{organization}/{pipeline}");
    let pipeline_id = claims.optional("pipeline_id")?.map(str::to_owned);
    let otherwise = format!("pipeline-{}", pipeline_id.as_deref().unwrap_or("unnamed"));
    Ok(VouchedJob {
        project: ReportedProject {
            upstream: upstream.name.clone(),
            path: path_below(&upstream.path, &[organization, pipeline], &otherwise),
            id: ForeignId::Text { id: pipeline_id, name: Some(name) },
        },
        pipeline: ReportedPipeline {
            id: text_id(build),
            iid: Some(build),
            ref_name: plain_ref(match tag {
                Some(tag) => tag,
                None => claims.text("build_branch")?,
            }),
            tag: Some(tag.is_some()),
            sha: claims.text("build_commit")?.to_owned(),
            source: source(claims.optional("build_source")?.unwrap_or_default()),
        },
        id: text_id(claims.text("job_id")?),
        default_name: claims.optional("step_key")?.unwrap_or("job").to_owned(),
        may_finish: false,
        issued_at: claims.issued_at()?,
    })
}

/// Returns the source of a build.
pub fn source(name: &str) -> Source {
    match name {
        "webhook" => Source::Push,
        "ui" => Source::Web,
        "api" => Source::Api,
        "schedule" => Source::Schedule,
        "trigger_job" => Source::Pipeline,
        _ => Source::Unknown,
    }
}
