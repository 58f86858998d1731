//! What the pages of an archive share: which archive an address means, and where its pages are.

use crate::access::JobArchive;
use crate::catalog::jobs::JobPlace;
use crate::deliver::Contents;
use crate::domain::project::ProjectRef;
use crate::domain::{EntryPath, Error, ErrorKind};
use crate::http::pulled::here;
use crate::web::address::{Archive, Project};
use crate::web::error::PageError;
use crate::web::layout::Crumb;
use crate::web::report;
use crate::web::visit::Visit;

/// The archive that a page is about.
pub(super) struct Opened {
    pub(super) found: JobArchive,
    /// The addresses of its pages.
    pub(super) links: Archive,
    /// The addresses of its project's pages.
    pub(super) project: Project,
    pub(super) job_id: i64,
    /// Where the job stands.
    pub(super) place: JobPlace,
}

impl Opened {
    /// Finds what stands for a job's archive or, if the query names it, another archive of the job.
    pub(super) async fn find(visit: &Visit<'_>, project: &str, job_id: i64) -> Result<Self, PageError> {
        let reference = ProjectRef::Path(project.to_owned());
        let project = visit.project(project);
        let (found, links) = match visit.query("artifact").and_then(|text| text.parse().ok()) {
            None => {
                let find = async || {
                    let found = visit.access().archive_of_job(&visit.reader, reference.clone(), job_id).await;
                    found.map_err(PageError::from)
                };
                (here(visit.ctx, find).await?, project.archive(job_id))
            }
            Some(id) => {
                let found = visit.access().artifact_by_id(&visit.reader, reference.clone(), job_id, id);
                let found = JobArchive { archive: Some(found.await?), files: Vec::new() };
                (found, project.named_archive(job_id, id))
            }
        };
        let place = visit.access().job_place(&visit.reader, reference, job_id).await?;
        Ok(Self { found, links, project, job_id, place })
    }

    pub(super) fn contents(&self) -> Contents<'_> {
        Contents { archive: self.found.archive.as_ref(), files: &self.found.files }
    }

    /// Makes the page of an error about the archive: what cannot be read can still be downloaded.
    pub(super) fn refused(&self, error: Error) -> PageError {
        match error.kind() {
            ErrorKind::Unprocessable => PageError::Unreadable(
                Box::new(error),
                Crumb::new("Download the archive", self.links.download()),
            ),
            _ => error.into(),
        }
    }

    /// Makes the page of a path that is not there, with the nearest folder that is.
    pub(super) async fn missing(&self, visit: &Visit<'_>, path: &str) -> PageError {
        let nearest = visit.ctx.app.deliver.nearest_folder(self.contents(), path.to_owned()).await;
        let folder = match nearest {
            Ok(folder) => folder,
            Err(error) => return self.refused(error),
        };
        let name =
            if folder.is_empty() { "Browse the archive".to_owned() } else { format!("Browse {folder}") };
        PageError::NoFile(Crumb::new(name, self.links.browse(&folder)))
    }

    /// The address of the report that a folder holds: its index, and at the root whatever a person begins with. What
    /// cannot be read is none.
    pub(super) async fn report(&self, visit: &Visit<'_>, folder: &str) -> Option<String> {
        if folder.is_empty() {
            let found = visit.ctx.app.deliver.front_page(self.contents()).await;
            return found.ok().flatten().map(|path| self.links.report(&path));
        }
        let found = report::find(visit.ctx, &self.found, folder.as_bytes()).await.ok().flatten();
        found.map(|_| self.links.report(folder))
    }

    /// The way from the job to a path of the archive: its folders, each with its address, without the last segment.
    pub(super) fn crumbs(&self, path: &str) -> Vec<Crumb> {
        let path = path.trim_end_matches('/');
        let top = Crumb::new("Archive", self.links.browse(""));
        let folders = path.match_indices('/').map(|(at, _)| {
            let folder = &path[..at];
            let name = folder.rsplit('/').next().unwrap_or(folder);
            Crumb::new(name, self.links.browse(&path[..=at]))
        });
        [top].into_iter().chain(folders).collect()
    }

    /// The way from the top to the job.
    pub(super) fn crumbs_to_job(&self, visit: &Visit<'_>, project: &str) -> Vec<Crumb> {
        super::crumbs_to_job(visit, project, self.job_id, &self.place)
    }
}

/// Reads the decoded path of an address, without a slash at its end; `None` for the root.
pub(super) fn path_of(bytes: &[u8]) -> Result<Option<EntryPath>, PageError> {
    let bytes = bytes.strip_suffix(b"/").unwrap_or(bytes);
    if bytes.is_empty() {
        return Ok(None);
    }
    let invalid =
        |fault: crate::domain::entry_path::PathError| Error::new(ErrorKind::Invalid, fault.to_string());
    Ok(Some(EntryPath::from_bytes(bytes.to_vec()).map_err(invalid)?))
}
