//! Contents: the artifacts of jobs as dialects list them that show files, and the digests of these files.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::Binary;

use super::{Artifact, BlobInfo, shown_names};
use crate::catalog::db::MultiBackend;
use crate::catalog::schema::{artifacts, entry_digests};
use crate::catalog::values::{Finished, new_uuid};
use crate::catalog::{Db, gc_marks, tombstones};
use crate::domain::artifact::{ArtifactKind, ArtifactState};
use crate::domain::{Error, Result, Sha256Digest, Timestamp, Uuid};

/// How long a blob is kept after another took its place, in milliseconds: readers may be in the middle of it, or have a
/// URL of the store, which is valid for ten minutes.
pub(in crate::catalog) const REPLACED_MILLIS: i64 = 15 * 60 * 1000;

/// How many jobs a statement asks for.
const JOBS_AT_A_TIME: usize = 10_000;

/// Of how many files a statement keeps the digests.
const FILES_AT_A_TIME: usize = 1_000;

/// SHA-1 and SHA-256 of a file.
pub type FileDigests = ([u8; 20], Sha256Digest);

#[derive(QueryableByName)]
struct DigestRow {
    #[diesel(sql_type = Binary)]
    uuid: Uuid,
    #[diesel(sql_type = Binary)]
    sha1: Vec<u8>,
    #[diesel(sql_type = Binary)]
    sha256: Sha256Digest,
}

/// Lists the artifacts of some jobs in these states, without logs and listings, oldest first.
///
/// # Errors
/// Those of the database.
pub fn of_jobs_in(db: &mut Db, job_ids: &[i64], states: &[ArtifactState]) -> Result<Vec<Artifact>> {
    let unlisted = [ArtifactKind::Metadata.as_str(), ArtifactKind::Trace.as_str()];
    let mut found = Vec::new();
    // A statement of SQLite has at most 32,766 parameters.
    for some in job_ids.chunks(JOBS_AT_A_TIME) {
        found.extend(
            artifacts::table
                .filter(artifacts::job_id.eq_any(some))
                .filter(artifacts::state.eq_any(states.iter().map(|state| state.as_str())))
                .filter(artifacts::kind.ne_all(unlisted))
                .select(Artifact::as_select())
                .load::<Artifact>(db)?,
        );
    }
    found.sort_unstable_by_key(|artifact| artifact.id);
    Ok(found)
}

/// Returns the digests of files by their UUIDs, as far as they are known: those of artifacts that are files, and
/// those of files within archives.
///
/// # Errors
/// Those of the database.
pub fn digests(db: &mut Db, uuids: &[Uuid]) -> Result<HashMap<Uuid, FileDigests>> {
    let bytes: Vec<Vec<u8>> = uuids.iter().map(|uuid| uuid.as_bytes().to_vec()).collect();
    type Row = (Uuid, Vec<u8>, Sha256Digest);
    let mut rows: Vec<Row> = Vec::with_capacity(uuids.len());
    for some in bytes.chunks(FILES_AT_A_TIME) {
        // Planned anew each time: a plan that PostgreSQL keeps of a time when there were few digests reads them all.
        let list: Vec<String> = (1..=some.len()).map(|number| format!("${number}")).collect();
        let text =
            format!("SELECT uuid, sha1, sha256 FROM entry_digests WHERE uuid IN ({})", list.join(", "));
        let mut asking = diesel::sql_query(text).into_boxed::<MultiBackend>();
        for uuid in some {
            asking = asking.bind::<Binary, _>(uuid.clone());
        }
        let found: Vec<DigestRow> = asking.load(db)?;
        rows.extend(found.into_iter().map(|row| (row.uuid, row.sha1, row.sha256)));
    }
    let whole: Vec<(Uuid, Option<Vec<u8>>, Sha256Digest)> = artifacts::table
        .filter(artifacts::uuid.eq_any(&bytes))
        .filter(artifacts::sha1.is_not_null())
        .select((artifacts::uuid, artifacts::sha1, artifacts::sha256))
        .load(db)?;
    rows.extend(whole.into_iter().filter_map(|(uuid, sha1, sha256)| Some((uuid, sha1?, sha256))));
    let digests = |(uuid, sha1, sha256): Row| Some((uuid, (sha1.try_into().ok()?, sha256)));
    Ok(rows.into_iter().filter_map(digests).collect())
}

