//! Multipart form: a request body that is read part by part, each part bounded.

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_ENCODING, HeaderMap};
use async_compression::tokio::bufread::GzipDecoder;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use tokio_util::io::{ReaderStream, StreamReader};

use crate::domain::{Error, ErrorKind, Result};
use crate::http::body::{RequestBody, broken_off};
use crate::http::disposition::Disposition;

/// Longest text field, in bytes.
const MAX_TEXT_BYTES: usize = 8 * 1024;

/// Most parts of a form.
const MAX_PARTS: usize = 64;

/// Most bytes that a form adds to its file: text fields, headers and boundaries.
pub const MAX_OVERHEAD_BYTES: u64 = (MAX_PARTS * (MAX_TEXT_BYTES + 64 * 1024)) as u64;

/// A form being read.
pub struct Form {
    multipart: Multipart,
    body: RequestBody,
    parts: usize,
}

/// One part of a form.
pub enum Part {
    /// A text field.
    Text {
        /// The field's name.
        name: String,
        /// The field's value.
        value: String,
    },
    /// A file.
    File {
        /// The field's name.
        name: String,
        /// File name as the client sent it, without directories.
        filename: String,
        /// File content, to be read before the next part.
        content: FileContent,
    },
}

/// A file's bytes, as they arrive.
pub struct FileContent {
    field: Box<Field>,
    body: RequestBody,
}

impl Form {
    /// Opens the form in a request's body; `None` if its content type is no multipart form. The body may be
    /// compressed with gzip.
    ///
    /// # Errors
    /// `UnsupportedMedia` for any other content encoding.
    pub fn new(headers: &HeaderMap, body: RequestBody) -> Result<Option<Self>> {
        let encoding = headers.get(CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?").trim());
        let multipart = match encoding {
            None | Some("" | "identity") => Multipart::new(headers, body.clone()),
            Some("gzip" | "x-gzip") => Multipart::new(headers, gunzip(body.clone())),
            Some(_) => {
                let text = "Unsupported Media Type - the only content encoding is gzip";
                return Err(Error::new(ErrorKind::UnsupportedMedia, text));
            }
        };
        let is_form = headers
            .get(actix_web::http::header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.to_ascii_lowercase().starts_with("multipart/form-data"));
        Ok(is_form.then_some(Self { multipart, body, parts: 0 }))
    }

    /// Reads the next part; `None` when form and body have ended as they should.
    ///
    /// # Errors
    /// `Invalid` if the form is incomplete or malformed, or has too many or too long parts.
    pub async fn next(&mut self) -> Result<Option<Part>> {
        self.body.wait_from_now();
        let Some(field) = self.multipart.next().await else {
            self.body.finish().await?;
            return Ok(None);
        };
        let mut field = field.map_err(fault)?;
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(Error::new(ErrorKind::Invalid, format!("the form has more than {MAX_PARTS} parts")));
        }
        let disposition = field.headers().get(CONTENT_DISPOSITION).map(|value| value.as_bytes());
        let Disposition { name, filename } = disposition.map(Disposition::parse).unwrap_or_default();
        if let Some(filename) = filename {
            return Ok(Some(Part::File {
                name,
                filename,
                content: FileContent { field: Box::new(field), body: self.body.clone() },
            }));
        }
        let too_long =
            |_| Error::new(ErrorKind::Invalid, format!("a form field is longer than {MAX_TEXT_BYTES} bytes"));
        let value = field.bytes(MAX_TEXT_BYTES).await.map_err(too_long)?.map_err(fault)?;
        let value = String::from_utf8(value.into())
            .map_err(|_| Error::new(ErrorKind::Invalid, "a form field is not valid UTF-8"))?;
        Ok(Some(Part::Text { name, value }))
    }
}

impl FileContent {
    /// Reads the next bytes of the file; `None` at its end.
    ///
    /// # Errors
    /// `Invalid` if the form is incomplete.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        self.body.wait_from_now();
        self.field.next().await.transpose().map_err(fault)
    }
}

fn gunzip(body: RequestBody) -> impl Stream<Item = Result<Bytes, PayloadError>> {
    let packed = body.map_err(std::io::Error::other);
    let mut decoder = GzipDecoder::new(StreamReader::new(packed));
    decoder.multiple_members(true);
    ReaderStream::new(decoder).map_err(PayloadError::Io)
}

fn fault(error: MultipartError) -> Error {
    match error {
        MultipartError::Incomplete | MultipartError::Payload(_) => broken_off(error),
        other => {
            Error::new(ErrorKind::Invalid, "the multipart form cannot be read").with_source(other.to_string())
        }
    }
}
