//! Conditional requests (RFC 9110, section 13): whether a representation is sent, not modified or refused.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::http::header::{
    HeaderMap, HeaderName, HttpDate, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE,
};

use crate::domain::Timestamp;

/// The validators of a representation.
#[derive(Debug, Clone)]
pub struct Validators {
    /// Strong entity tag, quotes included.
    pub etag: String,
    /// Modification time; headers show whole seconds.
    pub last_modified: Timestamp,
}

/// The result of a request's conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Answer as if there were no conditions.
    Holds,
    /// 304: the client has this representation.
    NotModified,
    /// 412: the client expected another representation.
    Failed,
}

impl Validators {
    /// Returns the date for `Last-Modified`.
    pub fn date(&self) -> HttpDate {
        let seconds = u64::try_from(self.last_modified.as_millis() / 1000).unwrap_or(0);
        (UNIX_EPOCH + Duration::from_secs(seconds)).into()
    }

    /// Evaluates a request's conditions in the order of section 13.2.2.
    pub fn check(&self, headers: &HeaderMap) -> Condition {
        if let Some(tags) = text(headers, IF_MATCH) {
            if !self.is_among(tags, false) {
                return Condition::Failed;
            }
        } else if date(headers, IF_UNMODIFIED_SINCE).is_some_and(|since| self.modified() > since) {
            return Condition::Failed;
        }
        let unchanged = match text(headers, IF_NONE_MATCH) {
            Some(tags) => self.is_among(tags, true),
            None => date(headers, IF_MODIFIED_SINCE).is_some_and(|since| self.modified() <= since),
        };
        if unchanged { Condition::NotModified } else { Condition::Holds }
    }

    /// Whether a range may be sent: `If-Range` is absent or identifies this representation.
    pub fn allows_range(&self, headers: &HeaderMap) -> bool {
        match text(headers, IF_RANGE) {
            None => true,
            Some(tag) if tag.starts_with('"') => tag == self.etag,
            Some(_) => date(headers, IF_RANGE) == Some(self.modified()),
        }
    }

    fn modified(&self) -> SystemTime {
        self.date().into()
    }

    fn is_among(&self, tags: &str, weak: bool) -> bool {
        tags.split(',').map(str::trim).any(|tag| {
            let tag = if weak { tag.strip_prefix("W/").unwrap_or(tag) } else { tag };
            tag == "*" || tag == self.etag
        })
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

/// Reads a date; an invalid one counts as absent.
fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    text(headers, name)?.parse::<HttpDate>().ok().map(SystemTime::from)
}
