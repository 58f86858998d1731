//! Agents: who may register one, which jobs it gets, and what it may do with the job that it has.

mod held_job;
mod log;
mod meta_data;
mod search;
mod sessions;
mod work;

pub use held_job::{HeldJob, JobCredential};
pub use log::{GrowingLog, JobLog};
pub use meta_data::MetaDataOf;
pub(super) use search::Searches;
pub use sessions::{AgentDetails, Ping, RegisteredAgent};
pub use work::AcceptedJob;

use super::{Access, AccessError, BuildError};
use crate::domain::status::Status;

/// Why a request of an agent is refused.
#[derive(Debug)]
pub enum AgentError {
    /// The credential is refused, or catalog or store failed.
    Access(AccessError),
    /// The token has as many agents as it may have.
    TooManyAgents(u32),
    /// The token is that of another job.
    OtherJob,
    /// The job is not, or no longer, this agent's.
    NotHeld,
    /// The job has this status, which does not allow what the agent does.
    NotPossible(Status),
    /// The log of the job would be longer than this, in bytes.
    LogTooLong(i64),
    /// The build has as many values as it may have.
    TooManyValues,
    /// The values of the build would be larger in all than this, in bytes.
    ValuesTooLarge(i64),
    /// The build has this status, in which none of its jobs begins.
    BuildNotRunning(Status),
    /// There is no such build in the project of the job.
    NoBuild,
}

impl From<BuildError> for AgentError {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Access(error) => Self::Access(error),
            _ => Self::NoBuild,
        }
    }
}

impl<E: Into<AccessError>> From<E> for AgentError {
    fn from(error: E) -> Self {
        Self::Access(error.into())
    }
}
