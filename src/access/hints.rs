//! Hints: pipelines of the upstream of which hooks spoke without being believed. The upstream is asked about them with
//! its own token, one after another, and what it tells is taken over.

use std::time::Duration;

use crate::access::Access;
use crate::catalog::foreign::{self, Hint};
use crate::domain::{Error, Timestamp};
use crate::upstream::Upstream;

/// How often hints are looked for of which this node was not told: those of other nodes, and those that were not
/// answered.
const INTERVAL: Duration = Duration::from_secs(30);

/// How old a hint may be that is still asked about, in milliseconds.
const MAX_AGE_MILLIS: i64 = 86_400 * 1000;

impl Access {
    /// Follows hints as they come, for as long as it is polled; not at all without an upstream that has a token of its
    /// own.
    pub async fn follow_hints_forever(&self) {
        if !self.upstream.as_ref().is_some_and(Upstream::has_own_token) {
            return;
        }
        loop {
            // What passes by itself was told by whoever asks.
            if let Err(error) = self.follow_hints().await
                && error.retry_after_seconds().is_none()
            {
                tracing::error!(causes = error.source_chain(), "hints of hooks are not followed");
            }
            let told = self.hints.notified();
            // Whether it was told or time has passed makes no difference.
            let _ = tokio::time::timeout(INTERVAL, told).await;
        }
    }

    /// Asks the upstream about the pipelines that hints are about, and returns how many it told of. Each hint is
    /// followed once, unless there is no answer.
    ///
    /// # Errors
    /// Those of the catalog; `Unavailable` when there is no answer for one: it waits.
    pub async fn follow_hints(&self) -> Result<usize, Error> {
        let Some(upstream) = self.upstream.clone().filter(Upstream::has_own_token) else { return Ok(0) };
        let mut told = 0;
        loop {
            let name = upstream.name().to_owned();
            let since = Timestamp::from_millis(self.now().as_millis().saturating_sub(MAX_AGE_MILLIS));
            let hints = self.catalog.read(move |db| foreign::pending(db, &name, since)).await?;
            if hints.is_empty() {
                return Ok(told);
            }
            let mut unanswered = None;
            for hint in hints {
                match self.follow(&upstream, hint).await {
                    Ok(is_told) => told += usize::from(is_told),
                    // It keeps none of the others waiting; when nothing is answered at all, they fail at once.
                    Err(error) => unanswered = unanswered.or(Some(error)),
                }
            }
            if let Some(error) = unanswered {
                return Err(error);
            }
        }
    }

    async fn follow(&self, upstream: &Upstream, hint: Hint) -> Result<bool, Error> {
        let (asked, project_id, pipeline_id) = (upstream.clone(), hint.project_id, hint.pipeline_id);
        let asking = upstream.spawn(async move { asked.pipeline_facts(project_id, pipeline_id).await });
        let facts = asking.await.map_err(Error::internal)?;
        let facts = facts.map_err(|outage| outage.into_error(upstream.name()))?;
        upstream.forget_project(project_id);
        let (name, now, is_told) = (upstream.name().to_owned(), self.now(), facts.is_some());
        let storing = move |db: &mut crate::catalog::Db| {
            if let Some(facts) = &facts {
                foreign::store_facts(
                    db,
                    &name,
                    (project_id, pipeline_id),
                    (&facts.jobs, &facts.children),
                    now,
                )?;
            }
            foreign::settle(db, &hint)
        };
        self.catalog.write(storing).await?;
        Ok(is_told)
    }
}
