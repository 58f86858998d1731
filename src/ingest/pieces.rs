//! Pieces of an upload: received in any order, in parallel and on any node, and assembled in the order of a list.
//!
//! A piece is stored as a blob of its own, in a directory without a digest: that of the whole is computed when the
//! list arrives. A single piece becomes the artifact's blob without a copy; several are copied into one, in order,
//! while SHA-256 and, of a single file, SHA-1 and CRC-32 are computed in one pass.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use super::hashes::{Hashes, blob_info};
use super::{ArtifactUpload, Ingest, Turn};
use crate::catalog::uploads::{
    self, AddOutcome, Piece, PieceDigest, PieceLimits, PieceUpload, ReceiveOutcome,
};
use crate::domain::artifact::{ArtifactFormat, UploadState};
use crate::domain::{Error, ErrorKind, Result, Sha256Digest, Uuid};
use crate::ingest::scan::lost;
use crate::metrics::UploadOutcome;
use crate::store::{StoreKey, StoredBlob, StoredPiece};
use crate::writers::Writer;

/// The outcome of [`Ingest::assemble`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssembleOutcome {
    /// The pieces are one blob.
    Received,
    /// The list names a piece that did not arrive.
    UnknownPiece,
    /// The list names a piece twice.
    RepeatedPiece,
    /// The upload takes no list any more, or was received in another order.
    Closed,
}

impl Ingest {
    /// Records a piece whose bytes were received, under the client's `name`.
    ///
    /// # Errors
    /// `OverQuota`, and the piece is not kept; those of store and catalog, and it has to be sent again then.
    pub async fn finish_piece(
        &self,
        received: ArtifactUpload,
        upload_id: i64,
        name: String,
        limits: PieceLimits,
    ) -> Result<AddOutcome> {
        let ArtifactUpload { upload, writer, mut measure, _turn, .. } = received;
        let StoredPiece { key, size, sha256 } = upload.commit_piece().await?;
        let size_bytes = i64::try_from(size).map_err(Error::internal)?;
        let sha256 = PieceDigest(sha256);
        let piece = Piece { name, store_key: key.to_string(), size_bytes, sha256 };
        let adding = self.catalog.write(move |db| {
            writer.hold(db)?;
            uploads::add_piece(db, upload_id, &piece, limits)
        });
        let outcome = match adding.await {
            Err(error) if error.kind() == ErrorKind::OverQuota => {
                measure.ends(UploadOutcome::Refused);
                self.discard(&key).await;
                return Err(error);
            }
            outcome => outcome?,
        };
        let is_added = matches!(outcome, AddOutcome::Added(_));
        measure.ends(if is_added { UploadOutcome::Stored } else { UploadOutcome::Refused });
        match &outcome {
            AddOutcome::Added(None) => {}
            AddOutcome::Added(Some(replaced)) => self.discard_all([replaced.clone()]),
            AddOutcome::Closed | AddOutcome::TooMany | AddOutcome::TooLarge => self.discard(&key).await,
        }
        Ok(outcome)
    }

    /// Makes the pieces that `list` names, in its order, the blob of an upload, during a turn of its job. A list
    /// that was carried out is accepted again. No piece may be named twice, so that a short list makes no blob
    /// that is larger than what arrived.
    ///
    /// # Errors
    /// Those of store and catalog; the list has to be sent again then.
    pub async fn assemble(&self, _turn: Turn, uuid: Uuid, list: &[String]) -> Result<AssembleOutcome> {
        let digest = list_digest(list);
        // As it is now: the same list may have been carried out while this one waited for its turn.
        let found = self.catalog.read(move |db| uploads::find(db, uuid)).await?;
        let upload = match open_or_outcome(found, digest) {
            Ok(open) => open,
            Err(outcome) => return Ok(outcome),
        };
        let mut named = HashSet::with_capacity(list.len());
        if !list.iter().all(|name| named.insert(name)) {
            return Ok(AssembleOutcome::RepeatedPiece);
        }
        let upload_id = upload.id;
        let arrived = self.catalog.read(move |db| uploads::pieces(db, upload_id)).await?;
        let Some(pieces) = list.iter().map(|name| arrived.get(name).cloned()).collect::<Option<Vec<_>>>()
        else {
            // Or the same list was carried out by another request since then, and the pieces are gone.
            return self.outcome_of_other(uuid, digest, AssembleOutcome::UnknownPiece).await;
        };
        // A single file may be sent within an archive, which states its CRC-32; clients compare its SHA-1.
        let hashes = (upload.format != ArtifactFormat::Zip).then(Hashes::default);
        let (writer, stored, hashes) = match &pieces[..] {
            [piece] => {
                let (stored, hashes) = self.hash(piece, hashes).await?;
                (None, stored, hashes)
            }
            _ => {
                let (writer, stored, hashes) = self.join(&pieces, hashes).await?;
                (Some(writer), stored, hashes)
            }
        };
        let tail_bytes = self.scan(&stored, upload.format, upload.job_id).await?;
        let contents = blob_info(&stored, tail_bytes, hashes);
        let copy = writer.is_some().then(|| stored.key.clone());
        let receiving = self.catalog.write(move |db| {
            if let Some(writer) = &writer {
                writer.hold(db)?;
            }
            uploads::receive(db, (upload_id, UploadState::Open), &pieces, &contents, digest)
        });
        let outcome = receiving.await?;
        if let ReceiveOutcome::Received(keys) = outcome {
            let blob = stored.key.to_string();
            self.discard_all(keys.into_iter().filter(|key| *key != blob));
            return Ok(AssembleOutcome::Received);
        }
        if let Some(copy) = copy {
            self.discard(&copy).await;
        }
        match outcome {
            ReceiveOutcome::Changed => Err(Error::unavailable("a piece was sent again meanwhile")),
            _ => self.outcome_of_other(uuid, digest, AssembleOutcome::Closed).await,
        }
    }

