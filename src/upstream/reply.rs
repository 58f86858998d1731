//! Reply: an answer of the upstream as it was received, read to its end within bounds.

use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use serde_json::Value;

use super::answer::Outage;
use super::client::failure;

/// The largest answer, in bytes: a page of jobs holds the whole message of each commit.
const MAX_BODY: usize = 4 << 20;

/// An answer as it was received.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// The body, `Null` if the status is that of a redirect or the body is none of JSON.
    pub(super) json: Value,
    /// The target of a redirect.
    pub(super) location: Option<String>,
    /// The headers.
    pub(super) headers: HeaderMap,
}

impl Reply {
    /// Reads an answer to its end.
    pub(super) async fn read(mut response: Response) -> Result<Self, Outage> {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let location = headers.get(LOCATION).and_then(|value: &HeaderValue| value.to_str().ok());
        let location = location.map(str::to_owned);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(Outage::of_question("the answer is too large"));
            }
            body.extend_from_slice(&chunk);
        }
        let is_json = has_media(&headers, "application/json");
        let json = if is_json { serde_json::from_slice(&body).ok() } else { None };
        Ok(Self { status, json: json.unwrap_or(Value::Null), location, headers })
    }

    /// Whether it has this media type.
    pub(super) fn has_media(&self, wanted: &str) -> bool {
        has_media(&self.headers, wanted)
    }
}

fn has_media(headers: &HeaderMap, wanted: &str) -> bool {
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = media.and_then(|media| media.split(';').next());
    essence.is_some_and(|media| media.trim().eq_ignore_ascii_case(wanted))
}
