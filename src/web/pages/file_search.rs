//! Page of a search for files by name, in the newest archives of a project.
//!
//! Its work is bounded by archives, entries, results and time, and one address gets a part of the turns. What was found by
//! then is shown, and the page says how far the search has come.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr};

use actix_web::HttpResponse;
use askama::Template;
use futures_util::{StreamExt, stream};

use super::crumbs_to;
use crate::access::SearchedArtifacts;
use crate::archive::ArrangedItem;
use crate::catalog::artifacts::{Artifact, ProjectArtifact};
use crate::deliver::FoundFiles;
use crate::domain::artifact::ArtifactName;
use crate::domain::network::counted_as;
use crate::domain::project::ProjectRef;
use crate::domain::{Error, Timestamp};
use crate::web::address::{Archive, Project};
use crate::web::error::PageError;
use crate::web::layout::{Crumb, Layout, page};
use crate::web::visit::Visit;
use crate::web::words::{Moment, count, row_size, size};

/// How many archives are looked into, the newest.
pub(super) const MOST_ARCHIVES: usize = 100;

/// Among how many artifacts they are looked for, the newest.
const LOOKED_AT: i64 = 1_000;

/// How many files are shown.
const MOST_FILES: usize = 200;

/// How many archives are looked into at the same time.
const AT_A_TIME: usize = 4;

#[derive(Template)]
#[template(path = "file_search.html")]
struct FileSearchPage {
    layout: Layout,
    text: String,
    /// The list of all artifacts.
    all: String,
    rows: Vec<Row>,
    /// How far the search has come, in words.
    summary: String,
    /// Why it has not come to its end.
    early: Option<String>,
    /// Whether all archives were looked into.
    is_whole: bool,
}

struct Row {
    file: String,
    /// `None` if the path is too long for an address.
    address: Option<String>,
    folder: Crumb,
    size: String,
    date: Moment,
    job: Crumb,
    ref_name: String,
}

/// What a search has found so far.
#[derive(Default)]
struct Search {
    rows: Vec<Row>,
    archives: usize,
    unreadable: usize,
    entries: usize,
    has_more: bool,
    is_done: bool,
}

/// `GET …/-/artifacts?file=TEXT`
pub(in crate::web) async fn show(
    visit: &Visit<'_>,
    project: &str,
    text: &str,
) -> Result<HttpResponse, PageError> {
    let (access, reference) = (visit.access(), ProjectRef::Path(project.to_owned()));
    let found = access.searched_artifacts(&visit.reader, reference, MOST_ARCHIVES, LOOKED_AT).await?;
    let SearchedArtifacts { project, items } = found;
    let links = visit.project(&project.path);
    let (mut search, had_turn) = (Search::default(), Cell::new(false));
    let searching = search.run(visit, &links, &items, text, &had_turn);
    let ended = tokio::time::timeout(visit.ctx.app.searches.time, searching).await;
    // What was found by then is shown; who never had his turn is told to come back.
    if ended.is_err() && !had_turn.get() {
        return Err(Error::unavailable("too many searches for files at once").into());
    }
    let all = items.iter().filter(|it| it.artifact.name.file_path().is_none()).count();
    let mut crumbs = crumbs_to(visit, &project.path);
    crumbs.push(Crumb::new("Artifacts", links.artifacts()));
    let template = FileSearchPage {
        layout: visit.layout("Files by name", crumbs),
        text: text.to_owned(),
        all: links.artifacts(),
        summary: search.summary(),
        early: search.early(all),
        is_whole: search.is_done && search.unreadable == 0,
        rows: search.rows,
    };
    page(visit, &template)
}

