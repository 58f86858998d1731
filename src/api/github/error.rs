//! Errors of the REST API: a status, and GitHub's `message`, `documentation_url` and `status`.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::json;

use crate::access::AccessError;
use crate::auth::CredentialError;
use crate::domain::permissions::Action;
use crate::http::error::{RequestError, TOO_MANY_FAILURES, with_reason};

/// The page that errors point to.
const DOCUMENTATION: &str = "https://docs.github.com/rest";

/// The page that GitHub's own answer for an expired artifact points to; clients match the text.
const ABOUT_DOWNLOADS: &str = "https://docs.github.com/rest/actions/artifacts#download-an-artifact";

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum ApiError {
    /// There is nothing at the path for this caller; the text is for the log.
    NotFound(Cow<'static, str>),
    /// The request is malformed.
    BadRequest(Cow<'static, str>),
    /// The artifact has expired.
    Expired,
    /// The caller may read, but not change.
    Forbidden(Cow<'static, str>),
    /// An error that all dialects share.
    Request(RequestError),
}

impl ApiError {
    /// Whether a credential was sent that is not valid.
    pub(super) fn is_failed_authentication(&self) -> bool {
        matches!(self, Self::Request(error) if error.is_failed_authentication())
    }

    fn reason(&self) -> Cow<'static, str> {
        match self {
            Self::NotFound(reason) | Self::BadRequest(reason) | Self::Forbidden(reason) => reason.clone(),
            Self::Expired => "artifact has expired".into(),
            Self::Request(error) => error.reason(),
        }
    }

    pub(super) fn into_response(self) -> HttpResponse {
        with_reason(self.reason(), self.render())
    }

    fn render(self) -> HttpResponse {
        let (status, message, about): (StatusCode, Cow<'static, str>, _) = match &self {
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "Not Found".into(), DOCUMENTATION),
            Self::BadRequest(text) => (StatusCode::BAD_REQUEST, text.clone(), DOCUMENTATION),
            Self::Expired => (StatusCode::GONE, "Artifact has expired".into(), ABOUT_DOWNLOADS),
            Self::Forbidden(_) => (
                StatusCode::FORBIDDEN,
                "Resource not accessible by personal access token".into(),
                DOCUMENTATION,
            ),
            Self::Request(error) => (error.status(), message(error), DOCUMENTATION),
        };
        let mut response = match &self {
            Self::Request(error) => error.begin_response(),
            _ => HttpResponse::build(status),
        };
        response.content_type("application/json; charset=utf-8").body(
            json!({
                "message": message,
                "documentation_url": about,
                "status": status.as_u16().to_string(),
            })
            .to_string(),
        )
    }
}

fn message(error: &RequestError) -> Cow<'static, str> {
    match error {
        RequestError::Credential(CredentialError::Missing | CredentialError::NotForJobs) => {
            "Requires authentication".into()
        }
        RequestError::Credential(CredentialError::MissingScope(_)) => {
            "Resource not accessible by personal access token".into()
        }
        RequestError::Credential(_) => "Bad credentials".into(),
        RequestError::TooManyFailures { .. } => TOO_MANY_FAILURES.into(),
        RequestError::PreconditionFailed => "Precondition Failed".into(),
        RequestError::RangeNotSatisfiable(_) => "Range Not Satisfiable".into(),
        RequestError::Domain(error) => error.public_message().to_owned().into(),
    }
}

/// Takes over the errors that all dialects share.
impl<E: Into<RequestError>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self::Request(error.into())
    }
}

impl From<AccessError> for ApiError {
    fn from(error: AccessError) -> Self {
        let reason = error.reason();
        match error {
            AccessError::Credential(refusal) => Self::Request(RequestError::Credential(refusal)),
            AccessError::Other(error) => error.into(),
            AccessError::ArtifactExpired(_) => Self::Expired,
            // A project whose jobs the caller may not read is none for him.
            AccessError::Forbidden(Action::SeeProject | Action::ReadJobs) => Self::NotFound(reason),
            AccessError::Forbidden(_)
            | AccessError::JobTokenRequired
            | AccessError::TokenOfAnotherJob
            | AccessError::JobNotRunning(_)
            | AccessError::JobErased
            | AccessError::JobNotErasable
            | AccessError::ArtifactJustExpired
            | AccessError::NotAdministrator => Self::Forbidden(reason),
            AccessError::ProjectNotFound(_)
            | AccessError::ProjectMoved { .. }
            | AccessError::JobNotFound { .. }
            | AccessError::PipelineNotFound(_)
            | AccessError::ArtifactNotFound(_)
            | AccessError::ArtifactOfRefNotFound { .. }
            | AccessError::RefNotFound(_)
            | AccessError::CommitNotFound(_)
            | AccessError::NoDefaultBranch
            | AccessError::RefWithoutPipeline
            | AccessError::JobTokenNotAllowed { .. } => Self::NotFound(reason),
        }
    }
}
