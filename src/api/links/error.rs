//! Refusal of a request by link, in Azure's XML, or in JSON for agents, which show it to people.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};

use super::block_list::InvalidBlockList;
use crate::access::{AccessError, UploadError};
use crate::domain::{Error, ErrorKind};
use crate::http::error::{RequestError, with_reason};

/// Why a request by link is refused: Azure's code, and the reason for the log.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    reason: String,
    /// The error whose status and headers the response has, if it is one that all dialects share.
    shared: Option<Box<RequestError>>,
    in_json: bool,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status, code, reason: message.clone(), message, shared: None, in_json: false }
    }

    pub(super) fn forbidden(reason: &str) -> Self {
        let message = "The link is not valid or has expired.";
        let refusal = Self::new(StatusCode::FORBIDDEN, "AuthenticationFailed", message);
        Self { reason: reason.to_owned(), ..refusal }
    }

    pub(super) fn in_json(self) -> Self {
        Self { in_json: true, ..self }
    }

    pub(super) fn into_response(self) -> HttpResponse {
        let mut response = match &self.shared {
            Some(error) => error.begin_response(),
            None => HttpResponse::build(self.status),
        };
        if self.in_json {
            let response = response.json(serde_json::json!({ "message": self.message }));
            return with_reason(self.reason.into(), response);
        }
        let text = quick_xml::escape::escape(&self.message);
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{}</Code><Message>{text}</Message></Error>",
            self.code
        );
        let response = response
            .insert_header((header::CONTENT_TYPE, "application/xml"))
            .insert_header(("x-ms-error-code", self.code))
            .body(body);
        with_reason(self.reason.into(), response)
    }
}

impl From<RequestError> for Refusal {
    fn from(error: RequestError) -> Self {
        let message = match &error {
            RequestError::Domain(error) => error.public_message().to_owned(),
            other => other.reason().into_owned(),
        };
        let reason = error.reason().into_owned();
        let (status, code, shared) = (error.status(), code(&error), Some(Box::new(error)));
        Self { status, code, message, reason, shared, in_json: false }
    }
}

/// Returns Azure's code for an error that all dialects share.
fn code(error: &RequestError) -> &'static str {
    match error {
        RequestError::Credential(_) | RequestError::TooManyFailures { .. } => "AuthenticationFailed",
        RequestError::PreconditionFailed => "ConditionNotMet",
        RequestError::RangeNotSatisfiable(_) => "InvalidRange",
        RequestError::Domain(error) => match error.kind() {
            ErrorKind::Invalid => "InvalidInput",
            ErrorKind::Unauthenticated | ErrorKind::Forbidden => "AuthenticationFailed",
            ErrorKind::NotFound | ErrorKind::Gone => "BlobNotFound",
            ErrorKind::Conflict => "OperationNotAllowed",
            ErrorKind::TooLarge | ErrorKind::OverQuota => "RequestBodyTooLarge",
            ErrorKind::Unavailable => "ServerBusy",
            ErrorKind::OutOfSpace => "InsufficientAccountPermissions",
            ErrorKind::UnsupportedMedia | ErrorKind::Unprocessable | ErrorKind::Internal => "InternalError",
        },
    }
}

impl From<InvalidBlockList> for Refusal {
    fn from(why: InvalidBlockList) -> Self {
        let code = match why {
            InvalidBlockList::Document => "InvalidXmlDocument",
            InvalidBlockList::Id => "InvalidQueryParameterValue",
            InvalidBlockList::TooLong => "BlockListTooLong",
        };
        Self::new(StatusCode::BAD_REQUEST, code, why.to_string())
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        RequestError::Domain(error).into()
    }
}

impl From<AccessError> for Refusal {
    fn from(error: AccessError) -> Self {
        let reason = error.reason().into_owned();
        match error {
            AccessError::ArtifactExpired(_) => {
                let gone = Error::new(ErrorKind::Gone, "Artifact has expired");
                Self { reason, ..gone.into() }
            }
            AccessError::JobNotRunning(_) => Self::forbidden(&reason),
            AccessError::Other(error) => error.into(),
            _ => Self {
                reason,
                ..Self::new(StatusCode::NOT_FOUND, "BlobNotFound", "The artifact does not exist.")
            },
        }
    }
}

impl From<UploadError> for Refusal {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Access(error) => error.into(),
            UploadError::NotFound => Self::forbidden("the upload takes nothing any more"),
            UploadError::NameTaken
            | UploadError::Incomplete
            | UploadError::SizeDiffers(_)
            | UploadError::DigestDiffers => {
                Self::new(StatusCode::CONFLICT, "OperationNotAllowed", "The upload is not in that state.")
            }
        }
    }
}
