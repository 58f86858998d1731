//! Gone projects: projects that their upstream has deleted. They are hidden at once, and removed with their bytes a week
//! later, unless the upstream tells of them again.
//!
//! Only projects of upstreams are ever gone. All times are those that nodes agree on, see [`crate::catalog::clock::shared`].

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};

use super::numbers::{self, Kind};
use super::projects::{move_project, nowhere};
use super::{ForeignId, ReportedProject};
use crate::catalog::Db;
use crate::catalog::db::MultiBackend;
use crate::catalog::projects::give_missing_slugs;
use crate::catalog::schema::{jobs, projects};
use crate::domain::{Result, Sha256Digest, Timestamp};

/// How long a gone project is kept, in milliseconds.
const KEPT_MILLIS: i64 = 7 * 86_400 * 1000;

/// How much later than the deletion of a project it must be told of to contradict it, in milliseconds. A question takes
/// time, and the clocks of an upstream and of nodes differ.
const LATE_MILLIS: i64 = 60_000;

/// The time between two questions about a project, in milliseconds.
const CHECK_MILLIS: i64 = 86_400 * 1000;

/// The time after which a question that was not answered is asked again, in milliseconds.
const RETRY_MILLIS: i64 = 15 * 60 * 1000;

type Condition =
    Box<dyn BoxableExpression<projects::table, MultiBackend, SqlType = diesel::sql_types::Nullable<Bool>>>;

/// Whether a project is hidden, and was so well before it was told of at `told_at`.
fn is_gone_before(told_at: Timestamp) -> Condition {
    Box::new(projects::gone_at.lt(told_at.as_millis().saturating_sub(LATE_MILLIS)))
}

/// A project that is hidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HiddenProject {
    /// Its number.
    pub id: i64,
    /// The path that it had.
    pub path: String,
    /// When it is removed.
    pub until: Timestamp,
}

/// A project that shows again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnedProject {
    /// Its number.
    pub id: i64,
    /// The path that it had.
    pub path: String,
}

/// Returns when a project that is gone is removed.
pub fn kept_until(gone_at: Timestamp) -> Timestamp {
    Timestamp::from_millis(gone_at.as_millis().saturating_add(KEPT_MILLIS))
}

/// Returns the number of a reported project that is hidden and shows again if it was told of at `told_at`.
///
/// # Errors
/// Those of the database.
pub fn contradicted(db: &mut Db, project: &ReportedProject, told_at: Timestamp) -> Result<Option<i64>> {
    let Some(id) = numbers::find(db, &project.upstream, Kind::Project, &project.id)? else { return Ok(None) };
    let hidden = projects::table.find(id).filter(projects::upstream.eq(&project.upstream));
    Ok(hidden.filter(is_gone_before(told_at)).select(projects::id).first(db).optional()?)
}

/// Whether the project of a job is hidden.
///
/// # Errors
/// Those of the database.
pub fn is_of_gone_project(db: &mut Db, job_id: i64) -> Result<bool> {
    let gone_at: Option<Option<i64>> = jobs::table
        .inner_join(projects::table)
        .filter(jobs::id.eq(job_id))
        .select(projects::gone_at)
        .first(db)
        .optional()?;
    Ok(gone_at.flatten().is_some())
}

/// Hides a project that its upstream has deleted, and takes its path; `None` if it is hidden already, or is none of this
/// upstream. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn hide(db: &mut Db, upstream: &str, id: i64, now: Timestamp) -> Result<Option<HiddenProject>> {
    db.lock_whole_catalog()?;
    let path: Option<String> = projects::table
        .find(id)
        .filter(projects::upstream.eq(upstream))
        .filter(projects::gone_at.is_null())
        .select(projects::path)
        .first(db)
        .optional()?;
    let Some(path) = path else { return Ok(None) };
    // The path is shown to the operator, and leads nowhere: another project may have it at once.
    diesel::update(projects::table.find(id))
        .set((projects::gone_at.eq(Some(now.as_millis())), projects::path_lower.eq(nowhere(id))))
        .execute(db)?;
    Ok(Some(HiddenProject { id, path, until: kept_until(now) }))
}

/// Hides a project of which the upstream's own token is told nothing, if this same token was told of it before.
///
/// One that it never was told of may be none that it sees. `own` is the token's digest. Needs
/// [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn hide_if_seen(
    db: &mut Db,
    upstream: &str,
    id: i64,
    own: Sha256Digest,
    now: Timestamp,
) -> Result<Option<HiddenProject>> {
    let seen_by: Option<Option<Sha256Digest>> = projects::table
        .find(id)
        .filter(projects::seen_at.is_not_null())
        .select(projects::seen_by)
        .first(db)
        .optional()?;
    if seen_by.flatten() == Some(own) { hide(db, upstream, id, now) } else { Ok(None) }
}

