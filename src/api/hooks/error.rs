//! Refusals of deliveries.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::header;
use serde_json::json;

use crate::access::AccessError;
use crate::domain::Error;
use crate::http::error::{RequestError, TOO_MANY_FAILURES, with_reason};

/// Why a delivery is not taken.
#[derive(Debug)]
pub(super) enum Refusal {
    /// No upstream of this name has hooks.
    NoUpstream,
    /// The method is another than `POST`.
    Method,
    /// The body is not what the event should have.
    Malformed(String),
    /// An error that all dialects share.
    Request(RequestError),
}

impl Refusal {
    /// Whether no secret was proven.
    pub(super) fn is_failed_authentication(&self) -> bool {
        matches!(self, Self::Request(RequestError::Credential(_)))
    }

    fn reason(&self) -> Cow<'static, str> {
        match self {
            Self::NoUpstream => "no such upstream, or it has no hooks".into(),
            Self::Method => "hooks are sent with POST".into(),
            Self::Malformed(why) => why.clone().into(),
            Self::Request(RequestError::Credential(_)) => "delivery proves no secret of the upstream".into(),
            Self::Request(error) => error.reason(),
        }
    }

    pub(super) fn into_response(self) -> HttpResponse {
        let say = |text: &str| json!({ "message": text });
        let response = match &self {
            Self::NoUpstream => HttpResponse::NotFound().json(say("404 Not Found")),
            Self::Method => HttpResponse::MethodNotAllowed()
                .insert_header((header::ALLOW, "POST"))
                .json(say("405 Method Not Allowed")),
            Self::Malformed(why) => HttpResponse::BadRequest().json(say(&format!("400 Bad request - {why}"))),
            Self::Request(RequestError::Credential(_)) => {
                HttpResponse::Unauthorized().json(say("401 Unauthorized"))
            }
            Self::Request(error) => {
                let text = match error {
                    RequestError::Domain(error) => error.public_message(),
                    _ => TOO_MANY_FAILURES,
                };
                error.begin_response().json(say(text))
            }
        };
        with_reason(self.reason(), response)
    }
}

impl From<RequestError> for Refusal {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Request(error.into())
    }
}

/// Only the catalog can fail here.
impl From<AccessError> for Refusal {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Other(error) => error.into(),
            other => Error::internal(other.reason().into_owned()).into(),
        }
    }
}
