//! Downloads: conditions and ranges decided, headers written, bytes sent.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_web::body::SizedStream;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use futures_util::{Stream, stream};

use crate::background::WORKER_TURN;
use crate::deliver::{Body, ByteStream};
use crate::domain::range::{self, Requested};
use crate::http::conditional::{Condition, Validators};
use crate::http::headers::attachment;

/// What is to be downloaded, before a byte of it is read.
#[derive(Debug, Clone)]
pub struct Download {
    /// The name to save it under.
    pub filename: String,
    /// Its media type.
    pub media_type: &'static str,
    /// What identifies it.
    pub validators: Validators,
    /// Its exact size in bytes, as it is sent.
    pub size: u64,
    /// Whether parts of it may be asked for.
    pub ranges: bool,
    /// The content coding that it is sent in.
    pub coding: Option<&'static str>,
    /// Whether another client would get it in another coding.
    pub varies: bool,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
}

/// Why nothing is sent.
#[derive(Debug)]
pub enum NotSent<E> {
    /// 412.
    PreconditionFailed,
    /// 416, with the whole size.
    Unsatisfiable(u64),
    /// It could not be opened.
    Failed(E),
}

/// Answers a `GET` or `HEAD` with the address where the download itself is, unless the client has it
/// already.
///
/// # Errors
/// [`NotSent`], for the dialect to put into words.
pub fn redirect<E>(
    request: &HttpRequest,
    download: &Download,
    address: &str,
) -> Result<HttpResponse, NotSent<E>> {
    if let Some(answer) = answer_without_bytes(request, download)? {
        return Ok(answer);
    }
    let mut answer = HttpResponse::Found();
    // The address is good for whoever has it: no cache may keep it for others, or past its time.
    answer.insert_header((header::LOCATION, address)).insert_header((header::CACHE_CONTROL, "no-store"));
    Ok(answer.finish())
}

/// Answers a `GET` or `HEAD`. `open` gets the bytes, all or the part that was asked for; it is
/// called only when bytes are to be sent. A body that then ends early cuts the connection.
///
/// # Errors
/// [`NotSent`], for the dialect to put into words.
pub async fn send<E>(
    request: &HttpRequest,
    download: &Download,
    open: impl AsyncFnOnce(Option<Range<u64>>) -> Result<Body, E>,
) -> Result<HttpResponse, NotSent<E>> {
    if let Some(answer) = answer_without_bytes(request, download)? {
        return Ok(answer);
    }
    let is_head = request.method() == actix_web::http::Method::HEAD;
    let part = match requested(request, download, is_head) {
        Requested::Whole => None,
        Requested::Part(part) => Some(part),
        Requested::Unsatisfiable => return Err(NotSent::Unsatisfiable(download.size)),
    };
    let mut answer = describe(download, part.as_ref());
    let size = part.as_ref().map_or(download.size, |part| part.end - part.start);
    if is_head {
        // What `GET` would have said, `Content-Length` included (RFC 9110, section 9.3.2).
        let nothing: ByteStream = Box::pin(stream::empty());
        return Ok(answer.body(SizedStream::new(size, nothing)));
    }
    Ok(with_body(&mut answer, size, open(part).await.map_err(NotSent::Failed)?))
}

/// The answer with a body of `size` bytes.
pub fn with_body(answer: &mut HttpResponseBuilder, size: u64, body: Body) -> HttpResponse {
    match body {
        Body::AtOnce(bytes) => answer.body(bytes),
        Body::InPieces(pieces) => answer.body(SizedStream::new(size, InTurns { pieces, began: None })),
    }
}

/// A body that lets others have the thread after every [`WORKER_TURN`], however fast its client takes it.
struct InTurns {
    pieces: ByteStream,
    /// When its turn began, unless it has to wait for one.
    began: Option<Instant>,
}

impl Stream for InTurns {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.began.get_or_insert_with(Instant::now).elapsed() > WORKER_TURN {
            self.began = None;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.pieces.as_mut().poll_next(cx)
    }
}

/// The answer where the request's conditions spare us the bytes.
fn answer_without_bytes<E>(
    request: &HttpRequest,
    download: &Download,
) -> Result<Option<HttpResponse>, NotSent<E>> {
    match download.validators.check(request.headers()) {
        Condition::Failed => Err(NotSent::PreconditionFailed),
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
        .insert_header((header::CONTENT_TYPE, download.media_type))
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

/// What a 304 carries too. Whoever may read it was asked for; a shared cache must not answer for us.
fn identify(answer: &mut HttpResponseBuilder, download: &Download) {
    answer
        .insert_header((header::ETAG, download.validators.etag.as_str()))
        .insert_header((header::LAST_MODIFIED, download.validators.date()))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"));
    if download.varies {
        answer.insert_header((header::VARY, "Accept-Encoding"));
    }
}