/// Shows a project again of which the upstream has told at `told_at`; `None` if it is not hidden, or was not hidden a minute
/// before that. Needs [`crate::catalog::Catalog::write`].
///
/// Doubt keeps it hidden: it shows when it is told of the next time, while one that shows after its deletion is hidden
/// by nothing but another hook.
///
/// # Errors
/// Those of the database.
pub fn tell_again(
    db: &mut Db,
    upstream: &str,
    id: i64,
    told_at: Timestamp,
) -> Result<Option<ReturnedProject>> {
    db.lock_whole_catalog()?;
    let path: Option<String> = projects::table
        .find(id)
        .filter(projects::upstream.eq(upstream))
        .filter(is_gone_before(told_at))
        .select(projects::path)
        .first(db)
        .optional()?;
    let Some(path) = path else { return Ok(None) };
    let lower = path.to_lowercase();
    let holder: Option<i64> =
        projects::table.filter(projects::path_lower.eq(&lower)).select(projects::id).first(db).optional()?;
    let (shown, lower) = match holder {
        None => (path.clone(), lower),
        Some(_) => (nowhere(id), nowhere(id)),
    };
    // If the own token does not see it any more, that it does not tells nothing from now on.
    diesel::update(projects::table.find(id))
        .set((
            projects::gone_at.eq(None::<i64>),
            projects::seen_at.eq(None::<i64>),
            projects::path.eq(&shown),
            projects::path_lower.eq(&lower),
        ))
        .execute(db)?;
    // Another project may have taken the slugs meanwhile.
    give_missing_slugs(db)?;
    Ok(Some(ReturnedProject { id, path }))
}

/// Records that the upstream has told its own token, the one of `own`, of a project at `told_at`, and where it is; returns
/// it if it shows again. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn confirm(
    db: &mut Db,
    upstream: &str,
    (id, path): (i64, Option<&str>),
    (own, told_at): (Sha256Digest, Timestamp),
    now: Timestamp,
) -> Result<Option<ReturnedProject>> {
    let returned = tell_again(db, upstream, id, told_at)?;
    let its = projects::table.find(id).filter(projects::upstream.eq(upstream));
    let known: Option<String> = its.select(projects::path).first(db).optional()?;
    if let (Some(known), Some(path)) = (known, path)
        && known != path
    {
        let (upstream, path) = (upstream.to_owned(), path.to_owned());
        let told = ReportedProject { upstream, id: ForeignId::Number(id), path: path.clone() };
        move_project(db, &told, &path, now)?;
    }
    diesel::update(projects::table.find(id).filter(projects::upstream.eq(upstream)))
        .set((
            projects::seen_at.eq(Some(told_at.as_millis())),
            projects::seen_by.eq(Some(own.as_bytes().as_slice())),
        ))
        .execute(db)?;
    Ok(returned)
}

/// Whether it is time to ask about a project. A time further ahead than any is set was written under a wrong clock.
fn is_due(now: Timestamp) -> Condition {
    let now = now.as_millis();
    let at = projects::check_at;
    Box::new(at.is_null().or(at.le(now)).or(at.gt(now.saturating_add(2 * CHECK_MILLIS))))
}

/// Returns projects with artifacts that the upstream is to be asked about, those that wait longest first; at most `limit`.
///
/// # Errors
/// Those of the database.
pub fn due_checks(db: &mut Db, upstream: &str, now: Timestamp, limit: i64) -> Result<Vec<i64>> {
    let has_artifacts = "EXISTS (SELECT 1 FROM artifacts WHERE artifacts.project_id = projects.id)";
    Ok(projects::table
        .filter(projects::upstream.eq(upstream))
        .filter(is_due(now))
        .filter(sql::<Bool>(has_artifacts))
        .order((sql::<BigInt>("COALESCE(projects.check_at, 0)").asc(), projects::id.asc()))
        .limit(limit)
        .select(projects::id)
        .load(db)?)
}

/// Takes the question about a project, so that no other node asks it, and none again for a day; returns whether it did.
/// Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn claim_check(db: &mut Db, id: i64, now: Timestamp) -> Result<bool> {
    let next = now.as_millis().saturating_add(CHECK_MILLIS);
    let claimed = diesel::update(projects::table.find(id).filter(is_due(now)))
        .set(projects::check_at.eq(Some(next)))
        .execute(db)?;
    Ok(claimed > 0)
}

/// Puts a question off that was not answered. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn postpone_check(db: &mut Db, id: i64, now: Timestamp) -> Result<()> {
    let next = now.as_millis().saturating_add(RETRY_MILLIS);
    diesel::update(projects::table.find(id)).set(projects::check_at.eq(Some(next))).execute(db)?;
    Ok(())
}

/// Has the upstream asked about a project as soon as may be. Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn check_soon(db: &mut Db, project: &ReportedProject) -> Result<()> {
    if let Some(id) = numbers::find(db, &project.upstream, Kind::Project, &project.id)? {
        diesel::update(projects::table.find(id).filter(projects::upstream.eq(&project.upstream)))
            .set(projects::check_at.eq(None::<i64>))
            .execute(db)?;
    }
    Ok(())
}

/// Returns projects that were hidden a week ago, those that wait longest first; at most `limit`.
///
/// # Errors
/// Those of the database.
pub fn due_removals(db: &mut Db, now: Timestamp, limit: i64) -> Result<Vec<i64>> {
    Ok(projects::table
        .filter(projects::gone_at.le(now.as_millis().saturating_sub(KEPT_MILLIS)))
        .filter(projects::upstream.is_not_null())
        .order((projects::gone_at.asc(), projects::id.asc()))
        .limit(limit)
        .select(projects::id)
        .load(db)?)
}

/// Returns the path and the upstream of a project that was hidden a week ago, and that stays so until the transaction ends.
/// Needs [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn is_due_for_removal(db: &mut Db, id: i64, now: Timestamp) -> Result<Option<(String, String)>> {
    // Whoever tells of it again waits for the same lock.
    db.lock_whole_catalog()?;
    let found: Option<(String, Option<String>)> = projects::table
        .find(id)
        .filter(projects::gone_at.le(now.as_millis().saturating_sub(KEPT_MILLIS)))
        .select((projects::path, projects::upstream))
        .first(db)
        .optional()?;
    Ok(found.and_then(|(path, upstream)| Some((path, upstream?))))
}
