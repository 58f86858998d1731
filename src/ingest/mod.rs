//! Ingest is the one write path: stream → hash → blob → scan → row.
//!
//! Nothing is visible before the row is committed, and a row is only committed for durable bytes. Bytes that
//! end up without a row are deleted.

mod declared;
mod hashes;
mod log;
mod pieces;
pub mod pull;
mod rewrite;
mod scan;
mod turns;
mod validate;

use bytes::Bytes;
pub use declared::WholeOutcome;
use hashes::StreamHashes;
pub use hashes::{Hashes, blob_info};
pub use pieces::AssembleOutcome;
pub use rewrite::RemoveOutcome;
pub use scan::scan_archive;
use tokio::sync::Semaphore;
pub use turns::Turn;
pub use validate::Validator;

use crate::archive::Limits;
use crate::catalog::artifacts::{self, Artifact, InsertOutcome, NewArtifact};
use crate::catalog::writers::Purpose;
use crate::catalog::{Catalog, Db, jobs, quotas, tombstones};
use crate::domain::artifact::ArtifactFormat;
use crate::domain::status::Status;
use crate::domain::{Clock, Error, ErrorKind, Result, Timestamp, byte_size};
use crate::metrics::{UploadMeasure, UploadOutcome, Uploads};
use crate::store::{Store, StoreKey, StoredBlob, Upload};
use crate::writers::{Writer, Writers};
use scan::lost;
use turns::{Sent, Turns};

/// The number of archives scanned at the same time; each may need its whole directory in memory.
const CONCURRENT_SCANS: usize = 2;

/// How often recording an artifact is tried if the row in its place turns out to have no bytes.
const TRIES: usize = 3;

/// Receives artifacts.
#[derive(Debug)]
pub struct Ingest {
    catalog: Catalog,
    store: Store,
    limits: Limits,
    scans: Semaphore,
    turns: Turns,
    writers: Writers,
    clock: Clock,
    metrics: Uploads,
}

/// An artifact being received.
#[derive(Debug)]
pub struct ArtifactUpload {
    upload: Upload,
    writer: Writer,
    limit_bytes: Option<u64>,
    /// Of what its client declared hashes of.
    hashes: Option<StreamHashes>,
    measure: UploadMeasure,
    /// Held until the artifact is recorded, or given up.
    _turn: Turn,
}

/// The outcome of an upload.
#[derive(Debug)]
pub enum CommitOutcome {
    /// The artifact was recorded with this ID.
    Created(i64),
    /// The same bytes are there already; nothing was changed.
    Duplicate,
    /// The job has other bytes under that name.
    Conflict,
    /// The validator rejected the bytes; the text says why.
    Rejected(&'static str),
    /// The job ended while its artifact was on the way.
    JobEnded(Status),
}

/// Returns the error for an artifact larger than `limit_bytes`.
pub fn too_large(limit_bytes: u64) -> Error {
    let limit = byte_size::show(limit_bytes);
    Error::new(ErrorKind::TooLarge, format!("the artifact is larger than {limit}"))
}

impl Ingest {
    /// Receives into `store` and `catalog`, at most `concurrent` artifacts at a time, and scans archives
    /// within `limits`. Of `clock` only a manual one counts; times are otherwise the database's.
    pub fn new(catalog: Catalog, store: Store, limits: Limits, concurrent: usize, clock: Clock) -> Self {
        let (scans, turns) = (Semaphore::new(CONCURRENT_SCANS), Turns::new(concurrent));
        let writers = Writers::new(catalog.clone(), Purpose::Keys);
        Self { catalog, store, limits, scans, turns, writers, clock, metrics: Uploads::default() }
    }

    /// Waits for a job's turn to send something. A job that sends many pieces at once over a slow line waits as
    /// long as its own turns end one after the other.
    ///
    /// # Errors
    /// `Unavailable` when none is free and none of the job's ends within a minute, or after five minutes in all.
    pub async fn turn(&self, project_id: i64, job_id: i64) -> Result<Turn> {
        self.turns.wait(project_id, job_id, Sent::Whole).await
    }

    /// Waits for the turn to rewrite an archive of a job.
    ///
    /// # Errors
    /// As [`Ingest::turn`].
    pub async fn removal_turn(&self, project_id: i64, job_id: i64) -> Result<Turn> {
        self.turns.wait(project_id, job_id, Sent::Removal).await
    }

    /// Begins to receive at most `limit_bytes` from a job, after waiting for a turn. Meanwhile the client's
    /// bytes wait on its side: after a refusal it would have to send everything again.
    ///
    /// # Errors
    /// Those of [`Ingest::turn`], catalog and store.
    pub async fn begin(
        &self,
        project_id: i64,
        job_id: i64,
        limit_bytes: Option<u64>,
    ) -> Result<ArtifactUpload> {
        let turn = self.turn(project_id, job_id).await?;
        self.begin_in(turn, limit_bytes).await
    }

