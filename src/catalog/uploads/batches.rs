//! Batches: uploads that a client declares together, each with its size and digests, before it sends them.
//!
//! The client may ask for the same batch again, and gets the same uploads.

use diesel::prelude::*;

use super::pieces::set_blob;
use super::{PieceUpload, insert, take};
use crate::catalog::artifacts::{BlobInfo, NewArtifact};
use crate::catalog::db::MultiBackend;
use crate::catalog::schema::{artifacts, upload_pieces, uploads};
use crate::catalog::values::Finished;
use crate::catalog::{Db, gc_marks, pipelines, quotas};
use crate::domain::artifact::{ArtifactName, UploadState};
use crate::domain::{Error, Result, Sha256Digest, Timestamp, Uuid};

/// What a client says about the bytes of an upload.
#[derive(Debug, Clone)]
pub struct Declared {
    /// Number of pieces that it is asked for.
    pub parts: i64,
    /// Size in bytes.
    pub size_bytes: i64,
    /// SHA-1, if it says one.
    pub sha1: Option<[u8; 20]>,
    /// SHA-256, if it says one.
    pub sha256: Option<Sha256Digest>,
}

impl Declared {
    /// Whether an upload was declared so.
    fn is_of(&self, upload: &PieceUpload) -> bool {
        upload.declared_bytes == Some(self.size_bytes)
            && upload.declared_sha1.as_deref() == self.sha1.as_ref().map(<[u8; 20]>::as_slice)
            && upload.declared_sha256 == self.sha256
    }
}

/// The outcome of [`create_batch`].
#[derive(Debug, Clone)]
pub enum BatchOutcome {
    /// The uploads, in the order of the batch; created now or before.
    Uploads(Vec<PieceUpload>),
    /// The job declared other files under this ID before.
    Differs,
    /// The job would have more artifacts than it may have.
    TooMany,
}

/// Creates the uploads of a batch, or finds them if it was created before. The job then has at most `limit` files,
/// complete or not. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// `OverQuota` when the files together do not fit into what their project may store; those of the database.
pub fn create_batch(
    db: &mut Db,
    (job_id, pipeline_id): (i64, i64),
    batch: &str,
    files: &[(String, NewArtifact, Declared)],
    limit: i64,
    now: Timestamp,
) -> Result<BatchOutcome> {
    let quotas = match files.first() {
        Some((_, first, _)) => Some(quotas::lock(db, first.project_id)?),
        None => None,
    };
    // The same batch may be asked for on two nodes at once.
    pipelines::lock(db, pipeline_id)?;
    let before = of_batch(db, job_id, batch)?;
    if !before.is_empty() {
        let is_same = before.len() == files.len()
            && before.iter().zip(files).all(|(upload, (path, _, declared))| {
                upload.name.file_path() == Some(path) && declared.is_of(upload)
            });
        return Ok(if is_same { BatchOutcome::Uploads(before) } else { BatchOutcome::Differs });
    }
    if count(db, job_id)? + i64::try_from(files.len()).map_err(Error::internal)? > limit {
        return Ok(BatchOutcome::TooMany);
    }
    let mut created = Vec::with_capacity(files.len());
    for (index, (path, new, declared)) in (0_i64..).zip(files) {
        let uuid = Uuid::for_row();
        let new = NewArtifact { name: ArtifactName::of_file_again(path, uuid), ..new.clone() };
        let upload = insert(db, uuid, &new, pipeline_id, now)?;
        let described = diesel::update(uploads::table.find(upload.id)).set((
            uploads::batch.eq(batch),
            uploads::batch_index.eq(index),
            uploads::parts.eq(declared.parts),
            uploads::declared_bytes.eq(declared.size_bytes),
            uploads::declared_sha1.eq(declared.sha1.map(Vec::from)),
            uploads::declared_sha256.eq(declared.sha256.map(|digest| digest.as_bytes().to_vec())),
        ));
        let selection = <PieceUpload as Selectable<MultiBackend>>::construct_selection();
        created.push(described.returning(selection).get_result(db)?);
    }
    if let Some(quotas) = quotas {
        let declared_bytes =
            files.iter().map(|(.., declared)| declared.size_bytes).fold(0, i64::saturating_add);
        quotas.require_within(db, declared_bytes)?;
    }
    Ok(BatchOutcome::Uploads(created))
}

/// Lists the uploads of a batch of a job in their order, whatever their states.
///
/// # Errors
/// Those of the database.
pub fn of_batch(db: &mut Db, job_id: i64, batch: &str) -> Result<Vec<PieceUpload>> {
    Ok(uploads::table
        .filter(uploads::job_id.eq(job_id))
        .filter(uploads::batch.eq(batch))
        .order(uploads::batch_index.asc())
        .select(PieceUpload::as_select())
        .load(db)?)
}