    /// Tells what became of an upload that another request may have received in the meantime: `otherwise` if it
    /// is still open.
    async fn outcome_of_other(
        &self,
        uuid: Uuid,
        list: Sha256Digest,
        otherwise: AssembleOutcome,
    ) -> Result<AssembleOutcome> {
        let found = self.catalog.read(move |db| uploads::find(db, uuid)).await?;
        Ok(open_or_outcome(found, list).map_or_else(|outcome| outcome, |_| otherwise))
    }

    /// Copies pieces into one blob, in order, and continues `hashes` with their bytes.
    pub(super) async fn join(
        &self,
        pieces: &[Piece],
        mut hashes: Option<Hashes>,
    ) -> Result<(Writer, StoredBlob, Option<Hashes>)> {
        let (writer, mut upload) = self.writers.begin(&self.store).await?;
        for piece in pieces {
            let (key, size) = place(piece)?;
            let blob = self.store.open_blob(&key, size).await.map_err(lost)?;
            hashes = upload.append_blob(&blob, hashes, update).await.map_err(lost)?;
        }
        Ok((writer, upload.commit().await?, hashes))
    }

    /// Describes a piece as a whole blob, and continues `hashes` with its bytes. It is read only for what is not
    /// known yet.
    async fn hash(&self, piece: &Piece, hashes: Option<Hashes>) -> Result<(StoredBlob, Option<Hashes>)> {
        let (key, size) = place(piece)?;
        self.hash_piece(StoredPiece { key, size, sha256: piece.sha256.0 }, hashes).await
    }

    /// Does the same for bytes that were stored just now.
    pub(super) async fn hash_piece(
        &self,
        piece: StoredPiece,
        hashes: Option<Hashes>,
    ) -> Result<(StoredBlob, Option<Hashes>)> {
        let StoredPiece { key, size, sha256 } = piece;
        if let (Some(sha256), None) = (sha256, &hashes) {
            return Ok((StoredBlob { key, size, sha256 }, None));
        }
        let blob = self.store.open_blob(&key, size).await.map_err(lost)?;
        let all = |(sha256, hashes): &mut (Sha256, Option<Hashes>), bytes: &[u8]| {
            sha256.update(bytes);
            update(hashes, bytes);
        };
        let (sha256, hashes) = blob.fold((Sha256::new(), hashes), all).await.map_err(|e| lost(e.into()))?;
        Ok((StoredBlob { key, size, sha256: sha256.into() }, hashes))
    }

    /// Deletes blobs that no row references any more, behind the answer: it does not depend on that.
    pub(super) fn discard_all(&self, keys: impl IntoIterator<Item = String>) {
        let keys: Vec<StoreKey> = keys.into_iter().filter_map(|key| key.parse().ok()).collect();
        let store = self.store.clone();
        tokio::spawn(async move {
            for error in store.delete_all(keys).await.into_iter().filter_map(Result::err) {
                tracing::warn!(
                    causes = error.source_chain(),
                    "a piece without a row is left in the store; gc will delete it"
                );
            }
        });
    }
}

/// Returns an upload that is open, or else the outcome of a list for it.
fn open_or_outcome(found: Option<PieceUpload>, list: Sha256Digest) -> Result<PieceUpload, AssembleOutcome> {
    let upload = found.ok_or(AssembleOutcome::Closed)?;
    match upload.state {
        UploadState::Open => Ok(upload),
        UploadState::Received if upload.list_sha256 == Some(list) => Err(AssembleOutcome::Received),
        UploadState::Received
        | UploadState::Ordered
        | UploadState::Completed
        | UploadState::Failed
        | UploadState::Abandoned => Err(AssembleOutcome::Closed),
    }
}

/// Continues hashes, if there are any.
fn update(hashes: &mut Option<Hashes>, bytes: &[u8]) {
    if let Some(hashes) = hashes {
        hashes.update(bytes);
    }
}

/// Returns where a piece is, and its size in bytes.
fn place(piece: &Piece) -> Result<(StoreKey, u64)> {
    let key = piece.store_key.parse().map_err(Error::internal)?;
    Ok((key, u64::try_from(piece.size_bytes).map_err(Error::internal)?))
}

/// The digest of a list: two lists are the same if it is.
fn list_digest(list: &[String]) -> Sha256Digest {
    Sha256Digest::of(list.join("\n").as_bytes())
}
