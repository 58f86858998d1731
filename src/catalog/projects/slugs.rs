//! Slugs: how the dialect of builds names a project. They are kept once given, because clients store them.

use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::{Project, ProjectDetails};
use crate::catalog::Db;
use crate::catalog::db::MultiBackend;
use crate::catalog::schema::projects;
use crate::domain::build::Slugs;
use crate::domain::{Error, ErrorKind, Result};

/// Finds a project by its slugs.
///
/// # Errors
/// Those of the database.
pub fn find_by_slugs(db: &mut Db, slugs: &Slugs) -> Result<Option<Project>> {
    Ok(projects::table
        .filter(projects::organization_slug.eq(&slugs.organization))
        .filter(projects::pipeline_slug.eq(&slugs.pipeline))
        .select(Project::as_select())
        .first(db)
        .optional()?)
}

/// Lists the projects of an organization, by slug; of all organizations without one.
///
/// # Errors
/// Those of the database.
pub fn of_organization(db: &mut Db, organization: Option<&str>) -> Result<Vec<(ProjectDetails, Slugs)>> {
    let mut query = projects::table
        .filter(projects::pipeline_slug.is_not_null())
        .filter(projects::gone_at.is_null())
        .order((projects::organization_slug.asc(), projects::pipeline_slug.asc()))
        .select((ProjectDetails::as_select(), projects::organization_slug, projects::pipeline_slug))
        .into_boxed();
    if let Some(organization) = organization {
        query = query.filter(projects::organization_slug.eq(organization.to_owned()));
    }
    let rows: Vec<(ProjectDetails, Option<String>, Option<String>)> = query.load(db)?;
    let slugs = |(details, organization, pipeline): (_, Option<String>, Option<String>)| {
        Some((details, Slugs { organization: organization?, pipeline: pipeline? }))
    };
    Ok(rows.into_iter().filter_map(slugs).collect())
}

/// Returns the paths of the groups whose projects are an organization's.
///
/// # Errors
/// Those of the database.
pub fn groups_of_organization(db: &mut Db, organization: &str) -> Result<Vec<String>> {
    let paths: Vec<String> = projects::table
        .filter(projects::organization_slug.eq(organization))
        .filter(projects::gone_at.is_null())
        .order(projects::path.asc())
        .select(projects::path)
        .load(db)?;
    let mut groups: Vec<String> =
        paths.iter().filter_map(|path| Some(path.split_once('/')?.0.to_owned())).collect();
    groups.dedup();
    Ok(groups)
}

/// Whether a project is without slugs that needs some: all but those that are hidden, or whose paths are not known.
fn needs_slugs() -> Box<dyn BoxableExpression<projects::table, MultiBackend, SqlType = Bool>> {
    let without = projects::organization_slug.is_null().and(projects::gone_at.is_null());
    Box::new(without.and(projects::path.not_like("-/%")))
}

/// Whether a project has no slugs and needs some.
///
/// # Errors
/// Those of the database.
pub fn lacks_slugs(db: &mut Db) -> Result<bool> {
    let without = projects::table.filter(needs_slugs());
    Ok(without.select(projects::id).first::<i64>(db).optional()?.is_some())
}

/// Gives slugs to every project that has none and needs some: new ones, those of an older release, and those that show
/// again. Needs [`crate::catalog::Catalog::write`].
///
/// One that is hidden loses its own to whoever comes to be called so.
///
/// # Errors
/// Those of the database.
pub fn give_missing_slugs(db: &mut Db) -> Result<()> {
    let without: Vec<(i64, String)> = projects::table
        .filter(needs_slugs())
        .order(projects::id.asc())
        .select((projects::id, projects::path))
        .load(db)?;
    for (id, path) in without {
        let wanted = Slugs::of_path(&path);
        let mut number = 1;
        loop {
            let slugs = Slugs { pipeline: wanted.numbered(number), ..wanted.clone() };
            if holder(db, &slugs)?.is_none() {
                store(db, id, &slugs)?;
                break;
            }
            number += 1;
        }
    }
    Ok(())
}

/// Sets the slugs of a project.
///
/// # Errors
/// `Conflict` when another project has them, with a text that says so.
pub fn set_slugs(db: &mut Db, id: i64, slugs: &Slugs) -> Result<()> {
    if let Some(other) = holder(db, slugs)?.filter(|other| other.id != id) {
        let Slugs { organization, pipeline } = slugs;
        let why = format!("buildkite: {organization}/{pipeline} belongs to project {:?}", other.path);
        return Err(Error::new(ErrorKind::Conflict, why));
    }
    store(db, id, slugs)
}

/// Returns the slugs of a project; `None` for one of a node of an older release.
///
/// # Errors
/// Those of the database.
pub fn slugs_of(db: &mut Db, id: i64) -> Result<Option<Slugs>> {
    let found: Option<(Option<String>, Option<String>)> = projects::table
        .find(id)
        .select((projects::organization_slug, projects::pipeline_slug))
        .first(db)
        .optional()?;
    let both = found.and_then(|(organization, pipeline)| organization.zip(pipeline));
    Ok(both.map(|(organization, pipeline)| Slugs { organization, pipeline }))
}

/// Returns who has the slugs; takes them from a project that is hidden.
fn holder(db: &mut Db, slugs: &Slugs) -> Result<Option<Project>> {
    let found = find_by_slugs(db, slugs)?;
    let Some(hidden) = found.as_ref().filter(|found| found.is_gone()) else { return Ok(found) };
    let none = None::<String>;
    diesel::update(projects::table.find(hidden.id))
        .set((projects::organization_slug.eq(&none), projects::pipeline_slug.eq(&none)))
        .execute(db)?;
    Ok(None)
}

fn store(db: &mut Db, id: i64, slugs: &Slugs) -> Result<()> {
    diesel::update(projects::table.find(id))
        .set((
            projects::organization_slug.eq(Some(&slugs.organization)),
            projects::pipeline_slug.eq(Some(&slugs.pipeline)),
        ))
        .execute(db)?;
    Ok(())
}
