//! Errors in GitLab's words: the key `error` for parameters, tokens and routes, `message` for everything
//! else.
//!
//! Runners show `message` to people, so a response with `error` has that, too.
//!
//! The actual reason of a refusal is logged.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::header;
use serde_json::{Value, json};

use super::moved::MovedProject;
use crate::access::AccessError;
use crate::auth::CredentialError;
use crate::domain::pipeline::RefKind;
use crate::domain::status::Status;
use crate::domain::{Error, ErrorKind};
use crate::http::error::{RequestError, TOO_MANY_FAILURES, with_reason};
use crate::http::query::InvalidParameter;

/// GitLab's text for a project that does not exist or is hidden from the caller.
const NO_PROJECT: &str = "Project Not Found";

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum ApiError {
    /// No such route.
    NoRoute,
    /// A parameter is missing or wrong.
    Parameter(String),
    /// The input is invalid; sent in exactly these words.
    Validation(String),
    /// The list has no such pagination.
    NotAvailable(String),
    /// The token of an upload is no job token; 403, because a runner takes only that as final.
    JobToken(CredentialError),
    /// The uploading job does not run.
    JobNotRunning(Status),
    /// The project was moved; see [`super::moved`].
    Moved(MovedProject),
    /// Something was not found.
    NotFound(NotFound),
    /// An error that all dialects share.
    Request(RequestError),
}

/// A 404 in GitLab's words.
#[derive(Debug)]
pub(super) struct NotFound {
    what: Missing,
    message: Cow<'static, str>,
    /// Reason for a caller that may read the project's jobs.
    hint: Option<Cow<'static, str>>,
    /// Reason for the log.
    reason: Cow<'static, str>,
}

/// The kind of resource that was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    Project,
    Artifact,
    Other,
}

impl ApiError {
    /// Builds a 404: `what` in GitLab's words, `hint` for callers that may read the project's jobs.
    pub(super) fn absent(what: &'static str, hint: &'static str) -> Self {
        Self::NotFound(NotFound {
            what: Missing::Other,
            message: what.into(),
            hint: Some(hint.into()),
            reason: hint.into(),
        })
    }

    /// Builds a 403; `reason` is for the log only.
    pub(super) fn forbidden(reason: impl Into<Cow<'static, str>>) -> Self {
        Error::new(ErrorKind::Forbidden, "").with_source(reason.into()).into()
    }

    /// Builds a 403 that tells the client why.
    fn forbidden_because(reason: impl Into<Cow<'static, str>>) -> Self {
        Error::new(ErrorKind::Forbidden, reason).into()
    }

    /// Builds a 400; `reason` is for the log only.
    pub(super) fn bad_request(reason: impl Into<Cow<'static, str>>) -> Self {
        Error::new(ErrorKind::Invalid, "").with_source(reason.into()).into()
    }

    /// Whether a credential was sent that is not valid.
    pub(super) fn is_failed_authentication(&self) -> bool {
        match self {
            Self::Request(error) => error.is_failed_authentication(),
            Self::JobToken(refusal) => refusal.is_failure(),
            _ => false,
        }
    }

    /// Whether no usable credential was sent.
    pub(super) fn is_missing_credential(&self) -> bool {
        matches!(self, Self::Request(RequestError::Credential(refusal)) if refusal.is_missing())
    }

    /// Whether another candidate route of the same path is worth trying.
    pub(super) fn is_not_found(&self) -> bool {
        self.has_kind(ErrorKind::NotFound) || matches!(self, Self::NotFound(_))
    }

    /// Whether the caller lacks a permission.
    pub(super) fn is_forbidden(&self) -> bool {
        self.has_kind(ErrorKind::Forbidden)
    }

    /// Whether the caller is told what is missing, because it may read the project's jobs.
    pub(super) fn is_told(&self) -> bool {
        match self {
            Self::NotFound(found) => found.hint.is_some(),
            Self::Request(RequestError::Domain(error)) => error.hint().is_some(),
            _ => false,
        }
    }

    fn has_kind(&self, kind: ErrorKind) -> bool {
        matches!(self, Self::Request(RequestError::Domain(error)) if error.kind() == kind)
    }

    /// Replaces the message if a job was found and its artifact was not.
    pub(super) fn artifact_named(self, message: &'static str) -> Self {
        match self {
            Self::NotFound(found @ NotFound { what: Missing::Artifact, .. }) => {
                Self::NotFound(NotFound { message: message.into(), ..found })
            }
            other => other,
        }
    }

