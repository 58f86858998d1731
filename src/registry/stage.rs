//! Staging: stores the bytes of a document's artifacts before the transaction that writes their rows.
//!
//! Bytes with the digest of the artifact's current row are not stored again.

use std::collections::HashMap;
use std::io::Read;

use sha2::{Digest, Sha256};

use super::document::ArtifactDocument;
use super::parse::{numbered, wrong};
use super::{Destination, FileSource, LoadError, Source};
use crate::catalog::artifacts::{self, BlobInfo};
use crate::domain::artifact::{ArtifactFormat, ArtifactName};
use crate::domain::{Error, Sha256Digest, Timestamp};
use crate::ingest::{Hashes, blob_info, scan_archive};
use crate::store::StoreKey;
use crate::writers::Writer;

/// A stored blob whose row does not exist yet.
#[derive(Debug)]
pub(super) struct StagedBlob {
    pub(super) key: StoreKey,
    pub(super) contents: BlobInfo,
}

/// The blobs of new artifacts by job ID and artifact name.
pub(super) type Staged = HashMap<(i64, ArtifactName), StagedBlob>;

/// The size of a read from a file, in bytes.
const PIECE_BYTES: usize = 256 * 1024;

/// Stores new bytes under keys of `writer` and calls `stored` for each artifact. On failure, deletes the
/// blobs stored so far.
pub(super) async fn stage(
    sources: &[Source],
    destination: Destination<'_>,
    writer: &Writer,
    now: Timestamp,
    stored: &(dyn Fn() + Sync),
) -> Result<Staged, LoadError> {
    let mut staged = Staged::new();
    for (source, place, job_id, artifact) in all_artifacts(sources) {
        match stage_one(source, &place, (job_id, artifact), destination, writer, now).await {
            Ok(found) => {
                staged.extend(found.map(|found| ((job_id, artifact.identity()), found)));
                stored();
            }
            Err(error) => {
                for blob in staged.into_values() {
                    destination.store.delete(&blob.key).await?;
                }
                return Err(error);
            }
        }
    }
    Ok(staged)
}

fn all_artifacts(sources: &[Source]) -> impl Iterator<Item = (&Source, String, i64, &ArtifactDocument)> {
    sources.iter().flat_map(|source| {
        numbered("projects", &source.document.projects)
            .flat_map(|(place, project)| numbered(&format!("{place}.pipelines"), &project.pipelines))
            .flat_map(|(place, pipeline)| numbered(&format!("{place}.jobs"), &pipeline.jobs))
            .flat_map(move |(place, job)| {
                numbered(&format!("{place}.artifacts"), &job.artifacts)
                    .map(move |(place, artifact)| (source, place, job.id, artifact))
            })
    })
}

async fn stage_one(
    source: &Source,
    place: &str,
    (job_id, artifact): (i64, &ArtifactDocument),
    destination: Destination<'_>,
    writer: &Writer,
    now: Timestamp,
) -> Result<Option<StagedBlob>, LoadError> {
    let Destination { catalog, store, archive_limits } = destination;
    let unreadable = |error: std::io::Error| {
        let why = format!("file: {} cannot be read: {error}", artifact.file);
        match wrong(source, place, why) {
            LoadError::Invalid(text) => LoadError::Unreadable(text),
            other => other,
        }
    };
    let name = artifact.identity();
    let existing = catalog.read(move |db| artifacts::find_current(db, job_id, &name, now)).await?;
    if let Some(existing) = existing {
        let (files, name) = (source.files.clone(), artifact.file.clone());
        let digest =
            tokio::task::spawn_blocking(move || digest(&files, &name)).await.map_err(Error::internal)?;
        if digest.map_err(unreadable)? == existing.sha256 {
            return Ok(None);
        }
    }
    let mut file = source.files.open(&artifact.file).map_err(unreadable)?;
    let mut upload = store.create(writer.key()).await?;
    let mut piece = vec![0; PIECE_BYTES];
    // A single file may be sent within an archive, which states its CRC-32.
    let mut hashes = artifact.path.is_some().then(Hashes::default);
    loop {
        let length = file.read(&mut piece).map_err(unreadable)?;
        if length == 0 {
            break;
        }
        if let Some(hashes) = &mut hashes {
            hashes.update(&piece[..length]);
        }
        upload.write(&piece[..length]).await?;
    }
    let stored = upload.commit().await?;
    let tail_bytes = match artifact.own_format() {
        ArtifactFormat::Zip => scan_archive(store, &stored, &archive_limits, job_id).await?,
        ArtifactFormat::Raw | ArtifactFormat::Gzip => None,
    };
    let contents = blob_info(&stored, tail_bytes, hashes);
    Ok(Some(StagedBlob { key: stored.key, contents }))
}

fn digest(files: &FileSource, name: &str) -> std::io::Result<Sha256Digest> {
    let mut hasher = Sha256::new();
    std::io::copy(&mut files.open(name)?, &mut HashWriter(&mut hasher))?;
    Ok(hasher.into())
}

struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
