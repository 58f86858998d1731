//! Deletions of the upstream's projects: whether projects whose artifacts are here are still there, asked from time to time
//! with the upstream's own token. What is gone is hidden, and removed a week later.

use std::time::Duration;

use crate::access::Access;
use crate::audit::AuditEvent;
use crate::auth::VouchedJob;
use crate::catalog::clock;
use crate::catalog::foreign::{self, HiddenProject, ReturnedProject};
use crate::domain::{Error, Sha256Digest, Timestamp};
use crate::metrics::ProjectOutcome;
use crate::upstream::{Outage, ProjectTold, Upstream};

/// How often a node looks for projects to ask about.
const INTERVAL: Duration = Duration::from_secs(30);

/// Most projects that it asks about then: far fewer than the upstream answers.
const ROUND: i64 = 40;

/// How many projects of a round may be gone, unless that is less than half of it. Where more are, it is likelier that the
/// token has lost its rights.
const MOST_GONE: usize = 5;

impl Access {
    /// Asks about projects as they fall due, for as long as it is polled; not at all without an upstream that has a token
    /// of its own.
    pub async fn check_projects_forever(&self) {
        if !self.upstream.as_ref().is_some_and(Upstream::has_own_token) {
            return;
        }
        loop {
            // What passes by itself was told by whoever asks.
            if let Err(error) = self.check_projects().await
                && error.retry_after_seconds().is_none()
            {
                tracing::error!(
                    causes = error.source_chain(),
                    "projects of the upstream are not asked about"
                );
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Asks about some projects that are due, each on one node only, and returns how many were asked about. One that is
    /// not answered is put off.
    ///
    /// # Errors
    /// Those of the catalog; `Unavailable` when the upstream answers nothing now.
    pub async fn check_projects(&self) -> Result<usize, Error> {
        let Some(upstream) = self.upstream.clone() else { return Ok(0) };
        let Some(own) = upstream.own_token_sha256() else { return Ok(0) };
        let (name, node_clock) = (upstream.name().to_owned(), self.clock.clone());
        let due = self.catalog.read(move |db| {
            let now = clock::shared(db, &node_clock)?;
            foreign::due_checks(db, &name, now, ROUND)
        });
        let (mut asked, mut absent) = (0, Vec::new());
        for id in due.await? {
            let node_clock = self.clock.clone();
            let claiming = self.catalog.write(move |db| {
                let now = clock::shared(db, &node_clock)?;
                Ok::<_, Error>(foreign::claim_check(db, id, now)?.then_some(now))
            });
            // Another node was faster.
            let Some(asked_at) = claiming.await? else { continue };
            asked += 1;
            match self.check_project(&upstream, id, (own, asked_at)).await? {
                Ok(is_absent) => absent.extend(is_absent.then_some(id)),
                Err(outage) => {
                    let putting_off = self.catalog.write(move |db| foreign::postpone_check(db, id, asked_at));
                    putting_off.await?;
                    // None of the others is answered either.
                    if outage.is_of_all() {
                        self.hide_absent(&upstream, own, absent, asked).await?;
                        return Err(outage.into_error(upstream.name()));
                    }
                }
            }
        }
        self.hide_absent(&upstream, own, absent, asked).await?;
        Ok(asked)
    }

    /// Hides the projects of which the upstream's own token is told nothing any more; none if they are suspiciously many of
    /// those that were asked about.
    async fn hide_absent(
        &self,
        upstream: &Upstream,
        own: Sha256Digest,
        absent: Vec<i64>,
        asked: usize,
    ) -> Result<(), Error> {
        if absent.len() > MOST_GONE && absent.len() * 2 >= asked {
            tracing::error!(
                upstream = upstream.name(),
                projects = absent.len(),
                asked,
                "the upstream tells the service token nothing of so many projects that none is hidden: it may have lost its \
                 rights; delete them with `artigate project delete` if they are gone"
            );
            return Ok(());
        }
        for id in absent {
            let (name, node_clock) = (upstream.name().to_owned(), self.clock.clone());
            let hiding = self.catalog.write(move |db| {
                let now = clock::shared(db, &node_clock)?;
                foreign::hide_if_seen(db, &name, id, own, now)
            });
            match hiding.await? {
                Some(hidden) => self.note_hidden(upstream.name(), &hidden),
                None => upstream.metrics().project(ProjectOutcome::Untold),
            }
        }
        Ok(())
    }

    /// Asks about a project, and returns whether it is absent.
    async fn check_project(
        &self,
        upstream: &Upstream,
        id: i64,
        (own, asked_at): (Sha256Digest, Timestamp),
    ) -> Result<Result<bool, Outage>, Error> {
        let asked = upstream.clone();
        let asking = upstream.spawn(async move { asked.project_told(id).await });
        let told = match asking.await.map_err(Error::internal)? {
            Ok(told) => told,
            Err(outage) => return Ok(Err(outage)),
        };
        let (name, node_clock) = (upstream.name().to_owned(), self.clock.clone());
        match told {
            ProjectTold::There(path) => {
                let confirming = self.catalog.write(move |db| {
                    let now = clock::shared(db, &node_clock)?;
                    foreign::confirm(db, &name, (id, path.as_deref()), (own, asked_at), now)
                });
                let returned = confirming.await?;
                if returned.is_none() {
                    upstream.metrics().project(ProjectOutcome::There);
                }
                self.note_returned(upstream.name(), returned);
            }
            ProjectTold::Absent => return Ok(Ok(true)),
            ProjectTold::Untold => upstream.metrics().project(ProjectOutcome::Untold),
        }
        Ok(Ok(false))
    }

    /// Shows a project again of which the upstream told when it was asked at `asked_at`, by this node's clock, if it was
    /// hidden well before that.
    pub(super) async fn tell_again(
        &self,
        upstream: String,
        id: i64,
        asked_at: Timestamp,
    ) -> Result<(), Error> {
        let (name, node_clock) = (upstream.clone(), self.clock.clone());
        let telling = self.catalog.write(move |db| {
            let told_at = clock::shared_at(db, &node_clock, asked_at)?;
            foreign::tell_again(db, &name, id, told_at)
        });
        let returned = telling.await?;
        self.note_returned(&upstream, returned);
        Ok(())
    }

    /// Shows the project of a job again for which its upstream has just vouched, if it was hidden well before that.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn show_vouched(&self, job: &VouchedJob) -> Result<(), Error> {
        // By the upstream's clock, as the times of its events are.
        let (project, issued_at) = (job.project.clone(), job.issued_at);
        let looking = self.catalog.read_inline(move |db| foreign::contradicted(db, &project, issued_at));
        let Some(id) = looking.await? else { return Ok(()) };
        let name = job.project.upstream.clone();
        let showing = self.catalog.write(move |db| foreign::tell_again(db, &name, id, issued_at));
        let returned = showing.await?;
        self.note_returned(&job.project.upstream, returned);
        Ok(())
    }

    /// Says that a project is hidden from now on, and forgets what is remembered of it.
    pub(super) fn note_hidden(&self, upstream: &str, hidden: &HiddenProject) {
        let HiddenProject { id, path, until } = hidden;
        let until = until.to_string();
        tracing::warn!(
            upstream,
            project.id = id,
            project.path = path,
            until,
            "a project is deleted at the upstream: it is hidden, and removed at that time"
        );
        AuditEvent::log_of_upstream(
            "project.hide",
            (*id, path.clone()),
            upstream,
            Some(format!("until {until}")),
        );
        if let Some(upstream) = self.upstream.as_ref().filter(|it| it.name() == upstream) {
            upstream.forget_project(*id);
            upstream.metrics().project(ProjectOutcome::Hidden);
        }
    }

    /// Says that a project shows again, if one does.
    pub(super) fn note_returned(&self, upstream: &str, returned: Option<ReturnedProject>) {
        let Some(ReturnedProject { id, path }) = returned else { return };
        tracing::info!(
            upstream,
            project.id = id,
            project.path = path,
            "the upstream tells of a project again: it is hidden no more"
        );
        AuditEvent::log_of_upstream("project.show", (id, path), upstream, None);
        if let Some(upstream) = self.upstream.as_ref().filter(|it| it.name() == upstream) {
            upstream.metrics().project(ProjectOutcome::Returned);
        }
    }
}
