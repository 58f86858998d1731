//! Pipelines of which a hook spoke without being believed: asked about with the upstream's own token.

use super::Upstream;
use super::answer::Outage;
use super::ask::refusal;
use super::client::Errand;
use super::question::Kind;
use super::route::Route;
use super::wire;
use crate::catalog::foreign::{ForeignJob, ForeignPipeline};

/// Most pages of jobs that are read of a pipeline.
const PAGES: usize = 3;

/// Rows of a page.
const ROWS: usize = 100;

/// What is told of a pipeline.
#[derive(Debug, Clone)]
pub struct PipelineFacts {
    /// Its jobs with what is told of itself, without those that were tried again.
    pub jobs: Vec<ForeignJob>,
    /// The pipelines of the same project that it started.
    pub children: Vec<ForeignPipeline>,
}

impl Upstream {
    /// Whether it has a token of its own, for what nobody's request asks.
    pub fn has_own_token(&self) -> bool {
        self.0.service.is_some()
    }

    /// Tells a pipeline as its own token may read it, in at most four calls; `None` if there is no such token, it may
    /// not read the pipeline, or there is none.
    ///
    /// # Errors
    /// [`Outage`] when there is no answer.
    pub(crate) async fn pipeline_facts(
        &self,
        project_id: i64,
        pipeline_id: i64,
    ) -> Result<Option<PipelineFacts>, Outage> {
        let Some(asker) = &self.0.service else { return Ok(None) };
        let errand = Errand { kind: Kind::Newest, asker, client: None, now: self.0.clock.now() };
        let mut jobs = Vec::new();
        for page in 1..=PAGES {
            let reply = self.get(errand, Route::PipelineJobs(project_id, pipeline_id, page)).await?;
            if refusal(&reply)?.is_some() {
                return Ok(None);
            }
            let rows = wire::rows(&reply.json)?;
            for row in rows {
                let job = wire::known_job(row, self.0.client.base())?;
                if (job.project_id, job.pipeline.id) != (project_id, pipeline_id) {
                    return Err(Outage::broken("another pipeline's job"));
                }
                jobs.push(job);
            }
            if rows.len() < ROWS {
                break;
            }
        }
        let children = self.children(errand, project_id, pipeline_id).await?;
        Ok(Some(PipelineFacts { jobs, children: children.into_iter().map(|(child, _)| child).collect() }))
    }
}
