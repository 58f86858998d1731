//! Refusals of this dialect: a status, and `{"message": …}` that names what is wrong.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use serde_json::json;

use crate::auth::{AuthError, Refusal};
use crate::domain::{Error, Kind};
use crate::http::failure::{self, RETRY_AFTER_SECONDS, TOO_MANY_FAILURES};
use crate::http::reason::Reason;
use crate::registry::LoadError;

/// The longest text of an error, in characters: it may repeat what was sent, which may be long.
const MAX_MESSAGE: usize = 2000;

/// What a client is asked to show.
const CHALLENGE: &str = "Bearer realm=\"artigate\", scope=\"registry\"";

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is nothing at this path.
    NoResource,
    /// There is, and it takes only these methods.
    Method(&'static [&'static str]),
    /// The credential is not accepted.
    Token(Refusal),
    /// Too many credentials from the same address were not good.
    TooManyFailures {
        /// How long the client is asked to wait.
        retry_after_seconds: u32,
    },
    /// Anything that is no matter of the dialect.
    Domain(Error),
}

impl Failure {
    /// Why, in a few words for the log.
    fn reason(&self) -> Cow<'static, str> {
        match self {
            Self::NoResource => "no such route".into(),
            Self::Method(_) => "the resource has no such method".into(),
            Self::Token(refusal) => refusal.reason(),
            Self::TooManyFailures { .. } => "too many failed authentications from this address".into(),
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
            Self::NoResource => say(StatusCode::NOT_FOUND, "there is nothing at this path"),
            Self::Method(methods) => {
                let methods = methods.join(", ");
                let mut answer = HttpResponse::MethodNotAllowed();
                answer.insert_header((header::ALLOW, methods.as_str()));
                answer.json(json!({ "message": format!("expected the method {methods}") }))
            }
            Self::Token(refusal) => refused(refusal),
            Self::TooManyFailures { retry_after_seconds } => HttpResponse::TooManyRequests()
                .insert_header((header::RETRY_AFTER, retry_after_seconds))
                .json(json!({ "message": TOO_MANY_FAILURES })),
            Self::Domain(error) => answer(&error),
        }
    }
}

fn say(status: StatusCode, text: &str) -> HttpResponse {
    HttpResponse::build(status).json(json!({ "message": text }))
}

fn answer(error: &Error) -> HttpResponse {
    failure::log(error);
    let status = failure::status(error.kind());
    let mut answer = HttpResponse::build(status);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        answer.insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS));
    }
    let text: String = error.public().chars().take(MAX_MESSAGE).collect();
    answer.json(json!({ "message": text }))
}

fn refused(refusal: Refusal) -> HttpResponse {
    let (status, text) = match refusal {
        Refusal::Missing | Refusal::NotForJobs => {
            (StatusCode::UNAUTHORIZED, "a personal token with the scope registry is needed")
        }
        Refusal::Unreadable(_) => (
            StatusCode::UNAUTHORIZED,
            "the credential is neither a PRIVATE-TOKEN nor a Bearer's token in ASCII",
        ),
        Refusal::Unknown | Refusal::JobIdle(_) | Refusal::JobErased | Refusal::JobOfNobody => {
            (StatusCode::UNAUTHORIZED, "the token is not known")
        }
        Refusal::Expired => (StatusCode::UNAUTHORIZED, "the token has expired"),
        Refusal::Revoked => (StatusCode::UNAUTHORIZED, "the token was revoked"),
        Refusal::MissingScope(_) => (StatusCode::FORBIDDEN, "the token has not the scope registry"),
    };
    let mut answer = HttpResponse::build(status);
    if status == StatusCode::UNAUTHORIZED {
        answer.insert_header((header::WWW_AUTHENTICATE, CHALLENGE));
    }
    answer.json(json!({ "message": text }))
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

/// What cannot be read is a wrong request; what can be read and makes no sense here is told apart.
impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        Self::Domain(match error {
            LoadError::Refused(refusal) => return Self::Token(refusal),
            LoadError::Malformed(text) => Error::new(Kind::Invalid, text),
            LoadError::Wrong(text) | LoadError::Unreadable(text) => Error::new(Kind::Unprocessable, text),
            LoadError::Failed(error) => error,
        })
    }
}
