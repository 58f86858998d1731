//! Refusals in GitLab's words: the key `error` for parameters, tokens and routes, `message` for
//! everything else. Runners show `message` to people.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use serde_json::json;

use crate::auth::{AuthError, Refusal};
use crate::domain::status::Status;
use crate::domain::{Error, Kind};
use crate::http::failure::{self, RETRY_AFTER_SECONDS};

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum Failure {
    /// No such route.
    NoRoute,
    /// A parameter is missing or wrong.
    Parameter(String),
    /// What was sent does not fit, in exactly these words.
    Validation(String),
    /// The list cannot be walked this way.
    NotAvailable(String),
    /// The credential is not accepted.
    Token(Refusal),
    /// The token of an upload is no job's.
    UnknownJobToken,
    /// Too many credentials from the same address were not good.
    TooManyFailures {
        /// How long the client is asked to wait.
        retry_after_seconds: u32,
    },
    /// The job that uploads does not run.
    JobNotRunning(Status),
    /// The request's conditions do not hold.
    PreconditionFailed,
    /// The part that is asked for is not there; the whole has so many bytes.
    RangeNotSatisfiable(u64),
    /// Anything that is no matter of the dialect.
    Domain(Error),
}

impl Failure {
    /// Not there, as GitLab says it when a record was not found.
    pub(super) fn no_record() -> Self {
        Self::Domain(Error::new(Kind::NotFound, "Not found"))
    }

    /// Not there, in GitLab's words for `what`.
    pub(super) fn not_found(what: &'static str) -> Self {
        Self::Domain(Error::new(Kind::NotFound, what))
    }

    /// Not allowed, without a reason.
    pub(super) fn forbidden() -> Self {
        Self::forbidden_because("")
    }

    /// Not allowed, with a reason; an empty one is none.
    pub(super) fn forbidden_because(reason: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self::Domain(Error::new(Kind::Forbidden, reason))
    }

    /// A wrong request, without a reason.
    pub(super) fn bad_request() -> Self {
        Self::Domain(Error::new(Kind::Invalid, ""))
    }

    /// Whether a credential was shown that is not good.
    pub(super) fn is_failed_authentication(&self) -> bool {
        match self {
            Self::Token(refusal) => refusal.is_failure(),
            Self::UnknownJobToken => true,
            _ => false,
        }
    }

    /// Whether another meaning of the same path is worth trying.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Domain(error) if error.kind() == Kind::NotFound)
    }

    /// Whether the caller may not.
    pub(super) fn is_forbidden(&self) -> bool {
        matches!(self, Self::Domain(error) if error.kind() == Kind::Forbidden)
    }

    /// Whether a job was found and its file was not, as [`Failure::not_found`] says it.
    pub(super) fn is_missing_file(&self) -> bool {
        matches!(self, Self::Domain(error) if error.kind() == Kind::NotFound && error.public() == "Not Found")
    }

    pub(super) fn into_response(self) -> HttpResponse {
        match self {
            Self::NoRoute => HttpResponse::NotFound().json(json!({ "error": "404 Not Found" })),
            Self::Parameter(text) => HttpResponse::BadRequest().json(json!({ "error": text })),
            Self::Validation(text) => HttpResponse::BadRequest().json(json!({ "message": text })),
            Self::NotAvailable(text) => HttpResponse::MethodNotAllowed().json(json!({ "error": text })),
            Self::Token(refusal) => refused(refusal),
            Self::UnknownJobToken => Self::forbidden().into_response(),
            Self::TooManyFailures { retry_after_seconds } => HttpResponse::TooManyRequests()
                .insert_header((header::RETRY_AFTER, retry_after_seconds))
                .json(json!({ "message": { "error": failure::TOO_MANY_FAILURES } })),
            Self::JobNotRunning(status) => HttpResponse::Forbidden()
                .insert_header(("Job-Status", status.as_str()))
                .json(json!({ "message": "403 Forbidden - Job is not processing on runner" })),
            Self::PreconditionFailed => {
                HttpResponse::PreconditionFailed().json(json!({ "message": "412 Precondition Failed" }))
            }
            Self::RangeNotSatisfiable(size) => HttpResponse::RangeNotSatisfiable()
                .insert_header((header::CONTENT_RANGE, format!("bytes */{size}")))
                .json(json!({ "message": "416 Range Not Satisfiable" })),
            Self::Domain(error) => answer(&error),
        }
    }
}

fn answer(error: &Error) -> HttpResponse {
    failure::log(error);
    let status = failure::status(error.kind());
    let mut response = HttpResponse::build(status);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS));
    }
    response.json(json!({ "message": message(error, status) }))
}

fn message(error: &Error, status: StatusCode) -> String {
    let text = error.public();
    match error.kind() {
        Kind::Invalid => reasoned("400 Bad request", text),
        Kind::Forbidden => reasoned("403 Forbidden", text),
        Kind::TooLarge | Kind::Unprocessable => text.to_owned(),
        Kind::Unauthenticated
        | Kind::NotFound
        | Kind::Conflict
        | Kind::UnsupportedMedia
        | Kind::Unavailable
        | Kind::OutOfSpace
        | Kind::Internal => format!("{} {text}", status.as_u16()),
    }
}

fn reasoned(title: &str, reason: &str) -> String {
    match reason {
        "" => title.to_owned(),
        reason => format!("{title} - {reason}"),
    }
}

fn refused(refusal: Refusal) -> HttpResponse {
    let (error, description) = match refusal {
        Refusal::Missing | Refusal::Unknown => {
            return HttpResponse::Unauthorized().json(json!({ "message": "401 Unauthorized" }));
        }
        Refusal::MissingScope(scopes) => {
            return HttpResponse::Forbidden().json(json!({
                "error": "insufficient_scope",
                "error_description":
                    "The request requires higher privileges than provided by the access token.",
                "scope": scopes.join(" "),
            }));
        }
        Refusal::Expired => {
            ("invalid_token", "Token is expired. You can either do re-authorization or token refresh.")
        }
        Refusal::Revoked => ("invalid_token", "Token was revoked. You have to re-authorize from the user."),
    };
    let challenge =
        format!("Bearer realm=\"artigate\", error=\"{error}\", error_description=\"{description}\"");
    HttpResponse::Unauthorized()
        .insert_header((header::WWW_AUTHENTICATE, challenge))
        .json(json!({ "error": error, "error_description": description }))
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Domain(error)
    }
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Refused(refusal) => Self::Token(refusal),
            AuthError::Catalog(error) => Self::Domain(error),
        }
    }
}
