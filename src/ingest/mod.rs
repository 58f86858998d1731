//! The one write path: stream → hash → blob → scan → row.
//!
//! Nothing is visible before the row is committed, and a row is only ever committed for bytes that
//! are durable. What is not needed after all is removed again.

mod dotenv;
mod scan;

use std::sync::Arc;
use std::time::Duration;

pub use scan::scan_archive;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::archive::Limits;
use crate::catalog::artifacts::{self, Added, Artifact, Contents, Declared};
use crate::catalog::writers::Purpose;
use crate::catalog::{Catalog, Db, jobs};
use crate::domain::artifact::{ArtifactFormat, ArtifactKind};
use crate::domain::status::Status;
use crate::domain::{Error, Kind, Result, Timestamp, byte_size};
use crate::store::{Store, Stored, Upload};
use crate::writers::{Writer, Writers};

/// How many archives are looked at at the same time; each may need its whole directory in memory.
const CONCURRENT_SCANS: usize = 2;

/// How long an upload waits for its turn: well below the ten minutes that a runner waits for an answer.
const TURN_TIMEOUT: Duration = Duration::from_secs(60);

/// What receives artifacts.
#[derive(Debug)]
pub struct Ingest {
    catalog: Catalog,
    store: Store,
    limits: Limits,
    scans: Semaphore,
    uploads: Arc<Semaphore>,
    writers: Writers,
}

/// Bytes being received.
#[derive(Debug)]
pub struct Incoming {
    upload: Upload,
    writer: Writer,
    limit_bytes: Option<u64>,
    /// Held until the artifact is recorded, or given up.
    _turn: OwnedSemaphorePermit,
}

/// What became of an upload.
#[derive(Debug)]
pub enum Outcome {
    /// Stored.
    Created(i64),
    /// The same bytes are there already; nothing was changed.
    AlreadyThere,
    /// The job has other bytes under that kind.
    Occupied,
    /// The bytes are not what the kind promises; the text says why.
    Malformed(&'static str),
    /// The job ended while its artifact was on the way.
    JobEnded(Status),
}

/// The smaller of two limits, where `None` and 0 mean no limit.
pub fn effective_limit(instance_bytes: Option<u64>, project_bytes: Option<i64>) -> Option<u64> {
    let project = project_bytes.and_then(|bytes| u64::try_from(bytes).ok());
    [instance_bytes, project].into_iter().flatten().filter(|bytes| *bytes > 0).min()
}

/// The refusal of anything larger than `limit_bytes`.
pub fn too_large(limit_bytes: u64) -> Error {
    let limit = byte_size::show(limit_bytes);
    Error::new(Kind::TooLarge, format!("file size has reached maximum size limit ({limit})"))
}

impl Ingest {
    /// Receives into `store` and `catalog`, at most `concurrent` artifacts at a time, and looks into
    /// archives within `limits`.
    pub fn new(catalog: Catalog, store: Store, limits: Limits, concurrent: usize) -> Self {
        let (scans, uploads) = (Semaphore::new(CONCURRENT_SCANS), Arc::new(Semaphore::new(concurrent)));
        let writers = Writers::new(catalog.clone(), Purpose::Keys);
        Self { catalog, store, limits, scans, uploads, writers }
    }

    /// Begins to receive at most `limit_bytes`, when it is its turn. Until then the client's bytes wait
    /// on its side: to be told to come back would make it send everything again.
    ///
    /// # Errors
    /// `Unavailable` when others take too long; those of the store.
    pub async fn begin(&self, limit_bytes: Option<u64>) -> Result<Incoming> {
        let turn = tokio::time::timeout(TURN_TIMEOUT, Arc::clone(&self.uploads).acquire_owned());
        let too_many = |_| Error::unavailable("as many artifacts as may be are being received");
        let turn = turn.await.map_err(too_many)?.map_err(Error::internal)?;
        let (writer, upload) = self.writers.begin(&self.store).await?;
        Ok(Incoming { upload, writer, limit_bytes, _turn: turn })
    }

    /// Makes the artifact that `declared` says, for a job that still runs.
    ///
    /// # Errors
    /// Those of store and catalog; nothing is visible then.
    pub async fn finish(&self, incoming: Incoming, declared: Declared, now: Timestamp) -> Result<Outcome> {
        let Incoming { upload, writer, _turn, .. } = incoming;
        let stored = upload.commit().await?;
        let key = stored.key.clone();
        let mut tail_bytes = None;
        if declared.kind.format() == ArtifactFormat::Zip {
            let _permit = self.scans.acquire().await.map_err(Error::internal)?;
            tail_bytes = scan_archive(&self.store, &stored, &self.limits, declared.job_id).await?;
        }
        if declared.kind == ArtifactKind::Dotenv
            && let Err(refusal) = self.check_dotenv(&stored).await?
        {
            self.store.delete(&key).await?;
            return Ok(Outcome::Malformed(refusal));
        }
        let recording = self.catalog.write(move |db| {
            writer.hold(db)?;
            record(db, &declared, &stored, tail_bytes, now)
        });
        let outcome = recording.await;
        // An unsure answer may stand for a commit that did happen: its bytes are left to `gc`.
        if let Ok(Outcome::AlreadyThere | Outcome::Occupied | Outcome::JobEnded(_)) = outcome {
            self.store.delete(&key).await?;
        }
        outcome
    }
}

impl Ingest {
    /// Those who store what is being received.
    pub fn writers(&self) -> &Writers {
        &self.writers
    }

    async fn check_dotenv(&self, stored: &Stored) -> Result<Result<(), &'static str>> {
        if stored.size > dotenv::MAX_BYTES {
            return Ok(Err("Dotenv Artifact Too Big"));
        }
        let blob = self.store.open_blob(&stored.key, stored.size).await?;
        let bytes = blob.bytes(0..stored.size).await?;
        tokio::task::spawn_blocking(move || dotenv::check(&bytes)).await.map_err(Error::internal)
    }
}

impl Incoming {
    /// Appends bytes.
    ///
    /// # Errors
    /// `TooLarge` at the first byte past the limit; those of the store.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match self.limit_bytes {
            Some(limit) if self.upload.size() + bytes.len() as u64 > limit => Err(too_large(limit)),
            _ => self.upload.write(bytes).await,
        }
    }
}

fn record(
    db: &mut Db,
    declared: &Declared,
    stored: &Stored,
    tail_bytes: Option<u64>,
    now: Timestamp,
) -> Result<Outcome> {
    let status = jobs::find(db, declared.job_id)?.map_or(Status::Canceled, |job| job.status);
    if !status.is_executing() {
        return Ok(Outcome::JobEnded(status));
    }
    let contents = Contents {
        size_bytes: stored.size,
        sha256: stored.sha256,
        store_key: stored.key.to_string(),
        tail_bytes,
    };
    Ok(match artifacts::add(db, declared, &contents, now)? {
        Added::New(id) => Outcome::Created(id),
        Added::Exists(Artifact { sha256, .. }) if sha256 == stored.sha256 => Outcome::AlreadyThere,
        Added::Exists(_) => Outcome::Occupied,
    })
}
