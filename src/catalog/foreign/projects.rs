//! Projects of upstreams. None takes the number or the path of one that is registered here.

use diesel::prelude::*;

use super::numbers::{self, Kind};
use super::{Applied, ReportedProject};
use crate::catalog::Db;
use crate::catalog::projects::{self, Project, ProjectChanges};
use crate::catalog::schema::projects as projects_table;
use crate::domain::project::ProjectRef;
use crate::domain::{Error, Result, Timestamp};

/// Why nothing is taken over of a project that its upstream has deleted.
pub(super) const IS_GONE: &str = "project is deleted at the upstream";

/// Stores the project of a report, and returns it, or why it cannot be stored. Another project of the upstream that has
/// the path loses it. Needs [`crate::catalog::Catalog::write`] and the lock of the whole catalog.
pub(super) fn store_project(
    db: &mut Db,
    reported: &ReportedProject,
    now: Timestamp,
) -> Result<std::result::Result<Project, String>> {
    if let Some(why) = in_the_way(db, reported)? {
        return Ok(Err(why));
    }
    let id = numbers::find_or_give(db, &reported.upstream, Kind::Project, &reported.id)?;
    let known = projects::find(db, &ProjectRef::Id(id))?;
    if known.is_none_or(|known| known.path != reported.path) {
        write_project(db, id, reported, now)?;
    }
    let stored = projects::find(db, &ProjectRef::Id(id))?;
    Ok(Ok(stored.ok_or_else(|| Error::internal("the project has no row"))?))
}

fn write_project(db: &mut Db, id: i64, reported: &ReportedProject, now: Timestamp) -> Result<()> {
    let holder = projects::find(db, &ProjectRef::Path(reported.path.clone()))?;
    if let Some(other) = holder.filter(|other| other.id != id) {
        let nowhere = nowhere(other.id);
        diesel::update(projects_table::table.find(other.id))
            .set((projects_table::path.eq(&nowhere), projects_table::path_lower.eq(&nowhere)))
            .execute(db)?;
    }
    let is_new = projects::find(db, &ProjectRef::Id(id))?.is_none();
    let changes = ProjectChanges {
        path: reported.path.clone(),
        path_lower: reported.path.to_lowercase(),
        name: reported.path.rsplit('/').next().map(str::to_owned),
        visibility: None,
        // What the upstream shows to whom is not known from what it reports.
        public_jobs: is_new.then_some(false),
        default_branch: None,
        keep_latest_artifact: None,
        max_artifact_bytes: None,
        max_storage_bytes: None,
    };
    projects::upsert(db, id, &changes, now)?;
    let upstream = projects_table::upstream.eq(Some(&reported.upstream));
    diesel::update(projects_table::table.find(id)).set(upstream).execute(db)?;
    // One that was hidden, and whose path was another's when it showed again, may have lost its slugs.
    projects::give_missing_slugs(db)
}

/// A path that leads nowhere until the project's own is learnt: no path begins with a hyphen.
pub(super) fn nowhere(id: i64) -> String {
    format!("-/{id}")
}

/// Moves a project to the path that its upstream reports. A project that has no row here stays without one. Needs
/// [`crate::catalog::Catalog::write`].
///
/// # Errors
/// Those of the database.
pub fn move_project(db: &mut Db, reported: &ReportedProject, to: &str, now: Timestamp) -> Result<Applied> {
    db.lock_whole_catalog()?;
    let Some(known) = known_project(db, reported)? else {
        return Ok(Applied::Ignored("project is not kept here"));
    };
    if known.is_gone() {
        return Ok(Applied::Ignored(IS_GONE));
    }
    let reported = ReportedProject { path: to.to_owned(), ..reported.clone() };
    match store_project(db, &reported, now)? {
        Ok(_) => Ok(Applied::Taken),
        Err(_) => Ok(Applied::Ignored("path is registered here")),
    }
}

/// Returns the row of a reported project, if it is one of this upstream.
///
/// # Errors
/// Those of the database.
pub fn known_project(db: &mut Db, reported: &ReportedProject) -> Result<Option<Project>> {
    let Some(id) = numbers::find(db, &reported.upstream, Kind::Project, &reported.id)? else {
        return Ok(None);
    };
    let known = projects::find(db, &ProjectRef::Id(id))?;
    Ok(known.filter(|known| known.upstream.as_deref() == Some(&reported.upstream)))
}

/// Returns what keeps a project from being stored, in a few words: its number or path is another's here.
pub(super) fn in_the_way(db: &mut Db, reported: &ReportedProject) -> Result<Option<String>> {
    let upstream = Some(reported.upstream.as_str());
    let id = numbers::find(db, &reported.upstream, Kind::Project, &reported.id)?;
    let known = id.map(|id| projects::find(db, &ProjectRef::Id(id))).transpose()?.flatten();
    if let Some(known) = known.as_ref().filter(|known| known.upstream.as_deref() != upstream) {
        return Ok(Some(format!("project {} is registered here as {}", known.id, known.path)));
    }
    if known.is_some_and(|known| known.is_gone()) {
        return Ok(Some(IS_GONE.to_owned()));
    }
    let holder = projects::find(db, &ProjectRef::Path(reported.path.clone()))?;
    Ok(holder
        .filter(|holder| holder.upstream.as_deref() != upstream)
        .map(|holder| format!("path {} is registered here for project {}", holder.path, holder.id)))
}
