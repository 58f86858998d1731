//! What GitLab's clients get to see of a download: names, tags, types, codings.

use std::ops::Range;

use actix_web::HttpResponse;
use actix_web::http::header::RANGE;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::api::gitlab::call::Call;
use crate::api::gitlab::failure::Failure;
use crate::catalog::artifacts::Artifact;
use crate::deliver::{self, Body, PackedAs, Sources};
use crate::domain::artifact::ArtifactKind;
use crate::domain::{EntryPath, Error, Sha256Digest};
use crate::http::conditional::Validators;
use crate::http::query::Query;
use crate::http::response::{self, Download, NotSent};
use crate::http::{client, coding, headers};

const BINARY: &str = "application/octet-stream";

/// What reading an archive for this call takes.
pub(super) fn sources(call: &Call) -> Sources<'_> {
    let app = &call.app;
    let client = client::of(&call.request);
    Sources { store: &app.store, indexes: &app.indexes, capacity: &app.capacity, client }
}

/// Sends an artifact as it was uploaded; a client that `follows` redirects is sent to the store itself
/// where the settings say so and the store can be asked.
pub(super) async fn whole(call: &Call, artifact: &Artifact, follows: bool) -> Result<HttpResponse, Failure> {
    let download = describe_whole(artifact)?;
    if follows && call.app.settings.direct_download {
        let disposition = headers::attachment(&artifact.filename);
        let store = &call.app.store;
        if let Some(url) = deliver::signed_url(store, artifact, call.head, disposition).await? {
            return Ok(response::redirect(&call.request, &download, &url)?);
        }
    }
    let blob = deliver::open_artifact(&call.app.store, artifact).await?;
    let open = async |part: Option<Range<u64>>| -> Result<Body, Failure> {
        Ok(Body::InPieces(deliver::read_artifact(&blob, part.unwrap_or(0..blob.size())).await?))
    };
    Ok(response::send(&call.request, &download, open).await?)
}

fn describe_whole(artifact: &Artifact) -> Result<Download, Failure> {
    let digest = BASE64_STANDARD.encode(artifact.sha256.as_bytes());
    Ok(Download {
        filename: artifact.filename.clone(),
        media_type: BINARY,
        validators: validators(artifact, artifact.sha256, ""),
        size: u64::try_from(artifact.size_bytes).map_err(Error::internal)?,
        ranges: true,
        coding: None,
        varies: false,
        headers: vec![
            ("Content-Transfer-Encoding", "binary".into()),
            ("Repr-Digest", format!("sha-256=:{digest}:")),
        ],
    })
}

/// Sends an artifact, or the folder of an archive that `path` names as a zip of its own.
pub(super) async fn whole_or_folder(call: &Call, artifact: &Artifact) -> Result<HttpResponse, Failure> {
    match folder_path(call)? {
        Some(path) if artifact.kind == ArtifactKind::Archive => folder(call, artifact, path).await,
        _ => whole(call, artifact, true).await,
    }
}

/// The folder that `path` names, without a slash at its end; none for the whole archive, which is `.` too.
pub(super) fn folder_path(call: &Call) -> Result<Option<EntryPath>, Failure> {
    let path = Query::bytes_of(call.request.query_string(), "path").unwrap_or_default();
    match path.strip_suffix(b"/").unwrap_or(&path) {
        [] | b"." => Ok(None),
        path => entry_path(path.to_vec()).map(Some),
    }
}

fn entry_path(path: Vec<u8>) -> Result<EntryPath, Failure> {
    EntryPath::from_bytes(path).map_err(|fault| Failure::bad_request(fault.to_string()))
}

async fn folder(call: &Call, archive: &Artifact, path: EntryPath) -> Result<HttpResponse, Failure> {
    let digest = Sha256Digest::of(format!("{}:{}/", archive.sha256, path.as_str()).as_bytes());
    let filename = format!("{}.zip", path.base_name());
    let folder = deliver::plan_folder(sources(call), archive, path)
        .await?
        .ok_or(Failure::absent("Not Found", "folder is not in the archive"))?;
    let download = Download {
        filename,
        media_type: BINARY,
        validators: validators(archive, digest, ""),
        size: folder.size(),
        ranges: false,
        coding: None,
        varies: false,
        headers: vec![("Content-Transfer-Encoding", "binary".into())],
    };
    let open = async |_| -> Result<Body, Failure> { Ok(folder.into_body().await?) };
    Ok(response::send(&call.request, &download, open).await?)
}

/// Sends one file of an archive: as it lies there to a client that unpacks it itself, unpacked to
/// every other one, and to whoever wants a part of it.
pub(super) async fn file(call: &Call, archive: &Artifact, path: Vec<u8>) -> Result<HttpResponse, Failure> {
    let path = entry_path(path)?;
    let entry = deliver::find_entry(sources(call), archive, &path).await?;
    // What is packed already gains nothing, and some clients unpack one layer of two.
    let packed_as = entry.packed_as().filter(|_| !coding::is_packed_already(path.base_name()));
    let form = packed_as.filter(|form| is_wanted(call, *form));
    let suffix = form.map(|form| format!("-{}", form.as_str())).unwrap_or_default();
    let digest = Sha256Digest::of(format!("{}:{}", archive.sha256, path.as_str()).as_bytes());
    let download = Download {
        filename: path.base_name().to_owned(),
        media_type: headers::content_type(path.base_name()),
        validators: validators(archive, digest, &suffix),
        size: form.map_or(entry.size(), |form| entry.packed_size(form)),
        ranges: true,
        coding: form.map(PackedAs::as_str),
        varies: packed_as.is_some(),
        headers: Vec::new(),
    };
    let open = async |part: Option<Range<u64>>| -> Result<Body, Failure> {
        Ok(match (form, part) {
            (Some(form), _) => entry.into_packed_body(form).await?,
            (None, None) => entry.into_body().await?,
            (None, Some(part)) => entry.into_part(part).await?,
        })
    };
    Ok(response::send(&call.request, &download, open).await?)
}

fn is_wanted(call: &Call, form: PackedAs) -> bool {
    let headers = call.request.headers();
    let wants_part = !call.head && headers.contains_key(RANGE);
    !wants_part && coding::prefers(headers, form.as_str())
}

fn validators(artifact: &Artifact, digest: Sha256Digest, suffix: &str) -> Validators {
    Validators { etag: format!("\"{digest}{suffix}\""), last_modified: artifact.created_at }
}

impl From<NotSent<Failure>> for Failure {
    fn from(not_sent: NotSent<Failure>) -> Self {
        match not_sent {
            NotSent::PreconditionFailed => Self::PreconditionFailed,
            NotSent::Unsatisfiable(size) => Self::RangeNotSatisfiable(size),
            NotSent::Failed(failure) => failure,
        }
    }
}
