//! Pieces of uploads: recorded as they arrive, until a list orders them into one blob.

use std::collections::HashMap;

use diesel::prelude::*;

use super::take;
use crate::catalog::artifacts::BlobInfo;
use crate::catalog::db::MultiBackend;
use crate::catalog::schema::{upload_pieces, uploads};
use crate::catalog::{Db, gc_marks, quotas};
use crate::domain::artifact::UploadState;
use crate::domain::{Error, Result, Sha256Digest};

/// A piece that arrived.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = upload_pieces, check_for_backend(MultiBackend))]
pub struct Piece {
    /// The client's name for it.
    pub name: String,
    /// The key of its blob.
    pub store_key: String,
    /// Its size in bytes.
    pub size_bytes: i64,
    /// Its digest, if it was computed.
    pub sha256: PieceDigest,
}

/// The digest of a piece; if it was not computed, the column holds no bytes, because it is never null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PieceDigest(pub Option<Sha256Digest>);

impl PieceDigest {
    fn as_bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |digest| digest.as_bytes().as_slice())
    }
}

/// The most that an upload may hold.
#[derive(Debug, Clone, Copy)]
pub struct PieceLimits {
    /// Most pieces.
    pub pieces: i64,
    /// Most bytes in all pieces; `None` for no limit.
    pub bytes: Option<u64>,
}

/// The outcome of [`add_piece`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddOutcome {
    /// The piece is recorded; the blob of the piece that it replaces, if any, is referenced no more.
    Added(Option<String>),
    /// The upload takes no pieces any more.
    Closed,
    /// The upload has as many pieces as it may have.
    TooMany,
    /// The upload would be larger than allowed.
    TooLarge,
}

/// The outcome of [`receive`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiveOutcome {
    /// The upload is one blob; the keys of its pieces are referenced no more.
    Received(Vec<String>),
    /// It is not open any more.
    Closed,
    /// A piece that the blob was made of was replaced meanwhile; nothing was changed.
    Changed,
}

/// Records a piece, whose bytes are in the store; one of the same name replaces the earlier one. Needs
/// [`crate::catalog::Catalog::write`].
///
/// # Errors
/// `OverQuota` when it does not fit into what the project may store, unless a declared size was promised; `Unavailable`
/// when `gc` has taken the bytes; those of the database.
pub fn add_piece(db: &mut Db, upload_id: i64, piece: &Piece, limits: PieceLimits) -> Result<AddOutcome> {
    let of_upload = uploads::table.find(upload_id).select((uploads::project_id, uploads::declared_bytes));
    let found: Option<(i64, Option<i64>)> = of_upload.get_result(db).optional()?;
    let Some((project_id, declared_bytes)) = found else { return Ok(AddOutcome::Closed) };
    let quotas = match declared_bytes {
        None => Some(quotas::lock(db, project_id)?),
        // It was promised.
        Some(_) => None,
    };
    gc_marks::guard_insert(db, &piece.store_key)?;
    // Pieces may arrive at the same time.
    let Some((pieces, received)) = take(db, upload_id, UploadState::Open)? else {
        return Ok(AddOutcome::Closed);
    };
    let before: Option<Piece> = upload_pieces::table
        .find((upload_id, &piece.name))
        .select(Piece::as_select())
        .get_result(db)
        .optional()?;
    let pieces = pieces + i64::from(before.is_none());
    let received = received - before.as_ref().map_or(0, |piece| piece.size_bytes) + piece.size_bytes;
    if pieces > limits.pieces {
        return Ok(AddOutcome::TooMany);
    }
    if limits.bytes.is_some_and(|limit| u64::try_from(received).is_ok_and(|bytes| bytes > limit)) {
        return Ok(AddOutcome::TooLarge);
    }
    diesel::delete(upload_pieces::table.find((upload_id, &piece.name))).execute(db)?;
    diesel::insert_into(upload_pieces::table)
        .values((
            upload_pieces::upload_id.eq(upload_id),
            upload_pieces::name.eq(&piece.name),
            upload_pieces::store_key.eq(&piece.store_key),
            upload_pieces::size_bytes.eq(piece.size_bytes),
            upload_pieces::sha256.eq(piece.sha256.as_bytes()),
        ))
        .execute(db)?;
    diesel::update(uploads::table.find(upload_id))
        .set((uploads::pieces.eq(pieces), uploads::received.eq(received)))
        .execute(db)?;
    if let Some(quotas) = quotas {
        quotas.require_within(db, piece.size_bytes)?;
    }
    Ok(AddOutcome::Added(before.map(|piece| piece.store_key)))
}

