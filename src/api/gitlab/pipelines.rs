//! Pipelines: those of a project, one, the latest of a ref, and the bridges to its children. A job's
//! token is no credential here, as GitLab has it.

use actix_web::HttpResponse;

use crate::api::gitlab::call::{Call, number};
use crate::api::gitlab::failure::Failure;
use crate::api::gitlab::gate::{Guests, READ_SCOPES, Readable, identify};
use crate::api::gitlab::json::{Bridge, ListedPipeline, SinglePipeline, Surroundings};
use crate::api::gitlab::parameters::window;
use crate::auth::Credentials;
use crate::catalog::details::{self, PipelineDetails};
use crate::catalog::pages::pipelines::{self as pages, Order, Period, ProjectPipelines};
use crate::catalog::pages::{Count, Window};
use crate::catalog::projects::Project;
use crate::catalog::{Db, pipelines, projects, users};
use crate::domain::access::Action;
use crate::domain::project::ProjectRef;
use crate::domain::status::Status;
use crate::domain::{Error, Kind, Timestamp};
use crate::http::paging::Length;

const ORDERS: &[(&str, Order)] = &[
    ("id", Order::Id),
    ("status", Order::Status),
    ("ref", Order::Ref),
    ("updated_at", Order::UpdatedAt),
    ("user_id", Order::UserId),
];