/// Keeps the digests of files of an artifact, unless the artifact is gone. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn keep_digests(db: &mut Db, artifact_id: i64, computed: &[(Uuid, FileDigests)]) -> Result<()> {
    let there = artifacts::table.find(artifact_id);
    if diesel::update(there).set(artifacts::state.eq(artifacts::state)).execute(db)? == 0 {
        return Ok(());
    }
    // No statement may meet a row twice.
    let distinct: HashMap<&Uuid, &FileDigests> =
        computed.iter().map(|(uuid, digests)| (uuid, digests)).collect();
    let distinct: Vec<(&Uuid, &FileDigests)> = distinct.into_iter().collect();
    for some in distinct.chunks(FILES_AT_A_TIME) {
        // Many rows in a statement, because PostgreSQL takes a while for each.
        let rows: Vec<String> = (0..some.len())
            .map(|row| format!("(${}, {artifact_id}, ${}, ${})", 3 * row + 1, 3 * row + 2, 3 * row + 3))
            .collect();
        let text = format!(
            "INSERT INTO entry_digests (uuid, artifact_id, sha1, sha256) VALUES {} ON CONFLICT (uuid) DO UPDATE \
             SET artifact_id = excluded.artifact_id, sha1 = excluded.sha1, sha256 = excluded.sha256",
            rows.join(", ")
        );
        let mut inserting = diesel::sql_query(text).into_boxed::<MultiBackend>();
        for (uuid, (sha1, sha256)) in some {
            inserting = inserting
                .bind::<Binary, _>(uuid.as_bytes().to_vec())
                .bind::<Binary, _>(sha1.to_vec())
                .bind::<Binary, _>(sha256.as_bytes().to_vec());
        }
        inserting.execute(db)?;
    }
    Ok(())
}

/// Puts another blob in the place of a finished artifact's, if that is still the one of `before`.
///
/// The former blob becomes a tombstone, whose bytes stay for a while. `now` is the time that all nodes agree on.
/// Returns whether it did. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// `Unavailable` when `gc` has taken the new bytes; those of the database.
pub fn swap_blob(db: &mut Db, before: &Artifact, contents: &BlobInfo, now: Timestamp) -> Result<bool> {
    gc_marks::guard_insert(db, &contents.store_key)?;
    let current = artifacts::table
        .find(before.id)
        .filter(artifacts::state.eq(Finished))
        .filter(artifacts::store_key.eq(&before.store_key));
    let swapped = diesel::update(current).set((
        artifacts::size_bytes.eq(i64::try_from(contents.size_bytes).map_err(Error::internal)?),
        artifacts::sha256.eq(contents.sha256.as_bytes().as_slice()),
        artifacts::store_key.eq(&contents.store_key),
        artifacts::tail_bytes.eq(contents.tail_bytes.and_then(|bytes| i64::try_from(bytes).ok())),
        artifacts::sha1.eq(contents.sha1.map(|sha1| sha1.to_vec())),
        artifacts::crc32.eq(contents.crc32.map(i64::from)),
        artifacts::updated_at.eq(now.as_millis()),
    ));
    let project_id: Option<i64> = swapped.returning(artifacts::project_id).get_result(db).optional()?;
    let Some(project_id) = project_id else { return Ok(false) };
    diesel::insert_into(artifacts::table)
        .values((
            artifacts::uuid.eq(new_uuid()),
            artifacts::project_id.eq(project_id),
            artifacts::job_id.eq(before.job_id),
            artifacts::name.eq(before.name.as_str()),
            artifacts::kind.eq(before.kind.as_str()),
            artifacts::format.eq(before.format.as_str()),
            artifacts::filename.eq(&before.filename),
            artifacts::accessibility.eq(before.accessibility.as_str()),
            artifacts::state.eq(ArtifactState::Deleted.as_str()),
            artifacts::size_bytes.eq(before.size_bytes),
            artifacts::sha256.eq(before.sha256.as_bytes().as_slice()),
            artifacts::store_key.eq(&before.store_key),
            artifacts::created_at.eq(before.created_at.as_millis()),
            artifacts::updated_at.eq(now.as_millis()),
            // Nodes of the release before know only this one.
            artifacts::remove_after.eq(Some(now.as_millis() + REPLACED_MILLIS)),
            artifacts::shown_name.eq(shown_names::UNLISTED),
            artifacts::bytes_kept_until.eq(Some(now.as_millis() + REPLACED_MILLIS)),
        ))
        .execute(db)?;
    Ok(true)
}

/// Deletes a finished artifact, if its blob is still the one of `before`, and returns whether it did. Needs
/// [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn delete_blob(db: &mut Db, before: &Artifact, now: Timestamp) -> Result<bool> {
    let current = artifacts::table
        .find(before.id)
        .filter(artifacts::state.eq(Finished))
        .filter(artifacts::store_key.eq(&before.store_key));
    // A row that is locked so cannot get another blob until the transaction ends.
    let locked = diesel::update(current).set(artifacts::state.eq(artifacts::state)).execute(db)?;
    if locked > 0 {
        tombstones::delete(db, before.id, now)?;
    }
    Ok(locked > 0)
}

/// Forgets the digests of a file that an archive has no more.
///
/// # Errors
/// Those of the database.
pub fn forget_digests(db: &mut Db, uuid: Uuid) -> Result<()> {
    diesel::delete(entry_digests::table.find(uuid.as_bytes().as_slice())).execute(db)?;
    Ok(())
}