/// Returns the pieces of an upload by their names.
///
/// # Errors
/// Those of the database.
pub fn pieces(db: &mut Db, upload_id: i64) -> Result<HashMap<String, Piece>> {
    let rows: Vec<Piece> = upload_pieces::table
        .filter(upload_pieces::upload_id.eq(upload_id))
        .select(Piece::as_select())
        .load(db)?;
    Ok(rows.into_iter().map(|piece| (piece.name.clone(), piece)).collect())
}

/// Records that an upload in the state `from` is one blob now, which was made of `made_of`. Needs
/// [`crate::catalog::Catalog::write`].
///
/// # Errors
/// `Unavailable` when `gc` has taken the bytes; those of the database.
pub fn receive(
    db: &mut Db,
    (upload_id, from): (i64, UploadState),
    made_of: &[Piece],
    contents: &BlobInfo,
    list: Sha256Digest,
) -> Result<ReceiveOutcome> {
    gc_marks::guard_insert(db, &contents.store_key)?;
    // Pieces may arrive at the same time.
    if take(db, upload_id, from)?.is_none() {
        return Ok(ReceiveOutcome::Closed);
    }
    // The blob of a piece that was sent again is deleted, and may be the one that the artifact would have.
    let arrived = pieces(db, upload_id)?;
    let is_there = |piece: &Piece| arrived.get(&piece.name).is_some_and(|it| it.store_key == piece.store_key);
    if !made_of.iter().all(is_there) {
        return Ok(ReceiveOutcome::Changed);
    }
    set_blob(db, upload_id, contents)?;
    let ordered = uploads::list_sha256.eq(Some(list.as_bytes().to_vec()));
    diesel::update(uploads::table.find(upload_id)).set(ordered).execute(db)?;
    diesel::delete(upload_pieces::table.filter(upload_pieces::upload_id.eq(upload_id))).execute(db)?;
    Ok(ReceiveOutcome::Received(arrived.into_values().map(|piece| piece.store_key).collect()))
}

/// Returns how many bytes arrived of an upload, if it is still one, and how many of these are the piece `name`, which would
/// be replaced.
///
/// # Errors
/// Those of the database.
pub fn received(db: &mut Db, upload_id: i64, name: &str) -> Result<(u64, u64)> {
    let upload = uploads::table.find(upload_id).select(uploads::received);
    let piece = upload_pieces::table.find((upload_id, name)).select(upload_pieces::size_bytes);
    let received: Option<i64> = upload.get_result(db).optional()?;
    let replaced: Option<i64> = piece.get_result(db).optional()?;
    let bytes = |number: Option<i64>| number.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
    Ok((bytes(received), bytes(replaced)))
}

/// Sets the blob of an upload, which is received then.
pub(super) fn set_blob(db: &mut Db, upload_id: i64, contents: &BlobInfo) -> Result<()> {
    diesel::update(uploads::table.find(upload_id))
        .set((
            uploads::state.eq(UploadState::Received.as_str()),
            uploads::size_bytes.eq(Some(i64::try_from(contents.size_bytes).map_err(Error::internal)?)),
            uploads::sha256.eq(Some(contents.sha256.as_bytes().to_vec())),
            uploads::sha1.eq(contents.sha1.map(Vec::from)),
            uploads::crc32.eq(contents.crc32.map(i64::from)),
            uploads::tail_bytes.eq(contents.tail_bytes.and_then(|bytes| i64::try_from(bytes).ok())),
            uploads::store_key.eq(Some(&contents.store_key)),
        ))
        .execute(db)?;
    Ok(())
}