/// What `scope` means here.
#[derive(Clone, Copy)]
enum Scope {
    Standing(&'static [Status]),
    NewestOf { tags: bool },
}

const SCOPES: &[(&str, Scope)] = &[
    ("running", Scope::Standing(&[Status::Running])),
    ("pending", Scope::Standing(&[Status::Pending])),
    ("finished", Scope::Standing(&[Status::Success, Status::Failed, Status::Canceled])),
    ("branches", Scope::NewestOf { tags: false }),
    ("tags", Scope::NewestOf { tags: true }),
];

/// What `GET /projects/:id/pipelines` is asked for.
struct Asked {
    list: ProjectPipelines,
    username: Option<String>,
    /// The answer is known to be empty: no pipeline here has a name, or a definition with errors.
    nothing: bool,
}

impl Asked {
    fn read(call: &Call) -> Result<Self, Failure> {
        let text = |name: &str| call.query.get_filled(name).map(str::to_owned);
        let scope = call.choice_of("scope", SCOPES)?;
        let status: Option<Status> = call.choice("status")?;
        let mut statuses: Vec<Status> = match scope {
            Some(Scope::Standing(statuses)) => statuses.to_vec(),
            _ => status.into_iter().collect(),
        };
        let contradiction = status.is_some_and(|status| !statuses.contains(&status));
        if let (Some(status), false) = (status, contradiction) {
            statuses = vec![status];
        }
        let list = ProjectPipelines {
            statuses,
            source: call.choice("source")?,
            newest_of_tags: match scope {
                Some(Scope::NewestOf { tags }) => Some(tags),
                _ => None,
            },
            ref_name: text("ref"),
            sha: text("sha"),
            user_id: None,
            updated: Period { from: call.time("updated_after")?, until: call.time("updated_before")? },
            created: Period { from: call.time("created_after")?, until: call.time("created_before")? },
            order: call.choice_of("order_by", ORDERS)?.unwrap_or(Order::Id),
            direction: call.sort()?,
        };
        let nothing = call.flag("yaml_errors")? || text("name").is_some() || contradiction;
        Ok(Self { list, username: text("username"), nothing })
    }
}

/// `GET /projects/:id/pipelines`: children only when `source` asks for them.
pub(super) async fn of_project(call: &Call, project: ProjectRef) -> Result<HttpResponse, Failure> {
    let Asked { mut list, username, mut nothing } = Asked::read(call)?;
    let page = call.page()?;
    let (credentials, now) = (call.credentials(), call.now);
    let (shown, count, path) = call
        .read(move |db| {
            let project = enter(db, &credentials, &project, now)?;
            if let Some(username) = &username {
                list.user_id = users::id_by_username(db, username)?;
                nothing |= list.user_id.is_none();
            }
            if nothing {
                return Ok((Vec::new(), Count::Exactly(0), project.path));
            }
            let one_more = Window { limit: page.limit() + 1, ..window(page) };
            let (ids, count) = pages::of_project(db, project.id, &list, one_more)?;
            Ok((details::all_pipelines(db, &ids)?, count, project.path))
        })
        .await?;
    let mut answer = HttpResponse::Ok();
    let length = length(count, shown.len() > page.size);
    page.describe(&mut answer, length, &call.url(), call.request.query_string());
    let base_url = call.base_url();
    let around = Surroundings { base_url: &base_url, project_path: &path, now };
    let shown = shown.into_iter().take(page.size).map(|pipeline| ListedPipeline::new(pipeline, &around));
    Ok(answer.json(shown.collect::<Vec<_>>()))
}

/// How long a list is; of one that is too long to be counted, whether there is more behind the page.
pub(super) fn length(count: Count, more: bool) -> Length {
    match count {
        Count::Exactly(total) => Length::Known(usize::try_from(total).unwrap_or(0)),
        Count::TooMany => Length::Unknown { more },
    }
}

/// `GET /projects/:id/pipelines/:pipeline_id`
pub(super) async fn one(
    call: &Call,
    project: ProjectRef,
    pipeline_id: &str,
) -> Result<HttpResponse, Failure> {
    let pipeline_id = number(pipeline_id, "pipeline_id")?;
    let (credentials, now) = (call.credentials(), call.now);
    let (shown, path) = call
        .read(move |db| {
            let project = enter(db, &credentials, &project, now)?;
            match details::pipeline(db, project.id, pipeline_id)? {
                Some(shown) => Ok((shown, project.path)),
                None => Err(no_pipeline(pipelines::project_of(db, pipeline_id)?)),
            }
        })
        .await?;
    Ok(single(call, shown, &path))
}

/// `GET /projects/:id/pipelines/latest`: of `ref`, or of the default branch. There is no repository to
/// say which commit is the ref's last, so it is the newest pipeline that ran on the ref for itself.
pub(super) async fn latest(call: &Call, project: ProjectRef) -> Result<HttpResponse, Failure> {
    let ref_name = call.query.get_filled("ref").map(str::to_owned);
    let (credentials, now) = (call.credentials(), call.now);
    let (shown, path) = call
        .read(move |db| {
            let project = enter(db, &credentials, &project, now)?;
            let ref_name = match ref_name {
                Some(ref_name) => Some(ref_name),
                None => projects::default_branch(db, project.id)?,
            };
            let none = |why| move || Failure::absent("Not Found", why);
            let ref_name = ref_name.ok_or_else(none("project has no default branch"))?;
            let no_pipeline = none("ref has no pipeline");
            let id = pages::latest_of_ref(db, project.id, &ref_name)?.ok_or_else(no_pipeline)?;
            Ok((details::pipeline(db, project.id, id)?.ok_or_else(no_pipeline)?, project.path))
        })
        .await?;
    Ok(single(call, shown, &path))
}

/// `GET /projects/:id/pipelines/:pipeline_id/bridges`: one for each child.
pub(super) async fn bridges(
    call: &Call,
    project: ProjectRef,
    pipeline_id: &str,
) -> Result<HttpResponse, Failure> {
    let pipeline_id = number(pipeline_id, "pipeline_id")?;
    let (statuses, page) = (call.scope()?, call.page()?);
    let (credentials, now) = (call.credentials(), call.now);
    let (parent, commit, children, total, path) = call
        .read(move |db| {
            let project = enter(db, &credentials, &project, now)?;
            let parent = details::all_pipelines(db, &[pipeline_id])?.pop();
            let of = parent.as_ref().map(|parent| parent.project_id);
            let parent =
                parent.filter(|parent| parent.project_id == project.id).ok_or_else(|| no_pipeline(of))?;
            let (ids, total) = pages::children(db, parent.id, &statuses, window(page))?;
            let commit = details::commit(db, project.id, &parent.sha)?;
            Ok((parent, commit, details::all_pipeline_details(db, &ids)?, total, project.path))
        })
        .await?;
    let mut answer = HttpResponse::Ok();
    let length = length(Count::Exactly(total), false);
    page.describe(&mut answer, length, &call.url(), call.request.query_string());
    let base_url = call.base_url();
    let around = Surroundings { base_url: &base_url, project_path: &path, now };
    let bridge = |child| Bridge::new(parent.clone(), child, commit.clone(), &around);
    Ok(answer.json(children.into_iter().map(bridge).collect::<Vec<_>>()))
}

/// There is no such pipeline in the project; `of` is the project of the one that has the number, if any.
pub(super) fn no_pipeline(of: Option<i64>) -> Failure {
    let why = if of.is_some() { "pipeline belongs to another project" } else { "pipeline does not exist" };
    Failure::Domain(
        Error::new(Kind::NotFound, "Not found").hint("pipeline is not in the project").because(why),
    )
}

pub(super) fn enter(
    db: &mut Db,
    credentials: &Credentials,
    project: &ProjectRef,
    now: Timestamp,
) -> Result<Project, Failure> {
    let actor = identify(db, credentials, Guests::Strangers, READ_SCOPES, now)?;
    Ok(Readable::admit(db, &actor, Action::ReadJobs, project, now, &credentials.trail)?.project)
}

fn single(call: &Call, shown: PipelineDetails, project_path: &str) -> HttpResponse {
    let base_url = call.base_url();
    let around = Surroundings { base_url: &base_url, project_path, now: call.now };
    HttpResponse::Ok().json(SinglePipeline::new(shown, &around))
}
