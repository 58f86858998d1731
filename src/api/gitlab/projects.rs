//! Projects: those visible to the caller, and a single one.
//!
//! As in GitLab, a job token is no credential here.

use actix_web::HttpResponse;

use crate::access::{AcceptedCredentials, Total};
use crate::api::gitlab::credentials::reader;
use crate::api::gitlab::error::ApiError;
use crate::api::gitlab::json::{Permissions, ProjectJson};
use crate::api::gitlab::parameters::{check_offset_limit, is_keyset, keyset_unavailable, page, sort};
use crate::catalog::projects::{Order, VisibleProjects};
use crate::catalog::slice::Direction;
use crate::domain::project::ProjectRef;
use crate::domain::role::Role;
use crate::http::context::RequestContext;
use crate::http::pagination::Page;
use crate::http::query::{InvalidParameter, Query};

/// Orders of a list. Times of change and star counts are not stored; sorting by them uses the order of
/// creation.
const ORDERS: &[(&str, Order)] = &[
    ("id", Order::Id),
    ("name", Order::Name),
    ("path", Order::Path),
    ("created_at", Order::CreatedAt),
    ("updated_at", Order::CreatedAt),
    ("last_activity_at", Order::CreatedAt),
    ("similarity", Order::CreatedAt),
    ("star_count", Order::CreatedAt),
];

/// GitLab's access levels, and their roles.
const LEVELS: &[(i64, Role)] = &[
    (10, Role::Guest),
    (15, Role::Planner),
    (20, Role::Reporter),
    (30, Role::Developer),
    (40, Role::Maintainer),
    (50, Role::Owner),
];

/// The parameters of `GET /projects`.
struct ProjectsQuery {
    list: VisibleProjects,
    page: Page,
    is_keyset: bool,
    simple: bool,
    /// Whether the result is known to be empty: nothing here is archived or has stars.
    nothing: bool,
}

impl ProjectsQuery {
    fn read(query: &Query) -> Result<Self, ApiError> {
        let (is_keyset, page) = (is_keyset(query)?, page(query)?);
        let order = query.choice_of("order_by", ORDERS)?.unwrap_or(Order::CreatedAt);
        if !is_keyset {
            check_offset_limit(page, "Project")?;
        } else if order != Order::Id {
            return Err(keyset_unavailable());
        }
        let least = match query.integer("min_access_level")? {
            None => None,
            Some(level) => {
                let found = LEVELS.iter().find(|(known, _)| *known == level).map(|(_, role)| *role);
                Some(found.ok_or(InvalidParameter::Choice("min_access_level"))?)
            }
        };
        let (member, owned) = (query.flag("membership")?, query.flag("owned")?);
        let least = if owned { Some(Role::Owner) } else { least.or(member.then_some(Role::Guest)) };
        let roles = Role::ALL.iter().copied().filter(|role| least.is_some_and(|least| *role >= least));
        Ok(Self {
            list: VisibleProjects {
                visibility: query.choice("visibility")?,
                roles: roles.collect(),
                search: query.get_filled("search").map(str::to_owned),
                search_groups: query.flag("search_namespaces")?,
                group: None,
                id_after: query.integer("id_after")?,
                id_before: query.integer("id_before")?,
                order,
                direction: sort(query)?,
            },
            page: if is_keyset { page.first() } else { page },
            is_keyset,
            simple: query.flag("simple")?,
            nothing: query.flag("archived")? || query.flag("starred")?,
        })
    }
}

/// `GET /projects`
pub(super) async fn list(ctx: &RequestContext) -> Result<HttpResponse, ApiError> {
    let ProjectsQuery { list, page, is_keyset, simple, nothing } = ProjectsQuery::read(&ctx.query)?;
    let direction = list.direction;
    let principal = reader(ctx, AcceptedCredentials::UserOrAnonymous);
    let list = (!nothing).then_some(list);
    let found = ctx.access().projects(&principal, list, page.slice(), (!is_keyset, !simple)).await?;
    let mut response = HttpResponse::Ok();
    let (url, query) = (ctx.url(), ctx.request.query_string());
    match (is_keyset, found.items.last(), found.total) {
        (true, Some(last), Total::Unknown { more: true }) => {
            let name = if direction == Direction::Ascending { "id_after" } else { "id_before" };
            page.write_next_link(&mut response, (name, &last.project.id.to_string()), &url, query);
        }
        (true, ..) => {}
        (false, ..) => page.write_headers(&mut response, found.total, &url, query),
    }
    let base_url = ctx.base_url();
    let (is_full, mut roles) = (!simple && !found.is_anonymous, found.roles);
    let shown = found.items.into_iter().map(|details| {
        let permissions = is_full.then(|| Permissions::of(roles.remove(&details.project.id)));
        ProjectJson::new(details, permissions, &base_url)
    });
    Ok(response.json(shown.collect::<Vec<_>>()))
}

/// `GET /projects/:id`
pub(super) async fn one(ctx: &RequestContext, project: ProjectRef) -> Result<HttpResponse, ApiError> {
    let principal = reader(ctx, AcceptedCredentials::UserOrAnonymous);
    let (details, role) = ctx.access().project(&principal, project).await?;
    let permissions = role.map(Permissions::of);
    Ok(HttpResponse::Ok().json(ProjectJson::new(details, permissions, &ctx.base_url())))
}
