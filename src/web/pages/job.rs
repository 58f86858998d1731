//! Page of a job: everything that it left, until when, why that is kept, and what may be done with it.

use std::collections::HashMap;
use std::time::Duration;

use actix_web::HttpResponse;
use askama::Template;

use super::crumbs_to_pipeline;
use super::shown::is_html;
use crate::access::{JobOverview, OverviewArtifact};
use crate::catalog::artifacts::Artifact;
use crate::catalog::jobs::JobDetails;
use crate::deliver::Contents;
use crate::domain::artifact::{Accessibility, ArtifactFormat, ArtifactKind};
use crate::domain::project::ProjectRef;
use crate::web::address::{Archive, Project};
use crate::web::error::PageError;
use crate::web::layout::{Crumb, Layout, page};
use crate::web::visit::Visit;
use crate::web::words::{Expiry, Moment, State, duration, row_size, short_sha};

/// How many archives of a job are looked into, and how long in all.
const MOST_SEARCHED: usize = 8;
const MOMENT: Duration = Duration::from_secs(1);

#[derive(Template)]
#[template(path = "job.html")]
struct JobPage {
    layout: Layout,
    /// What was done just now.
    done: Option<&'static str>,
    state: State,
    stage: String,
    failure: Option<String>,
    coverage: Option<String>,
    ref_name: String,
    of_ref: String,
    pipeline: Crumb,
    commit: Option<String>,
    sha: String,
    user: Option<String>,
    created: Moment,
    duration: Option<String>,
    erased: Option<Moment>,
    is_running: bool,
    artifacts: Vec<ArtifactRow>,
    expired: Vec<ArtifactRow>,
    /// The pages of an archive that is fetched from the upstream once somebody asks for it.
    elsewhere: Option<Archive>,
    log: Option<String>,
    keep: Option<String>,
    delete: Option<String>,
}

struct ArtifactRow {
    name: String,
    kind: String,
    size: String,
    /// How many files it holds, if that is known.
    files: Option<String>,
    expiry: Expiry,
    /// What is needed to read it, if this person may not.
    closed: Option<&'static str>,
    links: Vec<Crumb>,
}

/// `GET …/-/jobs/ID`
pub(in crate::web) async fn show(
    visit: &Visit<'_>,
    project: &str,
    id: i64,
) -> Result<HttpResponse, PageError> {
    let reference = ProjectRef::Path(project.to_owned());
    let found = visit.access().job_overview(&visit.reader, reference, id).await?;
    let JobOverview { project, details, artifacts, is_locked, has_log, is_at_upstream, rights } = found;
    let JobDetails { job, pipeline, commit, user, .. } = details;
    let links = visit.project(&project.path);
    let crumbs = crumbs_to_pipeline(visit, &project.path, pipeline.id);
    let insides = insides(visit, &links, &artifacts).await;
    let row = |found: OverviewArtifact| row(visit, &links, found, is_locked, &pipeline.ref_name, &insides);
    let (there, gone): (Vec<_>, Vec<_>) = artifacts.into_iter().partition(|it| it.is_available);
    // Reports alone are not kept.
    let may_keep = there.iter().any(|it| it.artifact.is_archive_or_file())
        && there.iter().any(|it| it.artifact.expire_at.is_some());
    let template = JobPage {
        layout: visit.layout(format!("Job {}", job.name), crumbs),
        done: visit.query("done").and_then(done),
        state: job.status.into(),
        stage: job.stage,
        failure: job.failure_reason.map(|reason| reason.replace('_', " ")),
        coverage: job.coverage.map(|percent| format!("{percent:.1} %")),
        of_ref: links.pipelines_of_ref(&pipeline.ref_name),
        ref_name: pipeline.ref_name.clone(),
        pipeline: Crumb::new(pipeline.id.to_string(), links.pipeline(pipeline.id)),
        commit: commit.map(|commit| commit.title).filter(|title| !title.is_empty()),
        sha: short_sha(&pipeline.sha).to_owned(),
        user: user.map(|user| user.name),
        created: Moment::new(job.created_at, visit.now()),
        duration: duration(job.started_at, job.finished_at),
        erased: job.erased_at.map(|time| Moment::new(time, visit.now())),
        is_running: !job.status.is_finished(),
        keep: (rights.keep && may_keep).then(|| links.keep(id)),
        delete: (rights.delete && !there.is_empty()).then(|| links.delete(id)),
        artifacts: there.into_iter().map(row).collect(),
        expired: gone.into_iter().map(row).collect(),
        elsewhere: is_at_upstream.then(|| links.archive(id)),
        log: has_log.then(|| links.view_kind(id, ArtifactKind::Trace.as_str())),
    };
    page(visit, &template)
}

/// What a change has done, by the word that its redirect brings.
fn done(word: &str) -> Option<&'static str> {
    match word {
        "kept" => Some("The artifacts of this job never expire now."),
        "deleted" => Some("The artifacts of this job were deleted."),
        _ => None,
    }
}