/// Counts the artifacts of a job, and the uploads that may become some or failed: their rows stay.
fn count(db: &mut Db, job_id: i64) -> Result<i64> {
    let finished: i64 = artifacts::table
        .filter(artifacts::job_id.eq(job_id))
        .filter(artifacts::state.eq(Finished))
        .count()
        .get_result(db)?;
    let under_way: i64 = uploads::table
        .filter(uploads::job_id.eq(job_id))
        .filter(uploads::state.ne(UploadState::Completed.as_str()))
        .count()
        .get_result(db)?;
    Ok(finished + under_way)
}

/// Records that an open upload was received in one request; `false` if it is not open any more. Needs
/// [`crate::catalog::Catalog::write`].
///
/// # Errors
/// `Unavailable` when `gc` has taken the bytes; those of the database.
pub fn receive_whole(db: &mut Db, upload_id: i64, contents: &BlobInfo) -> Result<bool> {
    gc_marks::guard_insert(db, &contents.store_key)?;
    if take(db, upload_id, UploadState::Open)?.is_none() {
        return Ok(false);
    }
    set_blob(db, upload_id, contents)?;
    Ok(true)
}

/// Records that the client of an open upload has sent all its pieces; `false` if some are missing, or together are
/// of another size than declared.
///
/// # Errors
/// Those of the database.
pub fn order(db: &mut Db, upload: &PieceUpload, now: Timestamp) -> Result<bool> {
    let Some((pieces, received)) = take(db, upload.id, UploadState::Open)? else { return Ok(false) };
    if Some(pieces) != upload.parts || Some(received) != upload.declared_bytes {
        return Ok(false);
    }
    let ordered = (uploads::state.eq(UploadState::Ordered.as_str()), uploads::ordered_at.eq(now.as_millis()));
    diesel::update(uploads::table.find(upload.id)).set(ordered).execute(db)?;
    Ok(true)
}

/// Takes over the assembly of an ordered upload of which no node has said since `before` that it assembles it.
///
/// # Errors
/// Those of the database.
pub fn claim_ordered(db: &mut Db, before: Timestamp, now: Timestamp) -> Result<Option<PieceUpload>> {
    let left = || {
        uploads::table
            .filter(uploads::state.eq(UploadState::Ordered.as_str()))
            .filter(uploads::ordered_at.lt(before.as_millis()))
    };
    let oldest: Option<i64> =
        left().order(uploads::ordered_at.asc()).select(uploads::id).first(db).optional()?;
    let Some(id) = oldest else { return Ok(None) };
    let taken = diesel::update(left().filter(uploads::id.eq(id)))
        .set(uploads::ordered_at.eq(now.as_millis()))
        .returning(<PieceUpload as Selectable<MultiBackend>>::construct_selection());
    Ok(taken.get_result(db).optional()?)
}

/// Whether some of these uploads are ordered.
///
/// # Errors
/// Those of the database.
pub fn are_ordered(db: &mut Db, uuids: &[Uuid]) -> Result<bool> {
    for some in uuids.chunks(1000) {
        let uuids: Vec<Vec<u8>> = some.iter().map(|uuid| uuid.as_bytes().to_vec()).collect();
        let ordered = uploads::table
            .filter(uploads::uuid.eq_any(uuids))
            .filter(uploads::state.eq(UploadState::Ordered.as_str()));
        if diesel::select(diesel::dsl::exists(ordered)).get_result(db)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Records that a node still assembles an ordered upload.
///
/// # Errors
/// Those of the database.
pub fn renew_ordered(db: &mut Db, upload_id: i64, now: Timestamp) -> Result<()> {
    let ordered = uploads::table.find(upload_id).filter(uploads::state.eq(UploadState::Ordered.as_str()));
    diesel::update(ordered).set(uploads::ordered_at.eq(now.as_millis())).execute(db)?;
    Ok(())
}

/// Gives up an upload that may still have become an artifact, and returns the keys of its blobs, which nothing
/// references any more.
///
/// # Errors
/// Those of the database.
pub fn fail(db: &mut Db, upload_id: i64) -> Result<Vec<String>> {
    let alive = || {
        uploads::table.find(upload_id).filter(uploads::state.eq_any(UploadState::words(&UploadState::ALIVE)))
    };
    let whole: Option<Option<String>> = alive().select(uploads::store_key).get_result(db).optional()?;
    let failed = diesel::update(alive()).set(uploads::state.eq(UploadState::Failed.as_str())).execute(db)?;
    if failed == 0 {
        return Ok(Vec::new());
    }
    let of_upload = || upload_pieces::table.filter(upload_pieces::upload_id.eq(upload_id));
    let mut keys: Vec<String> = of_upload().select(upload_pieces::store_key).load(db)?;
    diesel::delete(of_upload()).execute(db)?;
    diesel::update(uploads::table.find(upload_id)).set(uploads::store_key.eq(None::<String>)).execute(db)?;
    keys.extend(whole.flatten());
    Ok(keys)
}
