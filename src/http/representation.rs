//! Representation: a JSON answer with its entity tag, which a client that has it does not get again.

use actix_web::http::{Method, header};
use actix_web::{HttpResponse, HttpResponseBuilder};
use bytes::Bytes;

use crate::deliver::TextShare;
use crate::domain::{Result, Sha256Digest};
use crate::http::context::RequestContext;
use crate::http::download::with_body;

/// A JSON text and its entity tag.
#[derive(Debug)]
pub struct Representation {
    text: Bytes,
    etag: String,
    share: TextShare,
}

impl Representation {
    /// Represents by a short text.
    pub fn of(text: Vec<u8>) -> Self {
        Self { etag: etag(&text), text: text.into(), share: TextShare::none() }
    }

    /// Represents by a text of about so many bytes, which `make` makes; if it is long, on a thread of its own.
    ///
    /// # Errors
    /// That of `make`; `Unavailable` when too many long ones are made or sent.
    pub async fn make(
        ctx: &RequestContext,
        bytes: usize,
        make: impl FnOnce() -> Result<Vec<u8>> + Send + 'static,
    ) -> Result<Self> {
        let capacity = ctx.app.deliver.capacity();
        let share = capacity.count_text(bytes, ctx.client_ip()).await?;
        let with_etag = move || make().map(|text| (etag(&text), text));
        let (made, share) = capacity.make_text(share, with_etag).await?;
        let (etag, text) = made?;
        Ok(Self { text: text.into(), etag, share })
    }
}

fn etag(text: &[u8]) -> String {
    format!("W/\"{}\"", Sha256Digest::of(text))
}

/// Answers with a JSON text, or 304 to a client that reads and has it; `describe` adds headers to both.
pub fn answer(
    ctx: &RequestContext,
    mut response: HttpResponseBuilder,
    representation: Representation,
    describe: impl FnOnce(&mut HttpResponseBuilder),
) -> HttpResponse {
    let Representation { text, etag, share } = representation;
    let known = ctx.request.headers().get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let reads = matches!(*ctx.request.method(), Method::GET | Method::HEAD);
    let is_known = reads && known.is_some_and(|tags| tags.split(',').any(|tag| bare(tag) == bare(&etag)));
    if is_known {
        response = HttpResponse::NotModified();
    }
    response.insert_header((header::ETAG, etag));
    describe(&mut response);
    if is_known {
        return response.finish();
    }
    response.insert_header((header::CONTENT_TYPE, "application/json; charset=utf-8"));
    with_body(&mut response, text.len() as u64, share.into_body(text))
}
