//! The one match from error kind to status, and the one place where a failed request is logged.

use actix_web::http::StatusCode;

use crate::domain::{Error, Kind};

/// How long a client is asked to wait after a 503, in whole seconds: runners understand no other
/// form of `Retry-After`.
pub const RETRY_AFTER_SECONDS: u32 = 5;

/// What a client is told that failed to authenticate too often.
pub const TOO_MANY_FAILURES: &str = "Too many failed authentications. Try again later.";

/// The status for an error.
pub fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Invalid => StatusCode::BAD_REQUEST,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Kind::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::OutOfSpace => StatusCode::INSUFFICIENT_STORAGE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Tells the log of what is our own fault, however the client is answered; why a request is refused stands
/// in its line ([`crate::http::reason`]).
pub fn log(error: &Error) {
    let Some(causes) = error.causes() else { return };
    if status(error.kind()).is_server_error() {
        tracing::error!(kind = ?error.kind(), causes, "request failed");
    } else if error.is_broken_io() {
        tracing::warn!(kind = ?error.kind(), causes, "bytes that there should be are not");
    }
}
