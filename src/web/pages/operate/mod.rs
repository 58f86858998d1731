//! Page for operators: what is stored, what the next sweep deletes, which nodes there are, and what needs attention; with
//! a form that begins a sweep.
//!
//! No request counts: numbers by project are kept by the database, the others are counted in the background, and the page
//! says when.

mod facts;
mod nodes;
mod warnings;

use std::time::Duration;

use actix_web::HttpResponse;
use askama::Template;
use nodes::NodeRow;

use crate::access::AccessError;
use crate::catalog::usage::{
    DueArtifact, DueReason, GroupStorage, ProjectStorage, StorageCounts, StorageView, Stored,
};
use crate::domain::artifact::ArtifactName;
use crate::domain::{Error, Timestamp};
use crate::web::error::PageError;
use crate::web::layout::{Crumb, Layout, page};
use crate::web::visit::Visit;
use crate::web::words::{Moment, count, row_size, size};

/// How many projects, groups with a quota, and nodes are listed.
const LISTED: i64 = 50;

/// How long a person waits for a sweep; a longer one goes on alone.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Template)]
#[template(path = "operate.html")]
struct OperatePage {
    layout: Layout,
    /// What was done just now.
    done: Option<&'static str>,
    warnings: Vec<String>,
    counted: Option<Moment>,
    facts: Vec<Fact>,
    /// Where the form is sent that begins a sweep, if the token may change something.
    sweep: Option<String>,
    next: String,
    next_first: Vec<Due>,
    /// Whether there is more that the next sweep deletes than is listed.
    next_more: bool,
    projects: Vec<Share>,
    /// How many projects are listed at most, if there may be more.
    most: Option<i64>,
    /// How many groups are listed at most, if there may be more.
    most_groups: Option<i64>,
    groups: Vec<Share>,
    /// How many nodes are listed at most, if there may be more.
    most_nodes: Option<i64>,
    nodes: Vec<NodeRow>,
    settings: Vec<Fact>,
}

/// A fact with its name.
struct Fact {
    name: &'static str,
    value: String,
}

impl Fact {
    fn new(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: value.into() }
    }
}

/// An artifact that the next sweep deletes.
struct Due {
    name: String,
    job: Crumb,
    size: String,
    /// When it expired, if that is why.
    expired: Option<Moment>,
    /// Why otherwise.
    why: &'static str,
}

/// What a project or a group has.
struct Share {
    link: Crumb,
    artifacts: String,
    size: String,
    growth: String,
    quota: String,
    is_nearly_full: bool,
    /// Since when it is hidden, because its upstream has deleted it: its address leads nowhere.
    gone: Option<Moment>,
}

/// `GET /-/operate`
pub(in crate::web) async fn show(visit: &Visit<'_>) -> Result<HttpResponse, PageError> {
    let view = visit.access().storage(&visit.reader, LISTED).await?;
    let (nodes, nodes_at) = visit.access().nodes(&visit.reader, LISTED).await?;
    let may_sweep = match visit.access().admit_to_registry(&visit.writer()).await {
        Ok(()) => true,
        Err(AccessError::Credential(_)) => false,
        Err(other) => return Err(other.into()),
    };
    let counts = &view.counts;
    let next_more = counts.next_sweep.artifacts > counts.next_sweep_first.len() as i64;
    let template = OperatePage {
        layout: visit.layout("Operation", Vec::new()),
        done: visit.query("done").and_then(done),
        warnings: warnings::of(visit, &view, &nodes::releases(&nodes, nodes_at)),
        counted: view.counted_at.map(|time| Moment::new(time, visit.now())),
        facts: facts::of(visit, &view),
        sweep: may_sweep.then(|| format!("{}/-/operate/sweep", visit.root)),
        next: stored(counts.next_sweep),
        next_first: counts.next_sweep_first.iter().map(|it| due(visit, it)).collect(),
        next_more,
        most: (view.projects.len() as i64 == LISTED).then_some(LISTED),
        most_groups: (view.groups.len() as i64 == LISTED).then_some(LISTED),
        projects: view.projects.iter().map(|it| of_project(visit, it)).collect(),
        groups: view.groups.iter().map(|it| of_group(visit, it)).collect(),
        most_nodes: (nodes.len() as i64 == LISTED).then_some(LISTED),
        nodes: nodes::rows(visit, &nodes, nodes_at),
        settings: facts::settings(&visit.ctx.app.settings),
    };
    page(visit, &template)
}

