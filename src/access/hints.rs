//! Hints: pipelines of the upstream of which hooks spoke without being believed. The upstream is asked about them with
//! its own token, one after another, and what it tells is taken over.

use std::time::Duration;

use crate::access::Access;
use crate::catalog::clock::shared_at;
use crate::catalog::foreign::{self, ForeignId, Hint, ReportedProject};
use crate::domain::{Error, Timestamp};
use crate::upstream::{Outage, Upstream};

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

    /// Asks the upstream about the pipelines that hints are about, and returns how many it told of. Each hint is followed
    /// once; one that is not answered goes behind the others and waits, for longer each time, until it is given up.
    ///
    /// # Errors
    /// Those of the catalog; `Unavailable` when there was no answer for one.
    pub async fn follow_hints(&self) -> Result<usize, Error> {
        let Some(upstream) = self.upstream.clone().filter(Upstream::has_own_token) else { return Ok(0) };
        let (mut told, mut unanswered) = (0, None);
        loop {
            let (name, now) = (upstream.name().to_owned(), self.now());
            let since = Timestamp::from_millis(now.as_millis().saturating_sub(MAX_AGE_MILLIS));
            let hints = self.catalog.read(move |db| foreign::pending(db, &name, since, now)).await?;
            if hints.is_empty() {
                return unanswered.map_or(Ok(told), Err);
            }
            for hint in hints {
                let outage = match self.follow(&upstream, &hint).await? {
                    Ok(is_told) => {
                        told += usize::from(is_told);
                        continue;
                    }
                    Err(outage) => outage,
                };
                // None of the others is answered either.
                if outage.is_of_all() {
                    return Err(outage.into_error(upstream.name()));
                }
                self.postpone(hint).await?;
                unanswered = unanswered.or(Some(outage.into_error(upstream.name())));
            }
        }
    }

    async fn follow(&self, upstream: &Upstream, hint: &Hint) -> Result<Result<bool, Outage>, Error> {
        let (asked, project_id, pipeline_id) = (upstream.clone(), hint.project_id, hint.pipeline_id);
        let asked_at = upstream.now();
        let asking = upstream.spawn(async move { asked.pipeline_facts(project_id, pipeline_id).await });
        let facts = match asking.await.map_err(Error::internal)? {
            Ok(facts) => facts,
            Err(outage) => return Ok(Err(outage)),
        };
        upstream.forget_project(project_id);
        let (name, now, is_told) = (upstream.name().to_owned(), self.now(), facts.is_some());
        let (hint, clock) = (hint.clone(), self.clock.clone());
        let storing = move |db: &mut crate::catalog::Db| {
            let mut returned = None;
            if let Some(facts) = &facts {
                let told_at = shared_at(db, &clock, asked_at)?;
                returned = foreign::tell_again(db, &name, project_id, told_at)?;
                foreign::store_facts(
                    db,
                    &name,
                    (project_id, pipeline_id),
                    (&facts.jobs, &facts.children),
                    now,
                )?;
            } else {
                // It may be the project that is not there any more.
                let project = ReportedProject {
                    upstream: name.clone(),
                    id: ForeignId::Number(project_id),
                    path: String::new(),
                };
                foreign::check_soon(db, &project)?;
            }
            foreign::settle(db, &hint)?;
            Ok::<_, Error>(returned)
        };
        let returned = self.catalog.write(storing).await?;
        self.note_returned(upstream.name(), returned);
        Ok(Ok(is_told))
    }

    async fn postpone(&self, hint: Hint) -> Result<(), Error> {
        let (now, pipeline_id) = (self.now(), hint.pipeline_id);
        if self.catalog.write(move |db| foreign::postpone(db, &hint, now)).await? {
            tracing::warn!(
                pipeline.id = pipeline_id,
                "a hint of a hook is given up: nothing is answered to it"
            );
        }
        Ok(())
    }
}
