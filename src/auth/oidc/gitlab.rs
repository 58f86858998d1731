//! Claims of GitLab's ID tokens.
//!
//! In the pipeline of a merge request `project_id` and `ref` are those of the source, which may be somebody's fork: the
//! project that runs the job is `job_project_id`, and the ref is not known.

use super::IdTokenRefusal;
use super::claims::Claims;
use super::vouched::{VouchedJob, plain_ref};
use crate::catalog::foreign::{ForeignId, ReportedPipeline, ReportedProject};
use crate::domain::pipeline::{Source, UNKNOWN_REF};
use crate::domain::project::is_valid_path;
use crate::settings::UpstreamSettings;

/// The claims that say which file defines a pipeline.
pub(super) const WORKFLOW_CLAIMS: &[&str] = &["ci_config_ref_uri"];

/// Reads the job of a token.
pub(super) fn job(upstream: &UpstreamSettings, claims: Claims<'_>) -> Result<VouchedJob, IdTokenRefusal> {
    let source =
        claims.optional("pipeline_source")?.and_then(|name| name.parse().ok()).unwrap_or(Source::Unknown);
    let is_request = matches!(source, Source::MergeRequestEvent | Source::ExternalPullRequestEvent);
    let source_project = claims.optional_number("project_id")?;
    let (id, path) = match claims.optional_number("job_project_id")? {
        Some(id) => (id, claims.text("job_project_path")?),
        None if is_request => return Err(IdTokenRefusal::Claim("job_project_id")),
        None => (claims.number("project_id")?, claims.text("project_path")?),
    };
    if !is_valid_path(path) {
        return Err(IdTokenRefusal::Claim("job_project_path"));
    }
    let is_foreign = is_request || source_project.is_some_and(|source| source != id);
    let ref_name = if is_foreign { UNKNOWN_REF.to_owned() } else { plain_ref(claims.text("ref")?) };
    Ok(VouchedJob {
        project: ReportedProject {
            upstream: upstream.name.clone(),
            id: ForeignId::Number(id),
            path: path.to_owned(),
        },
        pipeline: ReportedPipeline {
            id: ForeignId::Number(claims.number("pipeline_id")?),
            iid: None,
            ref_name,
            tag: Some(!is_foreign && claims.optional("ref_type")? == Some("tag")),
            sha: claims.text("sha")?.to_owned(),
            source,
        },
        id: ForeignId::Number(claims.number("job_id")?),
        default_name: "job".to_owned(),
        may_finish: false,
        issued_at: claims.issued_at()?,
    })
}
