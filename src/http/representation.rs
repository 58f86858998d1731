//! Representation: a JSON answer with its entity tag, which a client that has it does not get again.

use actix_web::http::header;
use actix_web::{HttpResponse, HttpResponseBuilder};

use crate::domain::Sha256Digest;
use crate::http::context::RequestContext;

/// Answers with a JSON text, or 304 if the client has it; `describe` adds headers to both.
pub fn answer(
    ctx: &RequestContext,
    mut response: HttpResponseBuilder,
    body: Vec<u8>,
    describe: impl FnOnce(&mut HttpResponseBuilder),
) -> HttpResponse {
    let etag = format!("W/\"{}\"", Sha256Digest::of(&body));
    let known = ctx.request.headers().get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let is_known = known.is_some_and(|tags| tags.split(',').any(|tag| bare(tag) == bare(&etag)));
    if is_known {
        response = HttpResponse::NotModified();
    }
    response.insert_header((header::ETAG, etag));
    describe(&mut response);
    if is_known {
        return response.finish();
    }
    response.insert_header((header::CONTENT_TYPE, "application/json; charset=utf-8")).body(body)
}
