//! Answers that carry bytes: sized streams, and their heads alone.

use actix_web::body::{BoxBody, SizedStream};
use actix_web::http::header;
use actix_web::{HttpResponse, HttpResponseBuilder};
use futures_util::stream;

use crate::deliver::ByteStream;
use crate::http::headers::attachment;

/// A download of exactly `size` bytes, named `filename`.
pub fn download(filename: &str, media_type: &'static str) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CONTENT_TYPE, media_type))
        .insert_header((header::CONTENT_DISPOSITION, attachment(filename)));
    response
}

/// Sends `body`, which must be of `size` bytes; a body that ends early cuts the connection.
pub fn stream(mut response: HttpResponseBuilder, size: u64, body: ByteStream) -> HttpResponse {
    response.body(SizedStream::new(size, body))
}

/// Sends the head that a `GET` would have had, `Content-Length` included (RFC 9110, section 9.3.2).
pub fn head_only(mut response: HttpResponseBuilder, size: u64) -> HttpResponse {
    let nothing = stream::empty::<Result<bytes::Bytes, std::io::Error>>();
    response.body(BoxBody::new(SizedStream::new(size, nothing)))
}
