//! Unreadable request: bytes that cannot be parsed as a request, refused by a response that is written as
//! bytes.
//!
//! It has what every other refusal has: a JSON message, an ID, cache headers, a log line.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::SystemTime;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::HttpDate;
use serde_json::json;

use crate::http::{redact, request_log};

/// Why a request cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Status of the response; 400, 408 or 431.
    pub status: StatusCode,
    /// Message and log reason. Never holds the client's input, except the name of a header.
    pub why: Cow<'static, str>,
}

impl Unreadable {
    /// Returns a malformed request.
    pub fn wrong(why: impl Into<Cow<'static, str>>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, why: why.into() }
    }

    /// Returns a request whose head is too large.
    pub fn too_large(why: impl Into<Cow<'static, str>>) -> Self {
        Self { status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, why: why.into() }
    }

    /// Returns a request whose head did not arrive in time.
    pub fn too_late(why: impl Into<Cow<'static, str>>) -> Self {
        Self { status: StatusCode::REQUEST_TIMEOUT, why: why.into() }
    }

    /// Writes the log line and returns the raw response, after which the connection ends. `line` is the
    /// request's first line as far as it is known; `None` if nothing arrived, and then nothing is logged.
    pub fn refuse(&self, peer: Option<SocketAddr>, line: Option<&[u8]>) -> Vec<u8> {
        let id = request_log::fresh_id();
        if let Some(line) = line {
            self.log(peer, line, &id);
        }
        self.answer(&id, line.is_some_and(|line| line.starts_with(b"HEAD ")))
    }

    /// Like [`Unreadable::refuse`], for a protocol that writes the response's head itself.
    pub fn response(&self, peer: Option<SocketAddr>, line: &[u8]) -> HttpResponse {
        let id = request_log::fresh_id();
        self.log(peer, line, &id);
        HttpResponse::build(self.status)
            .insert_header(("x-request-id", id))
            .insert_header(("x-content-type-options", "nosniff"))
            .insert_header(("x-frame-options", "SAMEORIGIN"))
            .insert_header(("cache-control", "private, no-store"))
            .json(self.message())
    }

    fn log(&self, peer: Option<SocketAddr>, line: &[u8], id: &str) {
        let client = peer.map(|peer| tracing::field::display(peer.ip().to_canonical()));
        let (status, reason) = (self.status.as_u16(), self.why.as_ref());
        tracing::warn!(
            client.address = client,
            request.id = id,
            status,
            reason,
            "a malformed request was rejected: {} {status}",
            shown(line),
        );
    }

    fn message(&self) -> serde_json::Value {
        json!({ "message": format!("{} - {}", self.status, self.why) })
    }

    fn answer(&self, id: &str, is_head: bool) -> Vec<u8> {
        let body = self.message().to_string();
        let head = format!(
            "HTTP/1.1 {}\r\ncontent-length: {}\r\nconnection: close\r\ncontent-type: application/json\r\n\
             date: {}\r\nx-request-id: {id}\r\nx-content-type-options: nosniff\r\n\
             x-frame-options: SAMEORIGIN\r\ncache-control: private, no-store\r\n\r\n",
            self.status,
            body.len(),
            HttpDate::from(SystemTime::now()),
        );
        (if is_head { head } else { head + &body }).into_bytes()
    }
}

/// Returns method and target of a request line, redacted and without control characters.
fn shown(line: &[u8]) -> String {
    let mut words = line.splitn(3, |byte| matches!(byte, b' ' | b'\r' | b'\n'));
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let target = String::from_utf8_lossy(target);
    let (path, query) = target.split_once('?').map_or((&*target, None), |(path, query)| (path, Some(query)));
    let (path, query) = (redact::tokens(path), query.map(redact::query));
    let mark = if query.is_some() { "?" } else { "" };
    let method = String::from_utf8_lossy(method);
    let all = format!("{} {path}{mark}{}", redact::tokens(&method), query.unwrap_or_default());
    all.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_shown_without_secrets_and_control_characters() {
        for (line, expected) in [
            ("GET /a?private_token=s&x=y HTTP/1.1\r\n", "GET /a?private_token=[FILTERED]&x=y"),
            ("GET /glpat-s HTTP/1.1", "GET /[FILTERED]"),
            ("GET /ü", "GET /ü"),
            ("\x16\x03\x1b[31m", "\u{fffd}\u{fffd}\u{fffd}[31m "),
            ("GET /\r\nPRIVATE-TOKEN: s", "GET /"),
            ("glpat-s\r\n", "[FILTERED] "),
        ] {
            assert_eq!(shown(line.as_bytes()), expected);
        }
    }

    #[test]
    fn the_answer_to_a_head_request_has_no_body() {
        let wrong = Unreadable::wrong("a reason");
        let get = String::from_utf8(wrong.answer("id", false)).unwrap();
        let (head, body) = get.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, r#"{"message":"400 Bad Request - a reason"}"#);
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\ncontent-length: 40\r\n"), "{head}");
        assert_eq!(wrong.answer("id", true).len(), head.len() + 4);
    }
}
