//! HTTP errors that all dialects share: the one match from error kind to status, and the one place where a
//! failed request is logged.
//!
//! Each dialect renders them in its vendor's JSON.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::HttpResponseBuilder;
use actix_web::http::{StatusCode, header};

use crate::auth::CredentialError;
use crate::domain::{Error, ErrorKind};
use crate::http::reason::Reason;

/// How long a client should wait after a 503, in whole seconds: runners parse no other form of `Retry-After`.
pub const RETRY_AFTER_SECONDS: u32 = 5;

/// Message for a client that failed to authenticate too often.
pub const TOO_MANY_FAILURES: &str = "Too many failed authentications. Try again later.";

/// Why a request is refused, in any dialect.
#[derive(Debug)]
pub enum RequestError {
    /// The credential is missing or not valid.
    Credential(CredentialError),
    /// Too many credentials from the same address were not valid.
    TooManyFailures {
        /// Value of `Retry-After`.
        retry_after_seconds: u32,
    },
    /// The request's conditions do not hold.
    PreconditionFailed,
    /// The requested range lies outside of the content, which has this many bytes.
    RangeNotSatisfiable(u64),
    /// Any other error.
    Domain(Error),
}

impl RequestError {
    /// Returns the reason, in a few words for the log.
    pub fn reason(&self) -> Cow<'static, str> {
        match self {
            Self::Credential(refusal) => refusal.reason(),
            Self::TooManyFailures { .. } => "too many failed authentications from this address".into(),
            Self::PreconditionFailed => "a precondition of the request failed".into(),
            Self::RangeNotSatisfiable(size) => format!("range is outside the {size} bytes").into(),
            Self::Domain(error) => error.reason(),
        }
    }

    /// Whether a credential was sent that is not valid.
    pub fn is_failed_authentication(&self) -> bool {
        matches!(self, Self::Credential(refusal) if refusal.is_failure())
    }

    /// Returns the status; a dialect may choose another for a credential.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Credential(CredentialError::MissingScope(_)) => StatusCode::FORBIDDEN,
            Self::Credential(_) => StatusCode::UNAUTHORIZED,
            Self::TooManyFailures { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::RangeNotSatisfiable(_) => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::Domain(error) => status(error.kind()),
        }
    }

    /// Begins the response with its status and the headers that belong to it. Logs the server's own errors.
    pub fn begin_response(&self) -> HttpResponseBuilder {
        let status = self.status();
        let mut response = HttpResponse::build(status);
        match self {
            Self::TooManyFailures { retry_after_seconds } => {
                response.insert_header((header::RETRY_AFTER, *retry_after_seconds));
            }
            Self::RangeNotSatisfiable(size) => {
                response.insert_header((header::CONTENT_RANGE, format!("bytes */{size}")));
            }
            Self::Domain(error) => {
                log(error);
                if status == StatusCode::SERVICE_UNAVAILABLE {
                    let seconds = error.retry_after_seconds().unwrap_or(RETRY_AFTER_SECONDS);
                    response.insert_header((header::RETRY_AFTER, seconds));
                }
            }
            Self::Credential(_) | Self::PreconditionFailed => {}
        }
        response
    }
}

/// Attaches the reason of a refusal to the response, for the request log.
pub fn with_reason(reason: Cow<'static, str>, mut response: HttpResponse) -> HttpResponse {
    Reason::new(reason).attach(&mut response);
    response
}

/// Returns the status for an error kind.
pub fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Gone => StatusCode::GONE,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::TooLarge | ErrorKind::OverQuota => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorKind::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::OutOfSpace => StatusCode::INSUFFICIENT_STORAGE,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Logs an error that is the server's fault, whatever the client is told; the reason of a refusal is in the
/// request's log line ([`crate::http::reason`]).
pub fn log(error: &Error) {
    let Some(causes) = error.source_chain() else { return };
    // What passes by itself is told once by who waits for it, and in each request's own line.
    if error.retry_after_seconds().is_some() {
        return;
    }
    if status(error.kind()).is_server_error() {
        tracing::error!(kind = ?error.kind(), causes, "request failed");
    } else if error.is_broken_io() {
        tracing::warn!(kind = ?error.kind(), causes, "stored bytes are missing or damaged");
    }
}

impl From<CredentialError> for RequestError {
    fn from(error: CredentialError) -> Self {
        Self::Credential(error)
    }
}

impl From<Error> for RequestError {
    fn from(error: Error) -> Self {
        Self::Domain(error)
    }
}