/// `POST /-/operate/sweep`
pub(in crate::web) async fn sweep(visit: &Visit<'_>) -> Result<HttpResponse, PageError> {
    // Who is no administrator is told that there is no such page, whatever the token's scopes.
    visit.access().admit_to_registry(&visit.reader).await?;
    visit.access().admit_to_registry(&visit.writer()).await?;
    visit.ctx.audit.update(|event| event.subject = Some("sweep of this node".to_owned()));
    let done = match visit.ctx.app.retention.begin_sweep() {
        None => "busy",
        Some(sweeping) => match tokio::time::timeout(PATIENCE, sweeping).await {
            Ok(ended) => {
                ended.map_err(Error::internal)??;
                "swept"
            }
            Err(_) => "sweeping",
        },
    };
    visit.see_other(&format!("{}/-/operate?done={done}#status", visit.root))
}

/// What a sweep has done, by the word that its redirect brings.
fn done(word: &str) -> Option<&'static str> {
    match word {
        "swept" => Some("The sweep is done, and what is stored was counted."),
        "sweeping" => Some("The sweep has begun and goes on. Load this page again to see what it has done."),
        "busy" => Some("A sweep that somebody asked for is running already."),
        _ => None,
    }
}

fn of_project(visit: &Visit<'_>, found: &ProjectStorage) -> Share {
    let link = Crumb::new(&found.path, visit.project(&found.path).home());
    let growth = found.growth.map(|growth| signed_size(growth.bytes));
    Share {
        growth: growth.unwrap_or_default(),
        gone: found.gone_since.map(|since| Moment::new(since, visit.now())),
        ..share(link, found.stored, found.max_storage, found.nearly_full)
    }
}

fn of_group(visit: &Visit<'_>, found: &GroupStorage) -> Share {
    let link = Crumb::new(&found.path, visit.address(&found.path));
    share(link, found.stored, Some(found.max_storage), found.nearly_full)
}

fn share(link: Crumb, stored: Stored, max_bytes: Option<i64>, is_nearly_full: bool) -> Share {
    Share {
        link,
        artifacts: stored.artifacts.to_string(),
        size: row_size(stored.bytes),
        growth: String::new(),
        quota: max_bytes.map(row_size).unwrap_or_default(),
        is_nearly_full,
        gone: None,
    }
}

fn due(visit: &Visit<'_>, found: &DueArtifact) -> Due {
    let Ok(name) = found.name.parse::<ArtifactName>();
    let shown = name.file_path().or(name.named_archive()).unwrap_or(&found.name).to_owned();
    let job = visit.project(&found.project).job(found.job_id);
    // A node of the release before tells no reason, but whether there is an expiry.
    let is_expired = found.why == DueReason::Expired;
    Due {
        name: shown,
        job: Crumb::new(format!("{}, job {}", found.project, found.job_id), job),
        size: row_size(found.bytes),
        expired: is_expired.then_some(found.expire_at).flatten().map(|time| Moment::new(time, visit.now())),
        why: match found.why {
            DueReason::Expired | DueReason::Requested => "its deletion was requested",
            DueReason::NoRoom => "other copies need its room",
            DueReason::Gone => "its project was deleted at the upstream",
        },
    }
}

/// Writes a number of artifacts and their bytes.
fn stored(Stored { artifacts, bytes }: Stored) -> String {
    let artifacts = usize::try_from(artifacts).unwrap_or(0);
    format!("{}, {}", count(artifacts, "artifact", "artifacts"), row_size(bytes))
}

/// Writes by how many bytes something has grown or shrunk.
fn signed_size(bytes: i64) -> String {
    let sign = if bytes < 0 { "−" } else { "+" };
    format!("{sign}{}", size(bytes.unsigned_abs()))
}

/// Writes what is stored and how long the first of it has been so.
fn with_age(visit: &Visit<'_>, what: String, since: Option<Timestamp>, of: &str) -> String {
    match since {
        Some(time) => format!("{what}, {of} {}", Moment::new(time, visit.now()).words),
        None => what,
    }
}

/// Returns the numbers of a view that have to be counted, or `None` before they were.
fn counted(view: &StorageView) -> Option<&StorageCounts> {
    view.counted_at.map(|_| &view.counts)
}
