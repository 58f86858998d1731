//! Declared uploads: their client said of which size and digests they are, and nothing else becomes an artifact.
//!
//! What arrives in one request is compared before it is recorded. What arrives in pieces is assembled behind the
//! answer, because a client does not wait for that, and is compared then.

use std::time::Duration;

use super::hashes::blob_info;
use super::{ArtifactUpload, Ingest};
use crate::catalog::artifacts::BlobInfo;
use crate::catalog::quotas;
use crate::catalog::uploads::{self, Piece, PieceUpload, ReceiveOutcome};
use crate::domain::artifact::UploadState;
use crate::domain::{Clock, Error, ErrorKind, Result, Sha256Digest, Timestamp};
use crate::metrics::UploadOutcome;

/// How often a node says that it still assembles an upload.
const RENEWAL: Duration = Duration::from_secs(10);

/// After how much silence another node takes over, in milliseconds.
const SILENCE_MILLIS: i64 = 25_000;

/// The outcome of [`Ingest::finish_declared`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WholeOutcome {
    /// The upload is received, or was before.
    Received,
    /// No upload was declared as these bytes: what of them differs from the first one.
    Differs(&'static str),
    /// The upload takes nothing any more.
    Closed,
}

impl Ingest {
    /// Records bytes that were received in one request for that of some uploads of a job which was declared so.
    ///
    /// # Errors
    /// Those of store and catalog; the bytes have to be sent again then.
    pub async fn finish_declared(
        &self,
        received: ArtifactUpload,
        candidates: Vec<PieceUpload>,
    ) -> Result<WholeOutcome> {
        let ArtifactUpload { upload, writer, hashes, mut measure, _turn, .. } = received;
        let hashes = match hashes {
            Some(hashes) => hashes.finish().await?,
            None => return Err(Error::internal("the hashes of a declared upload were not computed")),
        };
        let stored = upload.commit().await?;
        let key = stored.key.clone();
        let contents = blob_info(&stored, None, Some(hashes));
        let differs = candidates.first().and_then(|first| difference(first, &contents));
        let fitting: Vec<PieceUpload> =
            candidates.into_iter().filter(|it| difference(it, &contents).is_none()).collect();
        if fitting.is_empty() {
            self.discard(&key).await;
            measure.ends(UploadOutcome::Refused);
            return Ok(differs.map_or(WholeOutcome::Closed, WholeOutcome::Differs));
        }
        let recording = self.catalog.write(move |db| {
            writer.hold(db)?;
            for upload in &fitting {
                if uploads::receive_whole(db, upload.id, &contents)? {
                    return Ok((true, true));
                }
            }
            // Of several that are alike, or when the answer was lost: the bytes are there.
            let mut is_there = false;
            for upload in &fitting {
                let state = uploads::find(db, upload.uuid)?.map(|it| it.state);
                is_there |= matches!(state, Some(UploadState::Received | UploadState::Completed));
            }
            Ok::<_, Error>((false, is_there))
        });
        let (is_used, is_there) = recording.await?;
        if !is_used {
            self.discard(&key).await;
        }
        measure.ends(if is_there { UploadOutcome::Stored } else { UploadOutcome::Refused });
        Ok(if is_there { WholeOutcome::Received } else { WholeOutcome::Closed })
    }

