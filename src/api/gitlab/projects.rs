//! Projects: those that the caller sees, and one. A job's token is no credential here, as GitLab has
//! it.

use actix_web::HttpResponse;

use crate::api::gitlab::call::Call;
use crate::api::gitlab::failure::{Failure, NO_PROJECT};
use crate::api::gitlab::gate::{Guests, READ_SCOPES, Readable, identify};
use crate::api::gitlab::json::{Permissions, Project};
use crate::api::gitlab::parameters::{no_keyset, refuse_far, window};
use crate::api::gitlab::pipelines::length;
use crate::auth::Actor;
use crate::catalog::pages::projects::{self as pages, Order, Viewer, VisibleProjects};
use crate::catalog::pages::{Count, Direction, Window};
use crate::catalog::projects;
use crate::domain::access::Action;
use crate::domain::project::ProjectRef;
use crate::domain::role::Role;
use crate::http::paging::Page;

/// Times of change and counts of stars are not kept here; what is sorted by them keeps the order in
/// which it was made.
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

/// GitLab's numbers for roles, and who has at least such a one.
const LEVELS: &[(i64, Role)] = &[
    (10, Role::Guest),
    (15, Role::Planner),
    (20, Role::Reporter),
    (30, Role::Developer),
    (40, Role::Maintainer),
    (50, Role::Owner),
];

/// What `GET /projects` is asked for.
struct Asked {
    list: VisibleProjects,
    page: Page,
    is_keyset: bool,
    simple: bool,
    /// The answer is known to be empty: nothing here is archived or has stars.
    nothing: bool,
}

impl Asked {
    fn read(call: &Call) -> Result<Self, Failure> {
        let (is_keyset, page) = (call.is_keyset()?, call.page()?);
        let order = call.choice_of("order_by", ORDERS)?.unwrap_or(Order::CreatedAt);
        match is_keyset {
            true if order != Order::Id => return Err(no_keyset()),
            true => {}
            false => refuse_far(page, "Project")?,
        }
        let least = match call.integer("min_access_level")? {
            None => None,
            Some(level) => {
                let found = LEVELS.iter().find(|(known, _)| *known == level).map(|(_, role)| *role);
                let wrong = || Failure::Parameter("min_access_level does not have a valid value".into());
                Some(found.ok_or_else(wrong)?)
            }
        };
        let (member, owned) = (call.flag("membership")?, call.flag("owned")?);
        let least = if owned { Some(Role::Owner) } else { least.or(member.then_some(Role::Guest)) };
        let roles = Role::ALL.iter().copied().filter(|role| least.is_some_and(|least| *role >= least));
        Ok(Self {
            list: VisibleProjects {
                visibility: call.choice("visibility")?,
                roles: roles.collect(),
                search: call.query.get_filled("search").map(str::to_owned),
                search_groups: call.flag("search_namespaces")?,
                id_after: call.integer("id_after")?,
                id_before: call.integer("id_before")?,
                order,
                direction: call.sort()?,
            },
            page: if is_keyset { Page { number: 1, ..page } } else { page },
            is_keyset,
            simple: call.flag("simple")?,
            nothing: call.flag("archived")? || call.flag("starred")?,
        })
    }
}

/// `GET /projects`
pub(super) async fn list(call: &Call) -> Result<HttpResponse, Failure> {
    let Asked { list, page, is_keyset, simple, nothing } = Asked::read(call)?;
    let direction = list.direction;
    let (credentials, now) = (call.credentials(), call.now);
    let (shown, viewer, mut roles, count) = call
        .read(move |db| {
            let actor = identify(db, &credentials, Guests::Strangers, READ_SCOPES, now)?;
            let viewer = match actor {
                Actor::User(user) if user.admin => Viewer::Admin(user.id),
                Actor::User(user) => Viewer::User(user.id),
                Actor::Anonymous | Actor::Job { .. } => Viewer::Anonymous,
            };
            let count = match (nothing, is_keyset) {
                (true, _) => Count::Exactly(0),
                (false, true) => Count::TooMany,
                (false, false) => pages::count(db, viewer, &list)?,
            };
            let one_more = Window { limit: page.limit() + 1, ..window(page) };
            let shown = if nothing { Vec::new() } else { pages::visible(db, viewer, &list, one_more)? };
            let roles = match viewer {
                Viewer::User(id) | Viewer::Admin(id) if !simple => {
                    let ids: Vec<i64> = shown.iter().map(|details| details.project.id).collect();
                    pages::roles(db, id, &ids)?
                }
                _ => Default::default(),
            };
            Ok((shown, viewer, roles, count))
        })
        .await?;
    let more = shown.len() > page.size;
    let shown: Vec<_> = shown.into_iter().take(page.size).collect();
    let mut answer = HttpResponse::Ok();
    let (url, query) = (call.url(), call.request.query_string());
    match (is_keyset, shown.last()) {
        (true, Some(last)) if more => {
            let name = if direction == Direction::Ascending { "id_after" } else { "id_before" };
            page.describe_next(&mut answer, (name, &last.project.id.to_string()), &url, query);
        }
        (true, _) => {}
        (false, _) => page.describe(&mut answer, length(count, more), &url, query),
    }
    let base_url = call.base_url();
    let is_full = !simple && !matches!(viewer, Viewer::Anonymous);
    let shown = shown.into_iter().map(|details| {
        let permissions = is_full.then(|| Permissions::of(roles.remove(&details.project.id)));
        Project::new(details, permissions, &base_url)
    });
    Ok(answer.json(shown.collect::<Vec<_>>()))
}

/// `GET /projects/:id`
pub(super) async fn one(call: &Call, project: ProjectRef) -> Result<HttpResponse, Failure> {
    let (credentials, now) = (call.credentials(), call.now);
    let (details, permissions) = call
        .read(move |db| {
            let actor = identify(db, &credentials, Guests::Strangers, READ_SCOPES, now)?;
            let project =
                Readable::admit(db, &actor, Action::SeeProject, &project, now, &credentials.trail)?.project;
            let permissions = match actor {
                Actor::User(user) => Some(Permissions::of(projects::role_of(db, project.id, user.id)?)),
                Actor::Anonymous | Actor::Job { .. } => None,
            };
            let details = projects::details(db, Some(project.id))?.pop();
            let gone = || Failure::not_found(NO_PROJECT, "project does not exist");
            Ok((details.ok_or_else(gone)?, permissions))
        })
        .await?;
    Ok(HttpResponse::Ok().json(Project::new(details, permissions, &call.base_url())))
}
