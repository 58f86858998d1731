//! Refusal of a call, in Twirp's JSON.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::json;

use crate::access::{AccessError, UploadError};
use crate::domain::{Error, ErrorKind};
use crate::http::error::{RequestError, with_reason};

/// Why a call is refused: Twirp's code, its status, and the message.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    reason: String,
    /// Whether a credential was sent that is not valid.
    pub(super) is_failure: bool,
    /// The error whose status and headers the response has, if it is one that all dialects share.
    shared: Option<Box<RequestError>>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status, code, reason: message.clone(), message, is_failure: false, shared: None }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_argument", message)
    }

    pub(super) fn into_response(self) -> HttpResponse {
        let mut response = match &self.shared {
            Some(error) => error.begin_response(),
            None => HttpResponse::build(self.status),
        };
        let response = response.json(json!({ "code": self.code, "msg": self.message }));
        with_reason(self.reason.into(), response)
    }
}

impl From<AccessError> for Refusal {
    fn from(error: AccessError) -> Self {
        let reason = error.reason().into_owned();
        match error {
            AccessError::Credential(refusal) => Self {
                reason,
                is_failure: refusal.is_failure(),
                ..Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "the runtime token is not valid")
            },
            AccessError::Other(error) => error.into(),
            _ => Self { reason, ..Self::new(StatusCode::FORBIDDEN, "permission_denied", "not permitted") },
        }
    }
}

impl From<UploadError> for Refusal {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Access(error) => error.into(),
            UploadError::NameTaken => Self::new(
                StatusCode::CONFLICT,
                "already_exists",
                "an artifact with this name already exists on the workflow run",
            ),
            UploadError::NotFound => Self::new(StatusCode::NOT_FOUND, "not_found", "artifact not found"),
            UploadError::Incomplete => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "failed_precondition",
                "the list of blocks has not been received",
            ),
            UploadError::SizeDiffers(received) => {
                Self::invalid(format!("size: {received} bytes were received"))
            }
            UploadError::DigestDiffers => Self::invalid("hash: the received bytes have another digest"),
        }
    }
}

impl From<RequestError> for Refusal {
    fn from(error: RequestError) -> Self {
        if let RequestError::Domain(error) = &error
            && error.kind() == ErrorKind::OverQuota
        {
            // The toolkit knows a quota by these words alone, and would send everything again after 429.
            let message = format!("insufficient usage: {}", error.public_message());
            return Self::new(StatusCode::FORBIDDEN, code(error.kind()), message);
        }
        let reason = error.reason().into_owned();
        let (code, message) = match &error {
            RequestError::Credential(_) => ("unauthenticated", reason.clone()),
            RequestError::TooManyFailures { .. } => ("resource_exhausted", reason.clone()),
            RequestError::PreconditionFailed => ("failed_precondition", reason.clone()),
            RequestError::RangeNotSatisfiable(_) => ("out_of_range", reason.clone()),
            RequestError::Domain(error) => (code(error.kind()), error.public_message().to_owned()),
        };
        let refusal = Self::new(error.status(), code, message);
        Self { reason, shared: Some(Box::new(error)), ..refusal }
    }
}

/// Returns Twirp's code for an error kind.
const fn code(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Invalid => "invalid_argument",
        ErrorKind::NotFound => "not_found",
        ErrorKind::Conflict => "already_exists",
        ErrorKind::TooLarge => "resource_exhausted",
        ErrorKind::OverQuota => "permission_denied",
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::Unauthenticated
        | ErrorKind::Forbidden
        | ErrorKind::Gone
        | ErrorKind::UnsupportedMedia
        | ErrorKind::Unprocessable
        | ErrorKind::OutOfSpace
        | ErrorKind::Internal => "internal",
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        RequestError::Domain(error).into()
    }
}
