//! Access: finds what a request is for and decides whether its principal may have it, for every dialect.
//!
//! Every function takes the request's [`Principal`], or the credential that stands for one, first and returns what it found, or one typed
//! [`AccessError`]. Everything that needs a permission is found here and nowhere else: dialects hold no
//! connection to the catalog.

mod account;
mod agents;
mod artifacts;
mod batches;
mod builds;
mod changes;
mod deletions;
mod dependencies;
mod environment;
mod error;
mod fast_path;
mod foreign;
mod hints;
mod lists;
mod named;
mod news;
mod open_session;
mod overview;
mod pieces;
mod principal;
mod project;
mod pulled;
mod registry;
mod reports;
mod repository;
mod running_job;
mod search;
mod sign_in;
mod storage;
mod uploads;
mod vouched;

pub use agents::{
    AcceptedJob, AgentDetails, AgentError, GrowingLog, HeldJob, JobCredential, JobLog, MetaDataOf, Ping,
    RegisteredAgent,
};
pub use artifacts::{ArchiveLookup, JobArchive, RefLookup, RefSearch};
pub use batches::{BatchError, DeclaredFile, EndedUploads, UploadEnd};
pub use builds::{
    BuildArtifact, BuildArtifacts, BuildChange, BuildError, BuildJobs, BuildPath, BuildScope, CreateBuild,
    JobDetail, JobPath, JobPosition, JobScope, ListedBuilds, ListedPipeline, MOST_JOBS,
};
pub use dependencies::HeldArchive;
pub use environment::JobEnvironment;
pub use error::{AccessError, ArtifactAbsence, CommitAbsence, JobAbsence, PipelineAbsence, ProjectAbsence};
pub use lists::{ChildPipelines, Listed, ListedProjects, Total};
pub use named::ListedArtifact;
pub use news::{News, NewsOutcome, ProvenDelivery};
pub use open_session::{EndedSession, SessionLookup};
pub use overview::{
    JobOverview, ListedProject, Named, OverviewArtifact, PipelineOverview, ProjectArtifactsPage,
    ProjectOverview, RefOverview, Rights, SearchedArtifacts,
};
pub use pieces::{Room, UploadError};
pub use principal::Principal;
pub use registry::require_registry;
pub use repository::{ListedRefs, RefList, RefOrder, RefSearchText};
pub use running_job::RunningJob;
pub use search::{SearchError, SearchScope, SearchedBuild};
pub use uploads::{AuthorizedUpload, NumberedJob};
pub use vouched::Statement;

pub use crate::auth::AcceptedCredentials;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::audit::AuditContext;
use crate::auth::Actor;
use crate::catalog::clock::shared_at;
use crate::catalog::foreign::{self as foreign_rows, ForeignId, ForeignJob, ReportedProject, StoreOutcome};
pub use crate::catalog::uploads::{Declared, LIFETIME as UPLOAD_LIFETIME};
use crate::catalog::{Catalog, Db, projects};
use crate::domain::project::ProjectRef;
use crate::domain::{Clock, Error, Timestamp};
use crate::upstream::{Answer, Consultation, Told, Upstream};

/// The service layer: the one way from a dialect to the catalog.
#[derive(Debug, Clone)]
pub struct Access {
    catalog: Catalog,
    /// For times that nodes compare with those of others; see [`crate::catalog::clock::shared`].
    clock: Clock,
    /// How far agents have looked for jobs.
    searches: agents::Searches,
    /// The instance's limit for one artifact in bytes, 0 or `None` for none.
    max_artifact_bytes: Option<u64>,
    /// Knows the tokens and projects that are not registered here.
    upstream: Option<Upstream>,
    /// Tells that there are hints to follow.
    hints: Arc<Notify>,
    /// Copies whose use was noted lately.
    used: pulled::UsedCopies,
}

/// How often work is done again for what it has asked: a credential, a project by its path, a verdict and a role,
/// each once, and some room.
const MOST_ROUNDS: usize = 8;

impl Access {
    /// Creates the service layer on `catalog`. `max_artifact_bytes` is the instance's limit for one artifact.
    pub fn new(
        catalog: Catalog,
        clock: Clock,
        max_artifact_bytes: Option<u64>,
        upstream: Option<Upstream>,
    ) -> Self {
        Self {
            catalog,
            clock,
            searches: agents::Searches::default(),
            max_artifact_bytes,
            upstream,
            hints: Arc::default(),
            used: pulled::UsedCopies::default(),
        }
    }

    /// Begins what a request asks of the upstream; without one, nothing can be asked. A client that may not ask gets
    /// no answers about credentials that memory does not hold.
    pub fn consultation(&self, audit: &AuditContext, client: Option<IpAddr>, may_ask: bool) -> Consultation {
        let upstream = self.upstream.clone();
        upstream
            .map_or_else(Consultation::default, |it| Consultation::new(it, audit.clone(), client, may_ask))
    }

    /// Returns the upstream, if there is one.
    pub fn upstream(&self) -> Option<&Upstream> {
        self.upstream.as_ref()
    }