    /// Makes the pieces of an ordered upload one blob, and the artifact of it. One whose bytes are not what was
    /// declared fails. An error is logged: [`Ingest::assemble_left`] tries again.
    pub async fn assemble_or_leave(&self, upload: PieceUpload, clock: &Clock) {
        let (upload_id, job_id, uuid) = (upload.id, upload.job_id, upload.uuid);
        let assembled = tokio::select! {
            assembled = self.assemble_ordered(upload, clock) => assembled,
            error = self.renew(upload_id, clock) => Err(error),
        };
        let Err(error) = assembled else { return };
        // A piece that is not in the store any more does not come back, and what does not fit is not promised any more.
        let is_final = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::OverQuota);
        let failed = if is_final { self.fail(upload_id).await } else { Ok(()) };
        for error in [Some(error), failed.err()].into_iter().flatten() {
            tracing::error!(
                job.id = job_id,
                upload = %uuid,
                causes = error.source_chain(),
                "the pieces of an artifact were not assembled"
            );
        }
    }

    /// Tells other nodes that this one assembles an upload; ends only when that fails.
    async fn renew(&self, upload_id: i64, clock: &Clock) -> Error {
        loop {
            tokio::time::sleep(RENEWAL).await;
            let now = clock.now();
            let renewing = self.catalog.write(move |db| uploads::renew_ordered(db, upload_id, now));
            if let Err(error) = renewing.await {
                return error;
            }
        }
    }

    async fn assemble_ordered(&self, upload: PieceUpload, clock: &Clock) -> Result<()> {
        // Many files of a job may be assembled one after the other; its client does not wait for them.
        let _turn = loop {
            match self.turn(upload.project_id, upload.job_id).await {
                Err(error) if error.kind() == ErrorKind::Unavailable => {}
                turn => break turn?,
            }
        };
        let upload_id = upload.id;
        let mut arrived = self.catalog.read(move |db| uploads::pieces(db, upload_id)).await?;
        let parts = (1..=upload.parts.unwrap_or(0)).map(|part| arrived.remove(&part.to_string()));
        let Some(pieces) = parts.collect::<Option<Vec<_>>>() else {
            // Another node has assembled them.
            return Ok(());
        };
        let (writer, stored, hashes) = match self.join(&pieces, Some(super::Hashes::default())).await {
            Err(_) if self.is_one_lost(&pieces).await? => {
                return Err(Error::new(ErrorKind::NotFound, "a part of it is not in the store any more"));
            }
            joined => joined?,
        };
        let contents = blob_info(&stored, None, hashes);
        if let Some(differs) = difference(&upload, &contents) {
            tracing::warn!(
                job.id = upload.job_id,
                upload = %upload.uuid,
                differs,
                "an artifact is not what its job declared; it is not stored"
            );
            self.discard(&stored.key).await;
            return self.fail(upload_id).await;
        }
        let key = stored.key.clone();
        // Parts are numbered, so there is no list that could be sent again and compared.
        let (digest, now) = (Sha256Digest::of(b"in order"), clock.now());
        let receiving = self.catalog.write(move |db| {
            writer.hold(db)?;
            let _quotas = quotas::lock(db, upload.project_id)?;
            let from = (upload_id, UploadState::Ordered);
            let outcome = uploads::receive(db, from, &pieces, &contents, digest)?;
            if let (ReceiveOutcome::Received(_), Some(received)) = (&outcome, uploads::find(db, upload.uuid)?)
            {
                uploads::complete(db, &received, now)?;
            }
            Ok::<_, Error>(outcome)
        });
        let received = receiving.await;
        if matches!(&received, Err(error) if error.kind() == ErrorKind::OverQuota) {
            self.discard(&key).await;
        }
        match received? {
            ReceiveOutcome::Received(keys) => {
                self.discard_all(keys);
                tracing::info!(job.id = upload.job_id, upload = %upload.uuid, "artifact stored");
            }
            ReceiveOutcome::Closed | ReceiveOutcome::Changed => self.discard(&key).await,
        }
        Ok(())
    }

    /// Whether the store has not all of these pieces.
    async fn is_one_lost(&self, pieces: &[Piece]) -> Result<bool> {
        for piece in pieces {
            let key = piece.store_key.parse().map_err(Error::internal)?;
            if self.store.size_of(&key).await?.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Gives up an upload, and deletes what arrived of it.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn fail(&self, upload_id: i64) -> Result<()> {
        let keys = self.catalog.write(move |db| uploads::fail(db, upload_id)).await?;
        self.discard_all(keys);
        Ok(())
    }

    /// Assembles ordered uploads of which no node has said for a while that it assembles them.
    ///
    /// # Errors
    /// Those of the catalog; the next pass tries again.
    pub async fn assemble_left(&self, clock: &Clock) -> Result<()> {
        loop {
            let now = clock.now();
            let before = Timestamp::from_millis(now.as_millis() - SILENCE_MILLIS);
            let claimed = self.catalog.write(move |db| uploads::claim_ordered(db, before, now)).await?;
            let Some(upload) = claimed else { return Ok(()) };
            self.assemble_or_leave(upload, clock).await;
        }
    }

    /// Assembles what is left every few seconds, for as long as it is polled.
    pub async fn assemble_forever(&self, clock: &Clock) {
        loop {
            if let Err(error) = self.assemble_left(clock).await {
                tracing::error!(causes = error.source_chain(), "left artifacts were not assembled");
            }
            tokio::time::sleep(RENEWAL).await;
        }
    }
}

/// What of some bytes is not as an upload was declared.
fn difference(upload: &PieceUpload, contents: &BlobInfo) -> Option<&'static str> {
    if upload.declared_bytes != i64::try_from(contents.size_bytes).ok() {
        return Some("file_size");
    }
    let differs = |declared: Option<&[u8]>, found: &[u8]| declared.is_some_and(|declared| declared != found);
    let sha1 = contents.sha1.unwrap_or_default();
    if differs(upload.declared_sha1.as_deref(), &sha1) {
        return Some("sha1sum");
    }
    let declared = upload.declared_sha256.as_ref().map(|digest| digest.as_bytes().as_slice());
    differs(declared, contents.sha256.as_bytes()).then_some("sha256sum")
}
