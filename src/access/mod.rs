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
mod environment;
mod error;
mod lists;
mod named;
mod overview;
mod pieces;
mod principal;
mod project;
mod registry;
mod reports;
mod repository;
mod running_job;
mod search;
mod uploads;

pub use agents::{
    AcceptedJob, AgentDetails, AgentError, GrowingLog, HeldJob, JobCredential, JobLog, MetaDataOf, Ping,
    RegisteredAgent,
};
pub use artifacts::{JobArchive, RefLookup, RefSearch};
pub use batches::{BatchError, DeclaredFile, EndedUploads, UploadEnd};
pub use builds::{
    BuildArtifact, BuildArtifacts, BuildChange, BuildError, BuildJobs, BuildPath, BuildScope, CreateBuild,
    JobDetail, JobPath, JobPosition, JobScope, ListedBuilds, ListedPipeline, MOST_JOBS,
};
pub use environment::JobEnvironment;
pub use error::{AccessError, ArtifactAbsence, CommitAbsence, JobAbsence, PipelineAbsence, ProjectAbsence};
pub use lists::{ChildPipelines, Listed, ListedProjects, Total};
pub use named::ListedArtifact;
pub use overview::{
    JobOverview, ListedProject, Named, OverviewArtifact, PipelineOverview, ProjectArtifactsPage,
    ProjectOverview, RefOverview, Rights,
};
pub use pieces::UploadError;
pub use principal::Principal;
pub use registry::require_registry;
pub use repository::{ListedRefs, RefList, RefOrder, RefSearchText};
pub use running_job::RunningJob;
pub use search::{SearchError, SearchScope, SearchedBuild};
pub use uploads::AuthorizedUpload;

pub use crate::auth::AcceptedCredentials;
use crate::auth::Actor;
pub use crate::catalog::uploads::{Declared, LIFETIME as UPLOAD_LIFETIME};
use crate::catalog::{Catalog, Db};
use crate::domain::Clock;

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
}

impl Access {
    /// Creates the service layer on `catalog`. `max_artifact_bytes` is the instance's limit for one artifact.
    pub fn new(catalog: Catalog, clock: Clock, max_artifact_bytes: Option<u64>) -> Self {
        Self { catalog, clock, searches: agents::Searches::default(), max_artifact_bytes }
    }

    /// Authenticates the principal, and does nothing else.
    ///
    /// # Errors
    /// [`AccessError::Credential`] if the credential is missing, not valid, or of a kind that is not
    /// accepted.
    pub async fn authenticate(&self, principal: &Principal) -> Result<Actor, AccessError> {
        let principal = principal.clone();
        self.read(move |db| principal.authenticate(db)).await
    }

    /// Runs `work` with a connection.
    async fn read<T, F>(&self, work: F) -> Result<T, AccessError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Db) -> Result<T, AccessError> + Send + 'static,
    {
        self.catalog.read(work).await
    }

    /// Runs `work`, a few lookups by key, with a connection.
    async fn read_inline<T, F>(&self, work: F) -> Result<T, AccessError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Db) -> Result<T, AccessError> + Send + 'static,
    {
        self.catalog.read_inline(work).await
    }

    /// Changes the catalog in one transaction, if `allow` admits the principal. `allow` runs before the
    /// transaction, so that nobody without the right delays writers, and again inside of it.
    async fn change<P, T, E, A, F>(&self, allow: A, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<crate::domain::Error> + Send + 'static,
        A: Fn(&mut Db) -> Result<P, E> + Clone + Send + 'static,
        F: FnOnce(&mut Db, P) -> Result<T, E> + Send + 'static,
    {
        let asked = allow.clone();
        self.catalog.read(move |db| asked(db).map(drop)).await?;
        self.catalog
            .write(move |db| {
                let allowed = allow(db)?;
                work(db, allowed)
            })
            .await
    }
}
