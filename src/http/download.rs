//! Download: evaluates conditions and ranges, writes headers, sends bytes.

use std::borrow::Cow;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_web::body::SizedStream;
use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use futures_util::{Stream, stream};

use crate::catalog::artifacts::Artifact;
use crate::deliver::{
    AssembledDelivery, Body, ByteStream, DeliveredBytes, Delivery, EntryDelivery, StoredEncoding,
};
use crate::domain::range::{self, Requested};
use crate::domain::{EntryPath, Error, Result, Sha256Digest};
use crate::http::conditional::{Condition, Validators};
use crate::http::content_disposition::{attachment, content_type};
use crate::http::content_encoding;
use crate::http::error::RequestError;
use crate::http::measured::Measured;
use crate::metrics::Sent;
use crate::yielding::WORKER_TIME_SLICE;

/// Media type of bytes of unknown type.
const BINARY: &str = "application/octet-stream";

/// The properties of a download that are known before a byte of it is read.
#[derive(Debug, Clone)]
pub struct Download {
    /// Name under which clients save it.
    pub filename: String,
    /// Value of `Content-Type`.
    pub media_type: Cow<'static, str>,
    /// Entity tag and modification time.
    pub validators: Validators,
    /// Exact size in bytes, as sent.
    pub size: u64,
    /// Whether ranges are supported.
    pub ranges: bool,
    /// Content coding in which it is sent.
    pub coding: Option<&'static str>,
    /// Whether another client may get another coding.
    pub varies: bool,
    /// Additional headers.
    pub headers: Vec<(&'static str, String)>,
}

impl Download {
    /// Describes an artifact as uploaded.
    ///
    /// # Errors
    /// `Internal` if its row is invalid.
    pub fn of_whole(artifact: &Artifact) -> Result<Self> {
        Ok(Self {
            filename: artifact.filename.clone(),
            media_type: BINARY.into(),
            validators: validators(artifact, artifact.sha256, ""),
            size: u64::try_from(artifact.size_bytes).map_err(Error::internal)?,
            ranges: true,
            coding: None,
            varies: false,
            headers: Vec::new(),
        })
    }

    /// Describes the folder at `path` of an archive, as a zip of `size` bytes.
    pub fn of_folder(archive: &Artifact, path: &EntryPath, size: u64) -> Self {
        let digest = Sha256Digest::of(format!("{}:{}/", archive.sha256, path.as_str()).as_bytes());
        Self {
            filename: format!("{}.zip", path.base_name()),
            media_type: BINARY.into(),
            validators: validators(archive, digest, ""),
            size,
            ranges: false,
            coding: None,
            varies: false,
            headers: Vec::new(),
        }
    }

    /// Describes a file of an archive for a client with these request headers, and the encoding in which its
    /// bytes are sent: as stored to a client that accepts that encoding, decompressed to every other client
    /// and for a range.
    pub fn of_entry(
        archive: &Artifact,
        path: &EntryPath,
        entry: &EntryDelivery<'_>,
        request: &HttpRequest,
    ) -> (Self, Option<StoredEncoding>) {
        let name = path.base_name();
        // Compressed files gain nothing, and some clients decode only one of two layers.
        let stored_encoding =
            entry.stored_encoding().filter(|_| !content_encoding::is_compressed_already(name));
        let form = stored_encoding.filter(|form| is_wanted(request, *form));
        let suffix = form.map(|form| format!("-{}", form.as_str())).unwrap_or_default();
        let digest = Sha256Digest::of(format!("{}:{}", archive.sha256, path.as_str()).as_bytes());
        let download = Self {
            filename: name.to_owned(),
            media_type: content_type(name).into(),
            validators: validators(archive, digest, &suffix),
            size: form.map_or(entry.size(), |form| entry.compressed_size(form)),
            ranges: true,
            coding: form.map(StoredEncoding::as_str),
            varies: stored_encoding.is_some(),
            headers: Vec::new(),
        };
        (download, form)
    }