    /// Like [`Ingest::begin`], for a piece of an upload: the digest of the whole is computed later.
    ///
    /// # Errors
    /// As [`Ingest::begin`].
    pub async fn begin_piece(
        &self,
        project_id: i64,
        job_id: i64,
        limit_bytes: Option<u64>,
    ) -> Result<ArtifactUpload> {
        let turn = self.turns.wait(project_id, job_id, Sent::Piece).await?;
        let received = self.begin_in(turn, limit_bytes).await?;
        Ok(ArtifactUpload { upload: received.upload.without_digest(), ..received })
    }

    /// Like [`Ingest::begin`], for the copy of an archive, whose digest is computed when it is all here; if somebody is
    /// given its bytes meanwhile, with its size.
    ///
    /// # Errors
    /// As [`Ingest::begin`].
    async fn begin_copy(
        &self,
        project_id: i64,
        job_id: i64,
        size_beside_a_reader: Option<u64>,
    ) -> Result<ArtifactUpload> {
        let received = self.begin(project_id, job_id, None).await?;
        let mut upload = received.upload.without_digest();
        if let Some(size) = size_beside_a_reader {
            upload = upload.beside_a_reader(size).await?;
        }
        Ok(ArtifactUpload { upload, ..received })
    }

    /// Like [`Ingest::begin`], for bytes whose hashes their client declared.
    ///
    /// # Errors
    /// As [`Ingest::begin`].
    pub async fn begin_declared(
        &self,
        project_id: i64,
        job_id: i64,
        limit_bytes: u64,
    ) -> Result<ArtifactUpload> {
        let turn = self.turns.wait(project_id, job_id, Sent::Piece).await?;
        let received = self.begin_in(turn, Some(limit_bytes)).await?;
        Ok(ArtifactUpload { hashes: Some(StreamHashes::new()), ..received })
    }

    async fn begin_in(&self, turn: Turn, limit_bytes: Option<u64>) -> Result<ArtifactUpload> {
        let measure = self.metrics.begin();
        let (writer, upload) = self.writers.begin(&self.store).await?;
        Ok(ArtifactUpload { upload, writer, limit_bytes, hashes: None, measure, _turn: turn })
    }

    /// Scans a blob if it is an archive; few at a time.
    async fn scan(&self, stored: &StoredBlob, format: ArtifactFormat, job_id: i64) -> Result<Option<u64>> {
        if format != ArtifactFormat::Zip {
            return Ok(None);
        }
        let _permit = self.scans.acquire().await.map_err(Error::internal)?;
        scan_archive(&self.store, stored, &self.limits, job_id).await
    }

    /// Stores the bytes and records the artifact `declared`, if its job still runs.
    ///
    /// # Errors
    /// `OverQuota` when it does not fit into what its project may store; those of store and catalog. Nothing is visible
    /// then.
    pub async fn finish(
        &self,
        received: ArtifactUpload,
        declared: NewArtifact,
        validator: Option<Validator>,
        now: Timestamp,
    ) -> Result<CommitOutcome> {
        let ArtifactUpload { upload, writer, mut measure, _turn, .. } = received;
        let stored = upload.commit().await?;
        let key = stored.key.clone();
        let tail_bytes = self.scan(&stored, declared.format, declared.job_id).await?;
        if let Some(validator) = validator
            && let Err(why) = self.validate(&stored, validator).await?
        {
            self.discard(&key).await;
            measure.ends(UploadOutcome::Refused);
            return Ok(CommitOutcome::Rejected(why));
        }
        let outcome = self.record(writer, declared, stored, tail_bytes, now).await;
        match &outcome {
            Ok(CommitOutcome::Created(_) | CommitOutcome::Duplicate) => measure.ends(UploadOutcome::Stored),
            Ok(CommitOutcome::Conflict | CommitOutcome::Rejected(_) | CommitOutcome::JobEnded(_)) => {
                measure.ends(UploadOutcome::Refused);
            }
            Err(error) if error.kind() == ErrorKind::OverQuota => measure.ends(UploadOutcome::Refused),
            Err(_) => {}
        }
        // A failed commit may have happened after all: its bytes are left to `gc`.
        let is_refused = match &outcome {
            Ok(CommitOutcome::Duplicate | CommitOutcome::Conflict | CommitOutcome::JobEnded(_)) => true,
            Ok(CommitOutcome::Created(_) | CommitOutcome::Rejected(_)) => false,
            Err(error) => error.kind() == ErrorKind::OverQuota,
        };
        if is_refused {
            self.discard(&key).await;
        }
        outcome
    }
}

impl Ingest {
    /// The metrics of uploads.
    pub fn metrics(&self) -> &Uploads {
        &self.metrics
    }

    /// The writers of uploads in progress.
    pub fn writers(&self) -> &Writers {
        &self.writers
    }

