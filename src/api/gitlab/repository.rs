//! `GET /projects/:id/repository/{branches,tags,commits}`: what pipelines told of a repository that lies
//! elsewhere, for clients that begin with a branch or a commit. Who may read the project's pipelines may read
//! this; a job's token is no credential here, as GitLab has it.

use actix_web::HttpResponse;

use crate::api::gitlab::call::Call;
use crate::api::gitlab::failure::Failure;
use crate::api::gitlab::json::{Branch, RepositoryCommit, SingleCommit, Surroundings, Tag};
use crate::api::gitlab::parameters::{refuse_far, window};
use crate::api::gitlab::pipelines::enter;
use crate::catalog::pages::{Direction, Window};
use crate::catalog::refs::{self, Head, Log};
use crate::catalog::{Db, projects};
use crate::domain::pipeline::RefKind;
use crate::domain::project::ProjectRef;
use crate::http::paging::Length;

/// What refs are sorted by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Name,
    /// When the newest pipeline of each was made: the nearest there is to the age of its commit.
    Updated,
}

/// What a list of refs is asked for.
struct Asked {
    order: Order,
    direction: Direction,
    search: Search,
}

impl Asked {
    fn read(call: &Call, kind: RefKind) -> Result<Self, Failure> {
        let search = Search::read(call.query.get_filled("search").unwrap_or_default());
        let (order, direction) = match kind {
            RefKind::Branch => {
                let choices = [
                    ("name_asc", (Order::Name, Direction::Ascending)),
                    ("name_desc", (Order::Name, Direction::Descending)),
                    ("updated_asc", (Order::Updated, Direction::Ascending)),
                    ("updated_desc", (Order::Updated, Direction::Descending)),
                ];
                call.choice_of("sort", &choices)?.unwrap_or((Order::Name, Direction::Ascending))
            }
            RefKind::Tag => {
                let choices = [("name", Order::Name), ("updated", Order::Updated), ("version", Order::Name)];
                (call.choice_of("order_by", &choices)?.unwrap_or(Order::Updated), call.sort()?)
            }
        };
        Ok(Self { order, direction, search })
    }

    fn arrange(&self, all: &mut Vec<(String, i64)>) {
        all.retain(|(name, _)| self.search.finds(name));
        match self.order {
            Order::Name => all.sort_unstable(),
            Order::Updated => all.sort_unstable_by_key(|(_, pipeline_id)| *pipeline_id),
        }
        if self.direction == Direction::Descending {
            all.reverse();
        }
    }
}

/// A text that a name holds, in any case; `^` before it and `$` behind it bind it to the name's ends.
struct Search {
    text: String,
    at_start: bool,
    at_end: bool,
}

impl Search {
    fn read(text: &str) -> Self {
        let (text, at_start) = text.strip_prefix('^').map_or((text, false), |rest| (rest, true));
        let (text, at_end) = text.strip_suffix('$').map_or((text, false), |rest| (rest, true));
        Self { text: text.to_lowercase(), at_start, at_end }
    }

    fn finds(&self, name: &str) -> bool {
        let (name, text) = (name.to_lowercase(), self.text.as_str());
        match (self.at_start, self.at_end) {
            (true, true) => name == text,
            (true, false) => name.starts_with(text),
            (false, true) => name.ends_with(text),
            (false, false) => name.contains(text),
        }
    }
}

/// `GET /projects/:id/repository/branches` and `/tags`
pub(super) async fn refs(call: &Call, project: ProjectRef, kind: RefKind) -> Result<HttpResponse, Failure> {
    let (asked, page) = (Asked::read(call, kind)?, call.page()?);
    let (credentials, now) = (call.credentials(), call.now);
    let (shown, total, default_branch, path) = call
        .read(move |db| {
            let project = enter(db, &credentials, &project, now)?;
            let mut all = refs::all(db, project.id, kind)?;
            asked.arrange(&mut all);
            let total = all.len();
            let part = all.into_iter().skip(page.window().start).take(page.size).collect();
            let shown = refs::heads(db, project.id, part)?;
            Ok((shown, total, projects::default_branch(db, project.id)?, project.path))
        })
        .await?;
    let mut answer = HttpResponse::Ok();
    page.describe(&mut answer, Length::Known(total), &call.url(), call.request.query_string());
    let base_url = call.base_url();
    let around = Surroundings { base_url: &base_url, project_path: &path, now };
    Ok(match kind {
        RefKind::Branch => {
            let branch = |head| Branch::new(head, default_branch.as_deref(), &around);
            answer.json(shown.into_iter().map(branch).collect::<Vec<_>>())
        }
        RefKind::Tag => {
            answer.json(shown.into_iter().map(|head| Tag::new(head, &around)).collect::<Vec<_>>())
        }
    })
}

