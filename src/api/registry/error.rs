//! Errors of this dialect: a status, and `{"message": …}` that says what is wrong.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use serde_json::json;

use crate::access::AccessError;
use crate::auth::CredentialError;
use crate::domain::{Error, ErrorKind};
use crate::http::error::{RequestError, TOO_MANY_FAILURES, with_reason};
use crate::registry::LoadError;

/// Longest message, in characters: it may repeat the client's input.
const MAX_MESSAGE: usize = 2000;

/// Value of `WWW-Authenticate`.
const CHALLENGE: &str = "Bearer realm=\"artigate\", scope=\"registry\"";

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum ApiError {
    /// No resource has this path.
    NoResource,
    /// The resource accepts only these methods.
    Method(&'static [&'static str]),
    /// An error that all dialects share.
    Request(RequestError),
}

impl ApiError {
    /// Whether a credential was sent that is not valid.
    pub(super) fn is_failed_authentication(&self) -> bool {
        matches!(self, Self::Request(error) if error.is_failed_authentication())
    }

    /// Returns the reason, in a few words for the log.
    fn reason(&self) -> Cow<'static, str> {
        match self {
            Self::NoResource => "no such route".into(),
            Self::Method(_) => "the resource does not support the method".into(),
            Self::Request(error) => error.reason(),
        }
    }

    pub(super) fn into_response(self) -> HttpResponse {
        with_reason(self.reason(), self.render())
    }

    fn render(self) -> HttpResponse {
        match self {
            Self::NoResource => {
                HttpResponse::NotFound().json(json!({ "message": "there is nothing at this path" }))
            }
            Self::Method(methods) => {
                let methods = methods.join(", ");
                HttpResponse::MethodNotAllowed()
                    .insert_header((header::ALLOW, methods.as_str()))
                    .json(json!({ "message": format!("expected the method {methods}") }))
            }
            Self::Request(RequestError::Credential(refusal)) => refused(refusal),
            Self::Request(error) => {
                let text: String = message(&error).chars().take(MAX_MESSAGE).collect();
                error.begin_response().json(json!({ "message": text }))
            }
        }
    }
}

fn message(error: &RequestError) -> &str {
    match error {
        RequestError::Credential(_) => "the credential is not valid",
        RequestError::TooManyFailures { .. } => TOO_MANY_FAILURES,
        RequestError::PreconditionFailed => "a precondition of the request failed",
        RequestError::RangeNotSatisfiable(_) => "the range is not satisfiable",
        RequestError::Domain(error) => error.public_message(),
    }
}

fn refused(refusal: CredentialError) -> HttpResponse {
    let (status, text) = match refusal {
        CredentialError::Missing | CredentialError::NotForJobs => {
            (StatusCode::UNAUTHORIZED, "a personal access token with the `registry` scope is required")
        }
        CredentialError::Unreadable(_) => (
            StatusCode::UNAUTHORIZED,
            "the credential is neither a PRIVATE-TOKEN nor a bearer token in ASCII",
        ),
        CredentialError::Unknown
        | CredentialError::JobIdle(_)
        | CredentialError::JobErased
        | CredentialError::JobOfNobody
        | CredentialError::IdToken(_) => (StatusCode::UNAUTHORIZED, "the token is unknown"),
        CredentialError::Expired => (StatusCode::UNAUTHORIZED, "the token has expired"),
        CredentialError::Revoked => (StatusCode::UNAUTHORIZED, "the token was revoked"),
        CredentialError::MissingScope(_) => (StatusCode::FORBIDDEN, "the token lacks the `registry` scope"),
    };
    let mut answer = HttpResponse::build(status);
    if status == StatusCode::UNAUTHORIZED {
        answer.insert_header((header::WWW_AUTHENTICATE, CHALLENGE));
    }
    answer.json(json!({ "message": text }))
}

/// Takes over the errors that all dialects share.
impl<E: Into<RequestError>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self::Request(error.into())
    }
}

/// Only a credential, the right of an administrator, the state of a job and the catalog can fail here.
impl From<AccessError> for ApiError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Credential(refusal) => refusal.into(),
            AccessError::Other(error) => error.into(),
            missing @ AccessError::JobNotFound { .. } => {
                Error::new(ErrorKind::NotFound, missing.reason()).into()
            }
            ended @ (AccessError::JobNotRunning(_) | AccessError::JobErased) => {
                Error::new(ErrorKind::Conflict, ended.reason()).into()
            }
            missing @ (AccessError::ProjectNotFound(_)
            | AccessError::ProjectMoved { .. }
            | AccessError::PipelineNotFound(_)
            | AccessError::ArtifactNotFound(_)
            | AccessError::ArtifactExpired(_)
            | AccessError::ArtifactOfRefNotFound { .. }
            | AccessError::RefNotFound(_)
            | AccessError::CommitNotFound(_)
            | AccessError::NoDefaultBranch
            | AccessError::RefWithoutPipeline) => Error::new(ErrorKind::NotFound, missing.reason()).into(),
            refused @ (AccessError::JobTokenRequired
            | AccessError::Forbidden(_)
            | AccessError::JobTokenNotAllowed { .. }
            | AccessError::TokenOfAnotherJob
            | AccessError::JobNotErasable
            | AccessError::ArtifactJustExpired
            | AccessError::NotAdministrator) => Error::new(ErrorKind::Forbidden, refused.reason()).into(),
        }
    }
}

/// Refuses a malformed document as a bad request, a well-formed but invalid one as unprocessable.
impl From<LoadError> for ApiError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Access(error) => error.into(),
            LoadError::Malformed(text) => Error::new(ErrorKind::Invalid, text).into(),
            LoadError::Invalid(text) | LoadError::Unreadable(text) => {
                Error::new(ErrorKind::Unprocessable, text).into()
            }
            LoadError::Failed(error) => error.into(),
        }
    }
}