    /// Returns the one of the errors of two candidate routes that got further: past its project.
    pub(super) fn or_closer(self, other: Self) -> Self {
        let no_project = matches!(&other, Self::NotFound(NotFound { what: Missing::Project, .. }));
        if no_project && !matches!(self, Self::NoRoute) { self } else { other }
    }

    /// Turns any error into a plain 404; its reason stays.
    pub(super) fn hidden(self) -> Self {
        let message = Cow::Borrowed("Not Found");
        match self {
            Self::NotFound(found) => Self::NotFound(NotFound { message, ..found }),
            Self::Request(RequestError::Domain(error)) if error.kind() == ErrorKind::NotFound => {
                error.with_public_message(message).into()
            }
            other => {
                Self::NotFound(NotFound { what: Missing::Other, message, hint: None, reason: other.reason() })
            }
        }
    }

    /// Returns the reason, in a few words for the log.
    fn reason(&self) -> Cow<'static, str> {
        match self {
            Self::NoRoute => "no such route".into(),
            Self::Parameter(text) | Self::Validation(text) | Self::NotAvailable(text) => text.clone().into(),
            Self::JobToken(refusal) => refusal.reason(),
            Self::JobNotRunning(status) => format!("job is not running: {status}").into(),
            Self::Moved(moved) => format!("project was moved to {}", moved.to).into(),
            Self::NotFound(found) => found.reason.clone(),
            Self::Request(error) => error.reason(),
        }
    }

    pub(super) fn into_response(self) -> HttpResponse {
        with_reason(self.reason(), self.render())
    }

    fn render(self) -> HttpResponse {
        match self {
            Self::NoRoute => HttpResponse::NotFound().json(twice("404 Not Found")),
            Self::Parameter(text) => HttpResponse::BadRequest().json(twice(&text)),
            Self::Validation(text) => HttpResponse::BadRequest().json(json!({ "message": text })),
            Self::NotAvailable(text) => HttpResponse::MethodNotAllowed().json(twice(&text)),
            Self::JobToken(_) => HttpResponse::Forbidden().json(json!({ "message": "403 Forbidden" })),
            Self::JobNotRunning(status) => HttpResponse::Forbidden()
                .insert_header((super::JOB_STATUS, status.as_str()))
                .json(json!({ "message": "403 Forbidden - Job is not processing on runner" })),
            Self::Moved(moved) => moved.render(),
            Self::NotFound(NotFound { message, hint, .. }) => {
                HttpResponse::NotFound().json(with_hint(&format!("404 {message}"), hint.as_deref()))
            }
            Self::Request(RequestError::Credential(refusal)) => refused(refusal),
            Self::Request(error) => {
                let mut response = error.begin_response();
                response.json(body(&error))
            }
        }
    }
}

/// Writes GitLab's `error` as `message` too, for clients that read only that.
fn twice(text: &str) -> Value {
    json!({ "error": text, "message": text })
}

/// Adds the actual reason, for callers that may read the project: GitLab has one word for everything missing.
fn with_hint(message: &str, hint: Option<&str>) -> Value {
    match hint {
        Some(reason) => json!({ "message": message, "reason": reason }),
        None => json!({ "message": message }),
    }
}

fn body(error: &RequestError) -> Value {
    match error {
        RequestError::Credential(_) => json!({ "message": "401 Unauthorized" }),
        RequestError::TooManyFailures { .. } => json!({ "message": { "error": TOO_MANY_FAILURES } }),
        RequestError::PreconditionFailed => json!({ "message": "412 Precondition Failed" }),
        RequestError::RangeNotSatisfiable(_) => json!({ "message": "416 Range Not Satisfiable" }),
        RequestError::Domain(error) => {
            with_hint(&message(error), error.hint().filter(|_| error.kind() == ErrorKind::NotFound))
        }
    }
}

fn message(error: &Error) -> String {
    let text = error.public_message();
    match error.kind() {
        ErrorKind::Invalid => reasoned("400 Bad request", text),
        ErrorKind::Forbidden => reasoned("403 Forbidden", text),
        ErrorKind::TooLarge | ErrorKind::OverQuota | ErrorKind::Unprocessable => text.to_owned(),
        ErrorKind::Unauthenticated
        | ErrorKind::NotFound
        | ErrorKind::Gone
        | ErrorKind::Conflict
        | ErrorKind::UnsupportedMedia
        | ErrorKind::Unavailable
        | ErrorKind::OutOfSpace
        | ErrorKind::Internal => format!("{} {text}", crate::http::error::status(error.kind()).as_u16()),
    }
}