fn row(
    visit: &Visit<'_>,
    links: &Project,
    found: OverviewArtifact,
    is_locked: bool,
    ref_name: &str,
    insides: &HashMap<i64, Inside>,
) -> ArtifactRow {
    let OverviewArtifact { artifact, is_archive, is_available, may_read } = found;
    let closed = (!may_read).then_some(match artifact.accessibility {
        _ if artifact.is_copy() => "not for you to read",
        Accessibility::Public => "not for you to read",
        Accessibility::Private => "for developers of the project",
        Accessibility::Maintainer => "for maintainers of the project",
        Accessibility::None => "for jobs only",
    });
    let is_open = is_available && may_read;
    let mut links = if is_open { actions(links, &artifact, is_archive) } else { Vec::new() };
    let inside = insides.get(&artifact.id);
    links
        .extend(inside.and_then(|it| it.report.as_deref()).map(|address| Crumb::new("Open report", address)));
    ArtifactRow {
        name: shown_name(&artifact),
        kind: kind(&artifact),
        size: row_size(artifact.size_bytes),
        files: inside.and_then(|it| it.files).map(|number| number.to_string()),
        expiry: Expiry::new(artifact.expire_at, is_available, is_locked, ref_name, visit.now()),
        closed,
        links,
    }
}

/// What is in an artifact.
#[derive(Debug, Default)]
struct Inside {
    /// How many files it holds, if it is an archive that was looked into.
    files: Option<usize>,
    /// Where the report in it is shown.
    report: Option<String>,
}

/// Looks into a job's artifacts; returns what is in them by their IDs. Archives are looked into for a moment only, since the
/// page must not wait for them; their own pages tell the same in any case.
async fn insides(visit: &Visit<'_>, links: &Project, artifacts: &[OverviewArtifact]) -> HashMap<i64, Inside> {
    let open = || artifacts.iter().filter(|it| it.is_available && it.may_read);
    let mut found: HashMap<i64, Inside> = HashMap::new();
    for OverviewArtifact { artifact, .. } in open() {
        if let Some(path) = artifact.name.file_path().filter(|path| is_html(path)) {
            let report = Some(links.archive(artifact.job_id).report(path));
            found.insert(artifact.id, Inside { files: None, report });
        }
    }
    let deliver = &visit.ctx.app.deliver;
    let is_searched = |it: &&OverviewArtifact| it.is_archive || it.artifact.name.named_archive().is_some();
    let look = async {
        for it in open().filter(is_searched).take(MOST_SEARCHED) {
            let (artifact, files) = (&it.artifact, &[]);
            let contents = Contents { archive: Some(artifact), files };
            let Ok(count) = deliver.count_files(artifact).await else { continue };
            found.entry(artifact.id).or_default().files = Some(count);
            let Ok(Some(path)) = deliver.front_page(contents).await else { continue };
            let archive = if it.is_archive {
                links.archive(artifact.job_id)
            } else {
                links.named_archive(artifact.job_id, artifact.id)
            };
            found.entry(artifact.id).or_default().report = Some(archive.report(&path));
        }
    };
    // What was found by then is shown.
    let _ = tokio::time::timeout(MOMENT, look).await;
    found
}

/// What can be done with an artifact that may be read.
fn actions(links: &Project, artifact: &Artifact, is_archive: bool) -> Vec<Crumb> {
    let id = artifact.job_id;
    if is_archive {
        let archive = links.archive(id);
        return vec![Crumb::new("Browse", archive.browse("")), Crumb::new("Download", archive.download())];
    }
    if artifact.name.named_archive().is_some() {
        let archive = links.named_archive(id, artifact.id);
        return vec![Crumb::new("Browse", archive.browse("")), Crumb::new("Download", archive.download())];
    }
    if let Some(path) = artifact.name.file_path() {
        let archive = links.archive(id);
        return vec![Crumb::new("View", archive.view(path)), Crumb::new("Download", archive.raw(path))];
    }
    let kind = artifact.kind.as_str();
    let download = Crumb::new("Download", links.download_kind(id, kind));
    match artifact.format {
        ArtifactFormat::Zip => vec![download],
        ArtifactFormat::Raw | ArtifactFormat::Gzip => {
            vec![Crumb::new("View", links.view_kind(id, kind)), download]
        }
    }
}

/// The page on which an artifact is looked at, under its name.
pub(super) fn artifact_link(links: &Project, artifact: &Artifact) -> Crumb {
    let name = shown_name(artifact);
    let id = artifact.job_id;
    let address = match (artifact.name.file_path(), artifact.name.named_archive(), artifact.kind) {
        (Some(path), ..) => links.archive(id).view(path),
        (None, Some(_), _) => links.named_archive(id, artifact.id).browse(""),
        (None, None, ArtifactKind::Archive) => links.archive(id).browse(""),
        (None, None, kind) if artifact.format == ArtifactFormat::Zip => {
            links.download_kind(id, kind.as_str())
        }
        (None, None, kind) => links.view_kind(id, kind.as_str()),
    };
    Crumb::new(name, address)
}

/// The name of an artifact: its path or its uploader's name for it, else the name of its file.
pub(super) fn shown_name(artifact: &Artifact) -> String {
    let name = artifact.name.file_path().or(artifact.name.named_archive());
    name.unwrap_or(&artifact.filename).to_owned()
}

/// What an artifact is, in words.
pub(super) fn kind(artifact: &Artifact) -> String {
    if artifact.name.file_path().is_some() {
        return "file".to_owned();
    }
    artifact.kind.as_str().replace('_', " ")
}
