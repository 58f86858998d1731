//! Benchmark of a multipart form with a file, in the pieces that a socket delivers.

use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use artigate::http::body::RequestBody;
use artigate::http::multipart::{Form, Part};
use bytes::Bytes;
use futures_util::stream;

use super::part;

const FILE_BYTES: usize = 8 << 20;
const PIECE_BYTES: usize = 32 * 1024;

pub(crate) fn measure() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("multipart/form-data; boundary=8f2c4d6b0a1e3f5d"));
    let body = Bytes::from(form());
    let pieces: Vec<Bytes> = body.chunks(PIECE_BYTES).map(|piece| body.slice_ref(piece)).collect();
    part("multipart form with a file of 8 MiB", FILE_BYTES, || {
        runtime.block_on(read(&headers, pieces.clone()))
    });
}

fn form() -> Vec<u8> {
    let head = "--8f2c4d6b0a1e3f5d\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n";
    let file: Vec<u8> = (0..FILE_BYTES).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    [head.as_bytes(), &file, b"\r\n--8f2c4d6b0a1e3f5d--\r\n"].concat()
}

async fn read(headers: &HeaderMap, pieces: Vec<Bytes>) -> usize {
    let payload: Payload =
        Payload::Stream { payload: Box::pin(stream::iter(pieces.into_iter().map(Ok::<_, PayloadError>))) };
    let mut form = Form::new(headers, RequestBody::new(payload, Duration::from_secs(60)))
        .expect("no coding")
        .expect("a form");
    let mut length = 0;
    while let Some(part) = form.next().await.expect("a whole form") {
        if let Part::File { mut content, .. } = part {
            while let Some(bytes) = content.next().await.expect("a whole file") {
                length += bytes.len();
            }
        }
    }
    assert_eq!(length, FILE_BYTES);
    length
}
