//! Addresses by ref: they lead to the page of the newest successful job, and so last.

use actix_web::HttpResponse;

use crate::access::{AccessError, ArchiveLookup, RefLookup, RefSearch};
use crate::domain::project::ProjectRef;
use crate::domain::{Error, ErrorKind};
use crate::web::error::PageError;
use crate::web::project_page::{ByRef, RefPage};
use crate::web::visit::Visit;

/// `GET …/-/jobs/artifacts/REF/…?job=NAME`
pub(in crate::web) async fn show(
    visit: &Visit<'_>,
    project: &str,
    candidates: Vec<ByRef>,
) -> Result<HttpResponse, PageError> {
    let Some(job_name) = visit.query("job") else {
        return Err(Error::new(ErrorKind::Invalid, "the parameter job is missing").into());
    };
    let mut last = PageError::NoPage;
    for candidate in candidates {
        let ByRef { ref_name, what, path } = candidate;
        let lookup = RefLookup { ref_name, job_name: job_name.to_owned(), search: RefSearch::Newest };
        let reference = ProjectRef::Path(project.to_owned());
        match visit.access().archive_of_ref(&visit.reader, reference, lookup).await {
            Ok(found) => return lead(visit, project, &found, what, &path),
            Err(error @ (AccessError::ArtifactOfRefNotFound { .. } | AccessError::ArtifactExpired(_))) => {
                // The first candidate has the longest ref; the shortest is the likeliest.
                last = error.into();
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(last)
}

fn lead(
    visit: &Visit<'_>,
    project: &str,
    found: &ArchiveLookup,
    what: RefPage,
    path: &[u8],
) -> Result<HttpResponse, PageError> {
    let Some(job_id) = job_of(found) else { return Err(PageError::NoPage) };
    let archive = visit.project(project).archive(job_id);
    let path = String::from_utf8_lossy(path);
    let address = match what {
        RefPage::Browse if path.is_empty() || path.ends_with('/') => archive.browse(&path),
        RefPage::Browse => archive.browse(&format!("{path}/")),
        RefPage::View | RefPage::File => archive.view(&path),
        RefPage::Report => archive.report(&path),
        RefPage::Raw => archive.raw(&path),
        RefPage::Download => archive.download(),
    };
    visit.redirect(&address)
}

/// The job whose archive was found.
pub(super) fn job_of(found: &ArchiveLookup) -> Option<i64> {
    match found {
        ArchiveLookup::Here(found) => {
            found.archive.as_ref().or(found.files.first()).map(|artifact| artifact.job_id)
        }
        ArchiveLookup::Upstream(order) => Some(order.archive.job_id),
    }
}