/// `GET /projects/:id/repository/branches/:name` and `/tags/:name`
pub(super) async fn one_ref(
    call: &Call,
    project: ProjectRef,
    kind: RefKind,
    name: String,
) -> Result<HttpResponse, Failure> {
    let (credentials, now) = (call.credentials(), call.now);
    let (head, default_branch, path) = call
        .read(move |db| {
            let project = enter(db, &credentials, &project, now)?;
            let head = find_ref(db, project.id, kind, name)?;
            Ok((head, projects::default_branch(db, project.id)?, project.path))
        })
        .await?;
    let base_url = call.base_url();
    let around = Surroundings { base_url: &base_url, project_path: &path, now };
    Ok(match kind {
        RefKind::Branch => HttpResponse::Ok().json(Branch::new(head, default_branch.as_deref(), &around)),
        RefKind::Tag => HttpResponse::Ok().json(Tag::new(head, &around)),
    })
}

fn find_ref(db: &mut Db, project_id: i64, kind: RefKind, name: String) -> Result<Head, Failure> {
    let what = match kind {
        RefKind::Branch => "Branch Not Found",
        RefKind::Tag => "Tag Not Found",
    };
    let newest = refs::newest(db, project_id, kind, &name)?;
    let found = newest.map(|pipeline_id| (name, pipeline_id)).into_iter().collect();
    let head = refs::heads(db, project_id, found)?.pop();
    head.ok_or_else(|| Failure::absent(what, "no pipeline ran on a ref of this kind and name"))
}

/// `GET /projects/:id/repository/commits`: those on which pipelines ran of `ref_name` or the default branch,
/// the latest run first. Nobody counts them, as in GitLab.
pub(super) async fn commits(call: &Call, project: ProjectRef) -> Result<HttpResponse, Failure> {
    let page = call.page()?;
    refuse_far(page, "Commit")?;
    let ref_name = call.query.get_filled("ref_name").map(str::to_owned);
    let all = call.flag("all")?;
    let (since, until) = (call.time("since")?, call.time("until")?);
    let (credentials, now) = (call.credentials(), call.now);
    let (shown, path) = call
        .read(move |db| {
            let project = enter(db, &credentials, &project, now)?;
            let ref_name = match (all, ref_name) {
                (true, _) => None,
                (false, Some(ref_name)) => Some(ref_name),
                (false, None) => default_branch_of_some(db, project.id)?,
            };
            let log = Log { ref_name, since, until };
            let one_more = Window { limit: page.limit() + 1, ..window(page) };
            Ok((refs::log(db, project.id, &log, one_more)?, project.path))
        })
        .await?;
    let mut answer = HttpResponse::Ok();
    let length = Length::Unknown { more: shown.len() > page.size };
    page.describe(&mut answer, length, &call.url(), call.request.query_string());
    let base_url = call.base_url();
    let around = Surroundings { base_url: &base_url, project_path: &path, now };
    let shown = shown.into_iter().take(page.size).map(|revision| RepositoryCommit::new(revision, &around));
    Ok(answer.json(shown.collect::<Vec<_>>()))
}

/// The default branch. A project on which no pipeline ran has no commits, whatever its branch is; where one ran
/// and nobody told which branch is the default, none is guessed: it would be another with each pipeline.
fn default_branch_of_some(db: &mut Db, project_id: i64) -> Result<Option<String>, Failure> {
    let branch = projects::default_branch(db, project_id)?;
    let first = Window { skip: 0, limit: 1 };
    if branch.is_none() && !refs::log(db, project_id, &Log::default(), first)?.is_empty() {
        return Err(no_default_branch());
    }
    Ok(branch)
}

fn no_default_branch() -> Failure {
    Failure::absent("Commit Not Found", "project has no default branch, so a ref has to be named")
}

/// `GET /projects/:id/repository/commits/:sha`: by id, by its beginning, or by the name of a ref.
pub(super) async fn commit(call: &Call, project: ProjectRef, name: String) -> Result<HttpResponse, Failure> {
    let (credentials, now) = (call.credentials(), call.now);
    let (revision, path) = call
        .read(move |db| {
            let project = enter(db, &credentials, &project, now)?;
            let name = match name.as_str() {
                "HEAD" => projects::default_branch(db, project.id)?.unwrap_or(name),
                _ => name,
            };
            let found = refs::revision(db, project.id, &name)?;
            let none = || match name.as_str() {
                "HEAD" => no_default_branch(),
                _ => Failure::absent("Commit Not Found", "no pipeline ran on this commit"),
            };
            Ok((found.ok_or_else(none)?, project.path))
        })
        .await?;
    let base_url = call.base_url();
    let around = Surroundings { base_url: &base_url, project_path: &path, now };
    Ok(HttpResponse::Ok().json(SingleCommit::new(revision, &around)))
}