    /// Describes a file of an archive that is sent decompressed.
    pub fn of_file(archive: &Artifact, path: &str, entry: &EntryDelivery<'_>) -> Self {
        let name = path.rsplit('/').next().unwrap_or(path);
        let digest = Sha256Digest::of(format!("{}:{path}", archive.sha256).as_bytes());
        Self {
            filename: name.to_owned(),
            media_type: content_type(name).into(),
            validators: validators(archive, digest, ""),
            size: entry.size(),
            ranges: true,
            coding: None,
            varies: false,
            headers: Vec::new(),
        }
    }

    /// Describes a single file of a job.
    ///
    /// # Errors
    /// `Internal` if its row is invalid.
    pub fn of_single_file(file: &Artifact) -> Result<Self> {
        let media_type = match &file.media_type {
            Some(declared) => declared.to_string().into(),
            None => content_type(&file.filename).into(),
        };
        Ok(Self { media_type, ..Self::of_whole(file)? })
    }

    /// Describes a zip that is assembled from single files.
    pub fn of_assembled(zip: &AssembledDelivery, filename: String) -> Self {
        let etag = format!("\"{}\"", zip.digest());
        Self {
            filename,
            media_type: BINARY.into(),
            validators: Validators { etag, last_modified: zip.modified() },
            size: zip.size(),
            ranges: true,
            coding: None,
            varies: false,
            headers: Vec::new(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

fn is_wanted(request: &HttpRequest, form: StoredEncoding) -> bool {
    let headers = request.headers();
    let wants_part = request.method() != Method::HEAD && headers.contains_key(header::RANGE);
    !wants_part && content_encoding::client_prefers(headers, form.as_str())
}

fn validators(artifact: &Artifact, digest: Sha256Digest, suffix: &str) -> Validators {
    Validators { etag: format!("\"{digest}{suffix}\""), last_modified: artifact.created_at }
}

/// Answers a `GET` or `HEAD`. Reads bytes only if some are sent. A body that then ends early closes the
/// connection.
///
/// # Errors
/// [`RequestError::PreconditionFailed`], [`RequestError::RangeNotSatisfiable`], and errors from reading the
/// first bytes.
pub async fn send(
    request: &HttpRequest,
    download: &Download,
    delivery: Delivery<'_>,
) -> Result<HttpResponse, RequestError> {
    if let Some(answer) = answer_without_bytes(request, download)? {
        return Ok(answer);
    }
    match delivery {
        Delivery::Redirect(address) => Ok(redirect(&address)),
        Delivery::Bytes(bytes) => send_bytes(request, download, bytes).await,
    }
}

/// Answers a `GET` or `HEAD` for bytes that are changed on their way, and so never sent in part.
///
/// `make` is called only if there is something to send; it returns how many bytes there are, and the bytes.
///
/// # Errors
/// [`RequestError::PreconditionFailed`], and those of `make`.
pub async fn send_changed(
    request: &HttpRequest,
    download: Download,
    make: impl AsyncFnOnce() -> Result<(u64, Body)>,
) -> Result<HttpResponse, RequestError> {
    if let Some(answer) = answer_without_bytes(request, &download)? {
        return Ok(answer);
    }
    let (size, body) = make().await?;
    if let Some(measured) = Measured::of(request) {
        measured.is_download(Sent::Entry);
    }
    let mut answer = describe(&Download { size, ranges: false, ..download }, None);
    if request.method() == Method::HEAD {
        let nothing: ByteStream = Box::pin(stream::empty());
        return Ok(answer.body(SizedStream::new(size, nothing)));
    }
    Ok(with_body(&mut answer, size, body))
}

/// Redirects to a URL that is valid for anybody who has it: no cache may keep it for others or past its expiry.
pub fn redirect(address: &str) -> HttpResponse {
    HttpResponse::Found()
        .insert_header((header::LOCATION, address))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

async fn send_bytes(
    request: &HttpRequest,
    download: &Download,
    bytes: DeliveredBytes<'_>,
) -> Result<HttpResponse, RequestError> {
    if let Some(measured) = Measured::of(request) {
        measured.is_download(match &bytes {
            DeliveredBytes::Whole(_) => Sent::Archive,
            DeliveredBytes::Entry(..) => Sent::Entry,
            DeliveredBytes::Folder(_) | DeliveredBytes::Assembled(_) => Sent::Folder,
        });
    }
    let is_head = request.method() == Method::HEAD;
    let part = match requested(request, download, is_head) {
        Requested::Whole => None,
        Requested::Part(part) => Some(part),
        Requested::Unsatisfiable => return Err(RequestError::RangeNotSatisfiable(download.size)),
    };
    let mut answer = describe(download, part.as_ref());
    let size = part.as_ref().map_or(download.size, |part| part.end - part.start);
    if is_head {
        // The headers of `GET`, `Content-Length` included (RFC 9110, section 9.3.2).
        let nothing: ByteStream = Box::pin(stream::empty());
        return Ok(answer.body(SizedStream::new(size, nothing)));
    }
    Ok(with_body(&mut answer, size, bytes.into_body(part).await?))
}

/// Builds a response with a body of `size` bytes.
pub fn with_body(answer: &mut HttpResponseBuilder, size: u64, body: Body) -> HttpResponse {
    match body {
        Body::Full(bytes) => answer.body(bytes),
        Body::Stream(pieces) => answer.body(SizedStream::new(size, YieldingStream { pieces, began: None })),
    }
}

/// A body that yields the thread after every [`WORKER_TIME_SLICE`], however fast its client reads.
struct YieldingStream {
    pieces: ByteStream,
    /// When its time slice began; `None` after a yield.
    began: Option<Instant>,
}

impl Stream for YieldingStream {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.began.get_or_insert_with(Instant::now).elapsed() > WORKER_TIME_SLICE {
            self.began = None;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.pieces.as_mut().poll_next(cx)
    }
}

/// Answers a request whose conditions make the bytes unnecessary.
fn answer_without_bytes(
    request: &HttpRequest,
    download: &Download,
) -> Result<Option<HttpResponse>, RequestError> {
    match download.validators.check(request.headers()) {
        Condition::Failed => Err(RequestError::PreconditionFailed),
        Condition::NotModified => {
            let mut answer = HttpResponse::NotModified();
            identify(&mut answer, download);
            Ok(Some(answer.finish()))
        }
        Condition::Holds => Ok(None),
    }
}

fn requested(request: &HttpRequest, download: &Download, is_head: bool) -> Requested {
    let header = request.headers().get(header::RANGE).and_then(|value| value.to_str().ok());
    match header {
        Some(header)
            if download.ranges && !is_head && download.validators.allows_range(request.headers()) =>
        {
            range::parse(header, download.size)
        }
        _ => Requested::Whole,
    }
}

fn describe(download: &Download, part: Option<&Range<u64>>) -> HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    if let Some(part) = part {
        let content_range = format!("bytes {}-{}/{}", part.start, part.end - 1, download.size);
        answer.status(StatusCode::PARTIAL_CONTENT).insert_header((header::CONTENT_RANGE, content_range));
    }
    identify(&mut answer, download);
    answer
        .insert_header((header::CONTENT_TYPE, &*download.media_type))
        .insert_header((header::CONTENT_DISPOSITION, attachment(&download.filename)))
        .insert_header((header::ACCEPT_RANGES, if download.ranges { "bytes" } else { "none" }));
    if let Some(coding) = download.coding {
        answer.insert_header((header::CONTENT_ENCODING, coding));
    }
    for (name, value) in &download.headers {
        answer.insert_header((*name, value.as_str()));
    }
    answer
}

/// Writes the headers common to 200, 206 and 304. `private`, because the permission check must run for every
/// request.
fn identify(answer: &mut HttpResponseBuilder, download: &Download) {
    answer
        .insert_header((header::ETAG, download.validators.etag.as_str()))
        .insert_header((header::LAST_MODIFIED, download.validators.date()))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"));
    if download.varies {
        answer.insert_header((header::VARY, "Accept-Encoding"));
    }
}