    /// Records the artifact. An existing row whose bytes are missing from the store is replaced: no reader
    /// can use it, and the client must not be told that the bytes are there.
    async fn record(
        &self,
        writer: Writer,
        declared: NewArtifact,
        stored: StoredBlob,
        tail_bytes: Option<u64>,
        now: Timestamp,
    ) -> Result<CommitOutcome> {
        let mut without_bytes = None;
        for _ in 0..TRIES {
            let (new, writer) = ((declared.clone(), stored.clone()), writer.clone());
            let recording = self.catalog.write(move |db| {
                writer.hold(db)?;
                record(db, new, tail_bytes, without_bytes, now)
            });
            let existing = match recording.await? {
                Recorded::Done(outcome) => return Ok(outcome),
                Recorded::Exists(existing) => existing,
            };
            let key: StoreKey = existing.store_key.parse().map_err(Error::internal)?;
            let found = self.store.size_of(&key).await?;
            if found.is_some() && found == u64::try_from(existing.size_bytes).ok() {
                let is_same = existing.sha256 == stored.sha256;
                return Ok(if is_same { CommitOutcome::Duplicate } else { CommitOutcome::Conflict });
            }
            tracing::warn!(
                job.id = declared.job_id,
                artifact.id = existing.id,
                size_bytes = existing.size_bytes,
                found_bytes = found,
                "the blob of an artifact is missing from the store; an upload replaces the artifact"
            );
            without_bytes = Some(existing.id);
        }
        Err(Error::unavailable("concurrent uploads kept replacing the artifact"))
    }

    /// Deletes bytes that no row will reference. On failure they are left to `gc`: the client's answer does
    /// not depend on it.
    async fn discard(&self, key: &StoreKey) {
        if let Err(error) = self.store.delete(key).await {
            tracing::warn!(
                %key,
                causes = error.source_chain(),
                "an unreferenced blob is left in the store; gc will delete it"
            );
        }
    }

    async fn validate(
        &self,
        stored: &StoredBlob,
        validator: Validator,
    ) -> Result<std::result::Result<(), &'static str>> {
        if stored.size > validator.max_bytes {
            return Ok(Err(validator.too_large));
        }
        let blob = self.store.open_blob(&stored.key, stored.size).await.map_err(lost)?;
        let bytes = blob.bytes(0..stored.size).await.map_err(|error| lost(error.into()))?;
        tokio::task::spawn_blocking(move || (validator.validate)(&bytes)).await.map_err(Error::internal)
    }
}

impl ArtifactUpload {
    /// How many bytes were received.
    pub fn size(&self) -> u64 {
        self.upload.size()
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// `TooLarge` at the first byte past the limit; those of the store.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.expect(bytes).await?;
        self.upload.write(bytes).await
    }

    /// As [`ArtifactUpload::write`], for what comes in long pieces that somebody else is given, too.
    ///
    /// # Errors
    /// As [`ArtifactUpload::write`].
    pub async fn write_shared(&mut self, bytes: Bytes) -> Result<()> {
        self.expect(&bytes).await?;
        self.upload.write_shared(bytes).await
    }

    /// Requires that the bytes are within the limit, and continues the hashes with them.
    async fn expect(&mut self, bytes: &[u8]) -> Result<()> {
        match self.limit_bytes {
            Some(limit) if self.upload.size() + bytes.len() as u64 > limit => {
                self.measure.ends(UploadOutcome::Refused);
                return Err(too_large(limit));
            }
            _ => {}
        }
        match &mut self.hashes {
            Some(hashes) => hashes.update(bytes).await,
            None => Ok(()),
        }
    }
}

/// The outcome of one try to record an artifact.
enum Recorded {
    Done(CommitOutcome),
    /// The job has an artifact of that name; only the store knows whether its bytes are there.
    Exists(Box<Artifact>),
}

fn record(
    db: &mut Db,
    (mut declared, stored): (NewArtifact, StoredBlob),
    tail_bytes: Option<u64>,
    without_bytes: Option<i64>,
    now: Timestamp,
) -> Result<Recorded> {
    let quotas = quotas::lock(db, declared.project_id)?;
    let status = jobs::find(db, declared.job_id)?.map_or(Status::Canceled, |job| job.status);
    if !status.is_executing() {
        return Ok(Recorded::Done(CommitOutcome::JobEnded(status)));
    }
    if let Some(id) = without_bytes
        && let Some(existing) = artifacts::find(db, declared.job_id, &declared.name)?
        && existing.id == id
    {
        if existing.sha256 == stored.sha256 {
            // The same bytes again: filename, accessibility and expiry of the existing row stand.
            declared.filename = existing.filename;
            declared.accessibility = existing.accessibility;
            declared.expire_at = existing.expire_at;
        }
        tombstones::soft_delete(db, id, now)?;
    }
    let contents = blob_info(&stored, tail_bytes, None);
    Ok(match artifacts::add(db, &declared, &contents, now)? {
        InsertOutcome::Inserted(id) => {
            let added_bytes = i64::try_from(stored.size).map_err(Error::internal)?;
            quotas.require_within(db, added_bytes)?;
            Recorded::Done(CommitOutcome::Created(id))
        }
        InsertOutcome::AlreadyExists(existing) => Recorded::Exists(existing),
    })
}
