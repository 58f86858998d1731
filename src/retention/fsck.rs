//! Checks every row against its blob: existence, size and digest.

use std::fmt;

use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};

use super::Retention;
use crate::catalog::Catalog;
use crate::catalog::artifacts::{self, Artifact};
use crate::catalog::usage::{self, WrongCounter};
use crate::domain::{Error, Result, Sha256Digest};
use crate::store::{Store, StoreKey};

/// How many rows are read at a time.
const BATCH: i64 = 500;

/// A counter of a project that is not what its artifacts give. Displayed as one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterFinding(pub WrongCounter);

impl fmt::Display for CounterFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WrongCounter { project_id, kind, artifacts, bytes, waiting, waiting_bytes } = &self.0;
        write!(
            f,
            "project {project_id}, {kind}: counted {artifacts} artifacts of {bytes} bytes too many, and {waiting} of \
             {waiting_bytes} bytes too many that wait to be removed; the counters are set right"
        )
    }
}

/// The outcome of a check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// Rows that were checked.
    pub artifacts: usize,
    /// Rows with a fault.
    pub faults: usize,
}

/// A row whose blob is missing or differs. Displayed as one line.
#[derive(Debug, Clone)]
pub struct FsckFinding {
    /// The artifact's ID.
    pub artifact_id: i64,
    /// The ID of the job that uploaded it.
    pub job_id: i64,
    /// The artifact's kind.
    pub kind: &'static str,
    /// The key that the blob should have.
    pub store_key: String,
    /// The fault, as text.
    pub problem: String,
}

impl fmt::Display for FsckFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { artifact_id, job_id, kind, store_key, problem } = self;
        write!(f, "artifact {artifact_id} ({kind} of job {job_id}), blob {store_key}: {problem}")
    }
}

impl Retention {
    /// Compares the counters of what projects have with their artifacts, sets wrong ones right and returns them.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn check_counters(&self) -> Result<Vec<CounterFinding>> {
        // Reads do not hold up writers; to set something right is rare.
        if self.catalog.read(usage::wrong_counters).await?.is_empty() {
            return Ok(Vec::new());
        }
        let mending = self.catalog.write(|db| {
            let wrong = usage::wrong_counters(db)?;
            usage::mend(db, &wrong)?;
            Ok::<_, Error>(wrong)
        });
        Ok(mending.await?.into_iter().map(CounterFinding).collect())
    }

    /// Checks all rows; with `quick`, without reading the bytes. Calls `progress` for every row and `report`
    /// for every fault.
    ///
    /// # Errors
    /// Those of the catalog. A faulty blob is reported, not an error.
    pub async fn check(
        &self,
        quick: bool,
        progress: impl Fn(),
        mut report: impl FnMut(&FsckFinding),
    ) -> Result<Checked> {
        let Self { catalog, store, .. } = self;
        let mut checked = Checked::default();
        let mut after = 0;
        loop {
            let rows = catalog.read(move |db| artifacts::page(db, after, BATCH)).await?;
            let Some(last) = rows.last() else { return Ok(checked) };
            after = last.id;
            for artifact in rows {
                checked.artifacts += 1;
                if let Err(problem) = check_blob(store, &artifact, quick).await
                    && is_still_there(catalog, &artifact).await?
                {
                    checked.faults += 1;
                    report(&FsckFinding {
                        artifact_id: artifact.id,
                        job_id: artifact.job_id,
                        kind: artifact.kind.as_str(),
                        store_key: artifact.store_key,
                        problem,
                    });
                }
                progress();
            }
        }
    }
}

async fn check_blob(store: &Store, artifact: &Artifact, quick: bool) -> std::result::Result<(), String> {
    let why = |error: Error| error.source_chain().unwrap_or_else(|| error.to_string());
    let key: StoreKey = artifact.store_key.parse().map_err(|_| "invalid store key".to_owned())?;
    let size = u64::try_from(artifact.size_bytes).map_err(|_| "negative size in the row".to_owned())?;
    let blob = store.open_blob(&key, size).await.map_err(why)?;
    if quick {
        return Ok(());
    }
    let mut pieces = Box::pin(blob.stream(0..size));
    let mut hasher = Sha256::new();
    while let Some(piece) = pieces.try_next().await.map_err(|error| format!("cannot be read: {error}"))? {
        hasher.update(&piece);
    }
    let found = Sha256Digest::from(hasher);
    if found == artifact.sha256 {
        Ok(())
    } else {
        Err(format!("SHA-256 is {found} instead of {}", artifact.sha256))
    }
}

/// Whether the row still references this blob; both may have been deleted during the check.
async fn is_still_there(catalog: &Catalog, artifact: &Artifact) -> Result<bool> {
    let (job_id, name) = (artifact.job_id, artifact.name.clone());
    let now = catalog.read(move |db| artifacts::find(db, job_id, &name)).await?;
    Ok(now.is_some_and(|now| now.store_key == artifact.store_key))
}