fn reasoned(title: &str, reason: &str) -> String {
    match reason {
        "" => title.to_owned(),
        reason => format!("{title} - {reason}"),
    }
}

fn refused(refusal: CredentialError) -> HttpResponse {
    let (error, description) = match refusal {
        CredentialError::Missing
        | CredentialError::NotForJobs
        | CredentialError::Unreadable(_)
        | CredentialError::Unknown
        | CredentialError::JobIdle(_)
        | CredentialError::JobErased
        | CredentialError::JobOfNobody
        | CredentialError::IdToken(_) => {
            return HttpResponse::Unauthorized().json(json!({ "message": "401 Unauthorized" }));
        }
        CredentialError::MissingScope(scopes) => {
            let description = "The request requires higher privileges than provided by the access token.";
            return HttpResponse::Forbidden().json(json!({
                "error": "insufficient_scope",
                "error_description": description,
                "message": description,
                "scope": scopes.join(" "),
            }));
        }
        CredentialError::Expired => {
            ("invalid_token", "Token is expired. You can either do re-authorization or token refresh.")
        }
        CredentialError::Revoked => {
            ("invalid_token", "Token was revoked. You have to re-authorize from the user.")
        }
    };
    let challenge =
        format!("Bearer realm=\"artigate\", error=\"{error}\", error_description=\"{description}\"");
    HttpResponse::Unauthorized()
        .insert_header((header::WWW_AUTHENTICATE, challenge))
        .json(json!({ "error": error, "error_description": description, "message": description }))
}

/// Takes over the errors that all dialects share.
impl<E: Into<RequestError>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self::Request(error.into())
    }
}

impl From<InvalidParameter> for ApiError {
    fn from(invalid: InvalidParameter) -> Self {
        Self::Parameter(match invalid {
            InvalidParameter::Type(name) => format!("{name} is invalid"),
            InvalidParameter::Choice(name) => format!("{name} does not have a valid value"),
        })
    }
}

/// The one match from access errors to GitLab's words.
impl From<AccessError> for ApiError {
    fn from(error: AccessError) -> Self {
        use AccessError as E;
        let not_found = |what, message, error: &E| {
            let (hint, reason) = (error.hint(), error.reason());
            Self::NotFound(NotFound { what, message: Cow::Borrowed(message), hint, reason })
        };
        match error {
            E::Other(error) => error.into(),
            E::Credential(refusal) => RequestError::Credential(refusal).into(),
            E::Forbidden(action) => Self::forbidden(action.refusal()),
            E::TokenOfAnotherJob | E::NotAdministrator => Self::forbidden(error.reason()),
            E::JobTokenNotAllowed { source, target } => Self::forbidden_because(format!(
                "Authentication by CI/CD job token not allowed from {source} to {target}."
            )),
            E::JobNotRunning(status) => Self::JobNotRunning(status),
            E::JobErased => Self::forbidden_because("Job has been erased!"),
            E::JobNotErasable => Self::forbidden_because("Job is not erasable!"),
            E::ProjectMoved { id, from, to } => Self::Moved(MovedProject::new(id, from, to)),
            E::ProjectNotFound(_) => not_found(Missing::Project, NO_PROJECT, &error),
            E::ArtifactNotFound(_) | E::ArtifactExpired(_) | E::ArtifactJustExpired => {
                not_found(Missing::Artifact, "Not Found", &error)
            }
            E::JobNotFound { .. }
            | E::PipelineNotFound(_)
            | E::ArtifactOfRefNotFound { recent: false, .. } => {
                not_found(Missing::Other, "Not found", &error)
            }
            E::ArtifactOfRefNotFound { recent: true, .. } | E::JobTokenRequired => {
                not_found(Missing::Other, "Job Not Found", &error)
            }
            E::RefNotFound(RefKind::Branch) => not_found(Missing::Other, "Branch Not Found", &error),
            E::RefNotFound(RefKind::Tag) => not_found(Missing::Other, "Tag Not Found", &error),
            E::CommitNotFound(_) => not_found(Missing::Other, "Commit Not Found", &error),
            E::NoDefaultBranch | E::RefWithoutPipeline => not_found(Missing::Other, "Not Found", &error),
        }
    }
}
