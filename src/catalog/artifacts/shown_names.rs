//! Shown names: the names under which dialects that know no kinds list artifacts, and the column by which lists find
//! them.
//!
//! Whoever inserts an artifact or renames a job sets the column. A node of the release before leaves it NULL: lists
//! apply the rule to such rows, and [`fill_shown_names`] fills them.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use crate::catalog::Db;
use crate::catalog::schema::artifacts;
use crate::domain::artifact::{ArtifactName, ArtifactState, is_not_in_names};
use crate::domain::{Result, Sha256Digest};

/// What the column holds of an artifact that no list shows.
pub(super) const UNLISTED: &str = "";

/// Longest name that the column holds as it is, in bytes: PostgreSQL's index takes about 2,700 for a row.
const MAX_BYTES: usize = 255;

/// Returns the name under which an artifact of a job is listed: each character that a name cannot hold is a hyphen.
pub fn shown_name(name: &ArtifactName, job_id: i64, job_name: &str) -> String {
    if let Some(named) = name.named_archive() {
        return named.to_owned();
    }
    let raw = name.file_path().unwrap_or(job_name);
    let shown: String = raw.chars().map(|c| if is_not_in_names(c) { '-' } else { c }).collect();
    if matches!(shown.as_str(), "" | "." | "..") { format!("job-{job_id}") } else { shown }
}

/// Returns what the column holds for a shown name: the name, or the digest of a long one.
///
/// No name is equal to the digest of another, because names hold no slash.
pub(super) fn key(shown: &str) -> String {
    if shown.len() <= MAX_BYTES {
        shown.to_owned()
    } else {
        format!("sha256/{}", Sha256Digest::of(shown.as_bytes()))
    }
}

/// Whether lists show artifacts of a name.
fn is_listed(name: &ArtifactName) -> bool {
    *name == ArtifactName::ARCHIVE || name.named_archive().is_some() || name.file_path().is_some()
}

fn column(name: &ArtifactName, job_id: i64, job_name: &str) -> String {
    if is_listed(name) { key(&shown_name(name, job_id, job_name)) } else { UNLISTED.to_owned() }
}

/// Returns what the column holds of an artifact that is about to be inserted. Its job is not renamed until this
/// transaction ends.
pub(super) fn of_new(db: &mut Db, job_id: i64, name: &ArtifactName) -> QueryResult<String> {
    let job_name = if *name == ArtifactName::ARCHIVE { name_held(db, job_id)? } else { None };
    Ok(column(name, job_id, &job_name.unwrap_or_default()))
}