    /// Authenticates the principal, and does nothing else.
    ///
    /// # Errors
    /// [`AccessError::Credential`] if the credential is missing, not valid, or of a kind that is not
    /// accepted.
    pub async fn authenticate(&self, principal: &Principal) -> Result<Actor, AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| principal.authenticate_alone(db)).await
    }

    /// Runs `work` with a connection; again, after its connection is given back and the upstream has answered, as
    /// long as it leaves questions open.
    async fn read<T, E, F>(&self, asked: Consultation, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut Db) -> Result<T, E> + Clone + Send + 'static,
    {
        if asked.upstream().is_none() {
            return self.catalog.read(work).await;
        }
        for _ in 0..MOST_ROUNDS {
            let found = self.catalog.read(work.clone()).await;
            if !self.learn(&asked).await? {
                return found;
            }
        }
        Err(too_many_rounds().into())
    }

    /// Like [`Access::read`], for a few lookups by key.
    async fn read_inline<T, E, F>(&self, asked: Consultation, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut Db) -> Result<T, E> + Clone + Send + 'static,
    {
        if asked.upstream().is_none() {
            return self.catalog.read_inline(work).await;
        }
        for _ in 0..MOST_ROUNDS {
            let found = self.catalog.read_inline(work.clone()).await;
            if !self.learn(&asked).await? {
                return found;
            }
        }
        Err(too_many_rounds().into())
    }

    /// Changes the catalog in one transaction, if `allow` admits the principal. `allow` runs before the
    /// transaction, so that nobody without the right delays writers, and again inside of it.
    async fn change<P, T, E, A, F>(&self, asked: Consultation, allow: A, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        A: Fn(&mut Db) -> Result<P, E> + Clone + Send + 'static,
        F: FnOnce(&mut Db, P) -> Result<T, E> + Clone + Send + 'static,
    {
        for _ in 0..MOST_ROUNDS {
            let first = allow.clone();
            self.read(asked.clone(), move |db| first(db).map(drop)).await?;
            let (allow, work) = (allow.clone(), work.clone());
            let changing = self.catalog.write(move |db| {
                let allowed = allow(db)?;
                work(db, allowed)
            });
            // What is not answered is decided against the principal, so only a refusal is worth another attempt.
            match changing.await {
                Err(refused) if !self.learn(&asked).await? => return Err(refused),
                Err(_) => {}
                done => return done,
            }
        }
        Err(too_many_rounds().into())
    }

    /// Asks what is open, and stores what is learnt; returns whether anything was.
    async fn learn(&self, asked: &Consultation) -> Result<bool, Error> {
        let answers = asked.answer_open().await.map_err(|(name, outage)| outage.into_error(&name))?;
        let Some(upstream) = asked.upstream().map(str::to_owned) else { return Ok(false) };
        let has_learnt = !answers.is_empty();
        for (question, Told { answer, asked_at }) in answers {
            match answer {
                Answer::Job(job) => {
                    let id = job.id;
                    if let StoreOutcome::InTheWay(why) =
                        self.store_job(upstream.clone(), job, asked_at).await?
                    {
                        tracing::warn!(upstream, job.id = id, why, "a job of the upstream is refused");
                        asked.contradict(id);
                    }
                }
                Answer::MayRead { project_id, path: Some(path) } => {
                    self.store_path(upstream.clone(), project_id, path, asked_at).await?;
                }
                Answer::MayRead { project_id, path: None } if asked.doubts(project_id) => {
                    self.tell_again(upstream.clone(), project_id, asked_at).await?;
                }
                Answer::Newest(told) => {
                    let (name, now) = (upstream.clone(), self.now());
                    self.catalog.write(move |db| foreign_rows::store_ref(db, &name, &told, now)).await?;
                    if let Some(question) = question {
                        asked.stored(&question);
                    }
                }
                Answer::MayRead { path: None, .. }
                | Answer::Token(_)
                | Answer::Role(_)
                | Answer::Archive
                | Answer::Refused(_) => {}
            }
        }
        Ok(has_learnt)
    }

    /// Stores a job that the upstream told of at `asked_at`. Its project shows again, if it was hidden before that.
    async fn store_job(
        &self,
        upstream: String,
        job: Arc<ForeignJob>,
        asked_at: Timestamp,
    ) -> Result<StoreOutcome, Error> {
        let (name, known) = (upstream.clone(), Arc::clone(&job));
        let stored = self.catalog.read(move |db| foreign_rows::find_stored(db, &name, &known)).await?;
        if let Some((job, project)) = stored {
            return Ok(StoreOutcome::Stored(job, project));
        }
        let (name, now, clock) = (upstream.clone(), self.now(), self.clock.clone());
        let storing = self.catalog.write(move |db| {
            let told_at = shared_at(db, &clock, asked_at)?;
            let returned = foreign_rows::tell_again(db, &name, job.project_id, told_at)?;
            Ok::<_, Error>((returned, foreign_rows::store_job(db, &name, &job, now)?))
        });
        let (returned, outcome) = storing.await?;
        self.note_returned(&upstream, returned);
        Ok(outcome)
    }

    async fn store_path(
        &self,
        upstream: String,
        id: i64,
        path: String,
        asked_at: Timestamp,
    ) -> Result<(), Error> {
        let known = self.catalog.read(move |db| projects::find(db, &ProjectRef::Id(id))).await?;
        let Some(known) = known else { return Ok(()) };
        if known.is_gone() {
            self.tell_again(upstream.clone(), id, asked_at).await?;
        }
        if known.path == path {
            return Ok(());
        }
        let now = self.now();
        let project = ReportedProject { upstream, id: ForeignId::Number(id), path: path.clone() };
        self.catalog.write(move |db| foreign_rows::move_project(db, &project, &path, now)).await?;
        Ok(())
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

fn too_many_rounds() -> Error {
    Error::internal("a request asks the upstream for ever")
}
