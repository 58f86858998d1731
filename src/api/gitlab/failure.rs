//! Refusals in GitLab's words: the key `error` for parameters, tokens and routes, `message` for
//! everything else. Runners show `message` to people, so whatever has an `error` has that, too.
//!
//! Why a request is refused in truth goes to the log beside them.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use serde_json::json;

use crate::auth::{AuthError, Refusal};
use crate::domain::status::Status;
use crate::domain::{Error, Kind};
use crate::http::failure::{self, RETRY_AFTER_SECONDS};
use crate::http::reason::Reason;

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
    /// The token of an upload is no job's, and a runner takes only 403 for final.
    JobToken(Refusal),
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
    pub(super) fn no_record(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::not_found("Not found", reason)
    }

    /// Not there, in GitLab's words for `what`; `reason` is for the log alone.
    pub(super) fn not_found(what: &'static str, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Domain(Error::new(Kind::NotFound, what).because(reason.into()))
    }

    /// Not there, in GitLab's words for `what`, and why, for somebody who may read the project's jobs.
    pub(super) fn absent(what: &'static str, hint: impl Into<Cow<'static, str>>) -> Self {
        Self::Domain(Error::new(Kind::NotFound, what).hint(hint))
    }

    /// Not allowed; `reason` is for the log alone.
    pub(super) fn forbidden(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Domain(Error::new(Kind::Forbidden, "").because(reason.into()))
    }

    /// Not allowed, and the client is told why.
    pub(super) fn forbidden_because(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Domain(Error::new(Kind::Forbidden, reason))
    }

    /// A wrong request; `reason` is for the log alone.
    pub(super) fn bad_request(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Domain(Error::new(Kind::Invalid, "").because(reason.into()))
    }

    /// The same refusal, where it is one that nothing is there, in GitLab's words for `what`.
    pub(super) fn about(self, what: &'static str) -> Self {
        match self {
            Self::Domain(error) if error.kind() == Kind::NotFound => Self::Domain(error.saying(what)),
            other => other,
        }
    }

    /// Of two meanings of one path that both lead nowhere, the one that got further: past its project.
    pub(super) fn or_closer(self, other: Self) -> Self {
        if other.is_missing_project() && !matches!(self, Self::NoRoute) { self } else { other }
    }

    /// That there is nothing, whatever the refusal says; its reason stays.
    pub(super) fn hidden(self) -> Self {
        match self {
            Self::Domain(error) if error.kind() == Kind::NotFound => Self::Domain(error.saying("Not Found")),
            other => Self::not_found("Not Found", other.reason()),
        }
    }

    /// Whether a credential was shown that is not good.
    pub(super) fn is_failed_authentication(&self) -> bool {
        match self {
            Self::Token(refusal) | Self::JobToken(refusal) => refusal.is_failure(),
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

    /// Whether a job was found and its file was not.
    pub(super) fn is_missing_file(&self) -> bool {
        matches!(self, Self::Domain(error) if error.kind() == Kind::NotFound && error.public() == "Not Found")
    }

    /// Whether the project itself was not found.
    pub(super) fn is_missing_project(&self) -> bool {
        matches!(self, Self::Domain(error) if error.kind() == Kind::NotFound && error.public() == NO_PROJECT)
    }

    /// Why, in a few words for the log.
    pub(super) fn reason(&self) -> Cow<'static, str> {
        match self {
            Self::NoRoute => "no such route".into(),
            Self::Parameter(text) | Self::Validation(text) | Self::NotAvailable(text) => text.clone().into(),
            Self::Token(refusal) | Self::JobToken(refusal) => refusal.reason(),
            Self::TooManyFailures { .. } => "too many failed authentications from this address".into(),
            Self::JobNotRunning(status) => format!("job does not run: {status}").into(),
            Self::PreconditionFailed => "a condition of the request does not hold".into(),
            Self::RangeNotSatisfiable(size) => format!("range lies outside of {size} bytes").into(),
            Self::Domain(error) => error.reason(),
        }
    }

    pub(super) fn into_response(self) -> HttpResponse {
        let reason = Reason::new(self.reason());
        let mut answer = self.in_words();
        reason.attach(&mut answer);
        answer
    }

    fn in_words(self) -> HttpResponse {
        match self {
            Self::NoRoute => HttpResponse::NotFound().json(twice("404 Not Found")),
            Self::Parameter(text) => HttpResponse::BadRequest().json(twice(&text)),
            Self::Validation(text) => HttpResponse::BadRequest().json(json!({ "message": text })),
            Self::NotAvailable(text) => HttpResponse::MethodNotAllowed().json(twice(&text)),
            Self::Token(refusal) => refused(refusal),
            Self::JobToken(_) => HttpResponse::Forbidden().json(json!({ "message": "403 Forbidden" })),
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

/// GitLab's text for a project that is not there, or not for whoever asks.
pub(super) const NO_PROJECT: &str = "Project Not Found";

/// Where GitLab has only `error`, those who read only `message` find the same there.
fn twice(text: &str) -> serde_json::Value {
    json!({ "error": text, "message": text })
}

fn answer(error: &Error) -> HttpResponse {
    failure::log(error);
    let status = failure::status(error.kind());
    let mut response = HttpResponse::build(status);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS));
    }
    let message = message(error, status);
    // GitLab has one word for all that is not there; whoever may read the project may know which it was.
    match error.told().filter(|_| error.kind() == Kind::NotFound) {
        Some(reason) => response.json(json!({ "message": message, "reason": reason })),
        None => response.json(json!({ "message": message })),
    }
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
        Refusal::Missing
        | Refusal::NotForJobs
        | Refusal::Unreadable(_)
        | Refusal::Unknown
        | Refusal::JobIdle(_)
        | Refusal::JobErased
        | Refusal::JobOfNobody => {
            return HttpResponse::Unauthorized().json(json!({ "message": "401 Unauthorized" }));
        }
        Refusal::MissingScope(scopes) => {
            let description = "The request requires higher privileges than provided by the access token.";
            return HttpResponse::Forbidden().json(json!({
                "error": "insufficient_scope",
                "error_description": description,
                "message": description,
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
        .json(json!({ "error": error, "error_description": description, "message": description }))
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
