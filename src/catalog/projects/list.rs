//! Project lists: the projects on a page, only those that the caller may see.

use std::collections::HashMap;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};

use crate::catalog::Db;
use crate::catalog::db::MultiBackend;
use crate::catalog::projects::ProjectDetails;
use crate::catalog::schema::{project_members, projects};
use crate::catalog::slice::{COUNT_LIMIT, Count, Direction, Slice};
use crate::domain::Result;
use crate::domain::project::Visibility;
use crate::domain::role::Role;

/// The caller for whom a list is made.
#[derive(Debug, Clone, Copy)]
pub enum Viewer {
    /// Sees public projects.
    Anonymous,
    /// Sees projects that are not private, and those that the user with this ID is a member of.
    User(i64),
    /// Sees everything; the user with this ID.
    Admin(i64),
}

/// The conditions of a list of projects.
#[derive(Debug, Clone)]
pub struct VisibleProjects {
    /// Only projects with this visibility.
    pub visibility: Option<Visibility>,
    /// Only projects in which the viewer has one of these roles; all when empty.
    pub roles: Vec<Role>,
    /// A text that the path or the name contains, in any letter case.
    pub search: Option<String>,
    /// Whether the groups of a path are searched too.
    pub search_groups: bool,
    /// Only projects below the group with this full path, in any letter case.
    pub group: Option<String>,
    /// Only projects with a larger ID.
    pub id_after: Option<i64>,
    /// Only projects with a smaller ID.
    pub id_before: Option<i64>,
    /// The sort key; ties are broken by ID.
    pub order: Order,
    /// The direction of the list.
    pub direction: Direction,
}

/// The sort keys of projects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Their ID.
    Id,
    /// The display name.
    Name,
    /// The full path, in lower case.
    Path,
    /// The time of creation.
    CreatedAt,
    /// The ID of the newest pipeline; projects without any count as oldest.
    Activity,
}

type Listed = projects::BoxedQuery<'static, MultiBackend>;

/// Returns the projects in a slice of the list.
///
/// # Errors
/// Those of the database.
pub fn visible(
    db: &mut Db,
    viewer: Viewer,
    list: &VisibleProjects,
    slice: Slice,
) -> Result<Vec<ProjectDetails>> {
    Ok(sorted(listed(viewer, list), list)
        .offset(slice.offset)
        .limit(slice.limit)
        .select(ProjectDetails::as_select())
        .load(db)?)
}

/// Counts the projects of the whole list, up to [`COUNT_LIMIT`].
///
/// # Errors
/// Those of the database.
pub fn count(db: &mut Db, viewer: Viewer, list: &VisibleProjects) -> Result<Count> {
    let beyond: Option<i64> =
        listed(viewer, list).offset(COUNT_LIMIT).limit(1).select(projects::id).first(db).optional()?;
    Ok(match beyond {
        Some(_) => Count::TooMany,
        None => Count::Exactly(listed(viewer, list).count().get_result(db)?),
    })
}

/// Returns the roles of a user in some projects, by project ID.
///
/// # Errors
/// Those of the database.
pub fn roles(db: &mut Db, user_id: i64, project_ids: &[i64]) -> Result<HashMap<i64, Role>> {
    let rows: Vec<(i64, Role)> = project_members::table
        .filter(project_members::user_id.eq(user_id))
        .filter(project_members::project_id.eq_any(project_ids))
        .select((project_members::project_id, project_members::role))
        .load(db)?;
    Ok(rows.into_iter().collect())
}

fn listed(viewer: Viewer, list: &VisibleProjects) -> Listed {
    let memberships = |user_id: i64| {
        project_members::table
            .filter(project_members::user_id.eq(user_id))
            .select(project_members::project_id)
    };
    let mut query = projects::table.filter(projects::gone_at.is_null()).into_boxed();
    query = match viewer {
        Viewer::Anonymous => query.filter(projects::visibility.eq(Visibility::Public.as_str())),
        Viewer::User(id) => query.filter(
            projects::visibility.ne(Visibility::Private.as_str()).or(projects::id.eq_any(memberships(id))),
        ),
        Viewer::Admin(_) => query,
    };
    if let Some(visibility) = list.visibility {
        query = query.filter(projects::visibility.eq(visibility.as_str()));
    }
    if !list.roles.is_empty() {
        // An anonymous viewer has no role: no user has this ID.
        let user_id = match viewer {
            Viewer::Anonymous => -1,
            Viewer::User(id) | Viewer::Admin(id) => id,
        };
        let names: Vec<&str> = list.roles.iter().map(|role| role.as_str()).collect();
        query = query
            .filter(projects::id.eq_any(memberships(user_id).filter(project_members::role.eq_any(names))));
    }
    if let Some(text) = &list.search {
        let pattern = format!("%{}%", escaped(&text.to_lowercase()));
        let path =
            if list.search_groups || text.contains('/') { "projects.path_lower" } else { LAST_SEGMENT };
        query = query.filter(
            sql::<Bool>("(lower(projects.name) LIKE ")
                .bind::<Text, _>(pattern.clone())
                .sql(&format!(" ESCAPE '!' OR {path} LIKE "))
                .bind::<Text, _>(pattern)
                .sql(" ESCAPE '!')"),
        );
    }
    if let Some(group) = &list.group {
        let pattern = format!("{}/%", escaped(&group.to_lowercase()));
        query = query
            .filter(sql::<Bool>("projects.path_lower LIKE ").bind::<Text, _>(pattern).sql(" ESCAPE '!'"));
    }
    if let Some(id) = list.id_after {
        query = query.filter(projects::id.gt(id));
    }
    if let Some(id) = list.id_before {
        query = query.filter(projects::id.lt(id));
    }
    query
}

/// SQL for the last segment of a path: the rest after everything that ends in a slash.
const LAST_SEGMENT: &str = "substr(projects.path_lower, \
     length(rtrim(projects.path_lower, replace(projects.path_lower, '/', ''))) + 1)";

/// SQL for the ID of a project's newest pipeline, which is the last entry of one index.
const NEWEST_PIPELINE: &str = "COALESCE((SELECT max(listed.id) FROM pipelines AS listed \
     WHERE listed.project_id = projects.id AND listed.source <> 'parent_pipeline'), 0)";

/// Escapes the wildcards of `LIKE`.
fn escaped(text: &str) -> String {
    text.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}

fn sorted(query: Listed, list: &VisibleProjects) -> Listed {
    use projects::{created_at, id, name, path_lower};
    match (list.order, list.direction) {
        (Order::Id, Direction::Ascending) => query.order(id.asc()),
        (Order::Id, Direction::Descending) => query.order(id.desc()),
        (Order::Name, Direction::Ascending) => query.order((name.asc(), id.asc())),
        (Order::Name, Direction::Descending) => query.order((name.desc(), id.desc())),
        (Order::Path, Direction::Ascending) => query.order((path_lower.asc(), id.asc())),
        (Order::Path, Direction::Descending) => query.order((path_lower.desc(), id.desc())),
        (Order::CreatedAt, Direction::Ascending) => query.order((created_at.asc(), id.asc())),
        (Order::CreatedAt, Direction::Descending) => query.order((created_at.desc(), id.desc())),
        (Order::Activity, Direction::Ascending) => {
            query.order((sql::<BigInt>(NEWEST_PIPELINE).asc(), id.asc()))
        }
        (Order::Activity, Direction::Descending) => {
            query.order((sql::<BigInt>(NEWEST_PIPELINE).desc(), id.desc()))
        }
    }
}