#[derive(QueryableByName)]
struct JobName {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Reads the name of a job, and takes the lock that the insert of its artifact takes anyway: it keeps off a rename,
/// and no other change of the job.
fn name_held(db: &mut Db, job_id: i64) -> QueryResult<Option<String>> {
    let lock = if matches!(db, Db::Postgres(_)) { "FOR KEY SHARE" } else { "" };
    let read = diesel::sql_query(format!("SELECT name FROM jobs WHERE id = $1 {lock}"));
    Ok(read.bind::<BigInt, _>(job_id).get_result::<JobName>(db).optional()?.map(|job| job.name))
}

/// Waits for those who insert artifacts of a job and keeps others from it until this transaction ends, in which the
/// job gets another name.
///
/// # Errors
/// Those of the database.
pub(in crate::catalog) fn keep_from_showing(db: &mut Db, job_id: i64) -> Result<()> {
    if matches!(db, Db::Postgres(_)) {
        let lock = diesel::sql_query("SELECT name FROM jobs WHERE id = $1 FOR UPDATE");
        lock.bind::<BigInt, _>(job_id).execute(db)?;
    }
    Ok(())
}

/// Shows the archive of a job under its new name.
///
/// # Errors
/// Those of the database.
pub(in crate::catalog) fn job_was_renamed(db: &mut Db, job_id: i64, job_name: &str) -> Result<()> {
    let archive = ArtifactName::ARCHIVE;
    let its = artifacts::table
        .filter(artifacts::job_id.eq(job_id))
        .filter(artifacts::name.eq(archive.as_str()))
        .filter(artifacts::state.ne(ArtifactState::Deleted.as_str()));
    diesel::update(its).set(artifacts::shown_name.eq(column(&archive, job_id, job_name))).execute(db)?;
    Ok(())
}

/// An artifact whose column is NULL.
#[derive(QueryableByName)]
pub(super) struct Unfilled {
    #[diesel(sql_type = BigInt)]
    pub(super) id: i64,
    #[diesel(sql_type = BigInt)]
    job_id: i64,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    job_name: String,
}

/// The columns of [`Unfilled`].
pub(super) const UNFILLED: &str = "artifacts.id, artifacts.job_id, artifacts.name, jobs.name AS job_name";

impl Unfilled {
    /// What belongs into the column.
    pub(super) fn column(&self) -> String {
        let name = self.name.parse().unwrap_or_else(|never| match never {});
        column(&name, self.job_id, &self.job_name)
    }
}

/// Whether the column of any artifact is NULL.
///
/// # Errors
/// Those of the database.
pub fn lacks_shown_names(db: &mut Db) -> QueryResult<bool> {
    let missing = artifacts::table.filter(artifacts::shown_name.is_null()).select(artifacts::id);
    Ok(missing.first::<i64>(db).optional()?.is_some())
}

/// Fills the column of at most `limit` artifacts with IDs after `after`, and returns where to go on, if there may be
/// more. One that another transaction holds is left for a later pass.
///
/// # Errors
/// Those of the database.
pub fn fill_shown_names(db: &mut Db, after: i64, limit: i64) -> Result<Option<i64>> {
    let lock = if matches!(db, Db::Postgres(_)) { "FOR UPDATE OF artifacts SKIP LOCKED" } else { "" };
    let some = diesel::sql_query(format!(
        "SELECT {UNFILLED} FROM artifacts JOIN jobs ON jobs.id = artifacts.job_id \
         WHERE artifacts.shown_name IS NULL AND artifacts.id > $1 ORDER BY artifacts.id LIMIT $2 {lock}"
    ));
    let some: Vec<Unfilled> = some.bind::<BigInt, _>(after).bind::<BigInt, _>(limit).load(db)?;
    let next = some.last().map(|last| last.id).filter(|_| some.len() as i64 == limit);
    let mut by_name: HashMap<String, Vec<i64>> = HashMap::new();
    for unfilled in some {
        by_name.entry(unfilled.column()).or_default().push(unfilled.id);
    }
    for (shown, ids) in by_name {
        // One whose job was renamed meanwhile is filled already.
        let unfilled =
            artifacts::table.filter(artifacts::id.eq_any(ids)).filter(artifacts::shown_name.is_null());
        diesel::update(unfilled).set(artifacts::shown_name.eq(shown)).execute(db)?;
    }
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_holds_nothing_that_a_directory_could_be_made_of() {
        let of_job = |name: &str| shown_name(&ArtifactName::ARCHIVE, 7, name);
        assert_eq!(of_job("test: [linux, 1.2]"), "test- [linux, 1.2]");
        assert_eq!(of_job("build/linux"), "build-linux");
        assert_eq!(of_job(".."), "job-7");
        assert_eq!(shown_name(&ArtifactName::of_named_archive("bin: x"), 7, "job"), "bin: x");
        assert_eq!(shown_name(&ArtifactName::of_file("dir/a.txt"), 7, "job"), "dir-a.txt");
    }

    #[test]
    fn what_may_be_no_name_of_an_archive_is_a_hyphen_and_nothing_else_is() {
        for c in (char::MIN..=char::MAX).take(0x3000) {
            let shown = shown_name(&ArtifactName::ARCHIVE, 7, &format!("a{c}b"));
            let is_refused = crate::domain::artifact::check_archive_name(&format!("a{c}b")).is_err();
            assert_eq!(shown == "a-b", is_refused || c == '-', "{c:?}");
            assert!(crate::domain::artifact::check_archive_name(&shown).is_ok(), "{c:?}");
        }
    }

    #[test]
    fn a_long_name_is_found_by_its_digest() {
        let long = "x".repeat(MAX_BYTES + 1);
        assert_eq!(key(&long[1..]), long[1..]);
        assert_ne!(key(&long), key(&"y".repeat(MAX_BYTES + 1)));
        assert!(key(&long).len() <= MAX_BYTES && key(&long).contains('/'));
        assert_eq!(column(&"junit".parse().unwrap(), 7, "job"), UNLISTED);
    }
}