impl Search {
    /// Searches to its end; notes in `had_turn` that it has come to look into an archive.
    async fn run(
        &mut self,
        visit: &Visit<'_>,
        links: &Project,
        items: &[ProjectArtifact],
        text: &str,
        had_turn: &Cell<bool>,
    ) {
        let app = &visit.ctx.app;
        let address = visit.ctx.client_ip().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), counted_as);
        let look = async |it: &ProjectArtifact| match it.artifact.name.file_path() {
            Some(_) => None,
            None => {
                let turn = app.searches.turns.take(address).await;
                had_turn.set(true);
                let text = text.to_owned();
                Some(app.deliver.find_by_name(&it.artifact, text, MOST_FILES + 1, turn).await)
            }
        };
        let looked = items.iter().map(async |it| (it, look(it).await));
        let mut looked = std::pin::pin!(stream::iter(looked).buffered(AT_A_TIME));
        while let Some((it, found)) = looked.next().await {
            match found {
                None => self.add_file(visit, links, it, text),
                Some(Ok(found)) => self.add_archive(visit, links, it, found),
                Some(Err(_)) => self.unreadable += 1,
            }
            if self.has_more || self.entries > app.searches.entries {
                return;
            }
        }
        self.is_done = true;
    }

    /// Adds an artifact that is a file itself, if its path has the text.
    fn add_file(&mut self, visit: &Visit<'_>, links: &Project, it: &ProjectArtifact, text: &str) {
        let Some(path) = it.artifact.name.file_path() else { return };
        if path.to_ascii_lowercase().contains(&text.to_ascii_lowercase()) {
            let bytes = row_size(it.artifact.size_bytes);
            let archive = links.archive(it.artifact.job_id);
            self.add(row(visit, links, it, &archive, (path, Some(path)), bytes, it.artifact.created_at));
        }
    }

    fn add_archive(&mut self, visit: &Visit<'_>, links: &Project, it: &ProjectArtifact, found: FoundFiles) {
        self.archives += 1;
        self.entries += found.entries;
        let archive = archive(links, &it.artifact);
        for ArrangedItem { name, path, size_bytes, modified_unix_seconds, .. } in found.files {
            let date =
                modified_unix_seconds.map(|seconds| Timestamp::from_millis(seconds.saturating_mul(1000)));
            let date = date.unwrap_or(it.artifact.created_at);
            self.add(row(visit, links, it, &archive, (&name, path.as_deref()), size(size_bytes), date));
        }
    }

    fn add(&mut self, row: Row) {
        if self.rows.len() < MOST_FILES {
            self.rows.push(row);
        } else {
            self.has_more = true;
        }
    }

    fn summary(&self) -> String {
        let files = count(self.rows.len(), "file", "files");
        let archives = match self.archives {
            1 => "1 archive was".to_owned(),
            number => format!("{number} archives were"),
        };
        let unreadable = match self.unreadable {
            0 => String::new(),
            number => format!(" {} could not be read.", count(number, "archive", "archives")),
        };
        format!("{files} found. {archives} looked into, of the newest {MOST_ARCHIVES}.{unreadable}")
    }

    fn early(&self, all: usize) -> Option<String> {
        if self.has_more {
            return Some(format!("There are more than the {MOST_FILES} files that are shown."));
        }
        (!self.is_done).then(|| {
            let left = all.saturating_sub(self.archives + self.unreadable);
            format!(
                "The search ended before it grew too long, and has left out {}.",
                count(left, "older archive", "older archives")
            )
        })
    }
}

/// The addresses of an archive's pages.
fn archive(links: &Project, artifact: &Artifact) -> Archive {
    if artifact.name == ArtifactName::ARCHIVE {
        links.archive(artifact.job_id)
    } else {
        links.named_archive(artifact.job_id, artifact.id)
    }
}

fn row(
    visit: &Visit<'_>,
    links: &Project,
    of: &ProjectArtifact,
    archive: &Archive,
    (name, path): (&str, Option<&str>),
    size: String,
    date: Timestamp,
) -> Row {
    let folder = path.and_then(|path| path.rfind('/').map(|end| &path[..=end])).unwrap_or_default();
    let shown = if folder.is_empty() { "top" } else { folder };
    Row {
        file: name.to_owned(),
        address: path.map(|path| archive.view(path)),
        folder: Crumb::new(shown, archive.browse(folder)),
        size,
        date: Moment::new(date, visit.now()),
        job: Crumb::new(&of.job_name, links.job(of.artifact.job_id)),
        ref_name: of.ref_name.clone(),
    }
}
