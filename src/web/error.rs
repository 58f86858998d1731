//! Errors as pages: what went wrong, in one sentence, without telling what exists to those who may not know.

use std::borrow::Cow;

use actix_web::http::header::{CONTENT_TYPE, RETRY_AFTER};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpMessage, HttpResponse};
use askama::Template;

use super::headers;
use super::layout::{Crumb, HTML, Layout};
use super::visit::Visit;
use crate::access::AccessError;
use crate::auth::CredentialError;
use crate::domain::{Error, ErrorKind};
use crate::http::context::RequestContext;
use crate::http::error::{RequestError, with_reason};
use crate::http::request_log::RequestId;

/// Why there is no page.
#[derive(Debug)]
pub(super) enum PageError {
    /// No such page.
    NoPage,
    /// A form that none of our own pages sent.
    FromElsewhere,
    /// Something is not there, or may not be seen.
    Access(AccessError),
    /// A file that the archive does not hold; the nearest folder that it holds.
    NoFile(Crumb),
    /// The archive, or a file of it, cannot be read; where it can be downloaded.
    Unreadable(Box<Error>, Crumb),
    /// An error that pages and dialects share.
    Request(RequestError),
}

impl<E: Into<RequestError>> From<E> for PageError {
    fn from(error: E) -> Self {
        Self::Request(error.into())
    }
}

impl From<AccessError> for PageError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Credential(refusal) => Self::Request(refusal.into()),
            AccessError::Other(error) => Self::Request(error.into()),
            other => Self::Access(other),
        }
    }
}

/// What an error's page says.
struct Told {
    status: StatusCode,
    text: Cow<'static, str>,
    /// A page that helps.
    link: Option<Crumb>,
    /// For the log.
    reason: Cow<'static, str>,
}

impl PageError {
    /// Whether the person may see the page and lacks the right to change it.
    fn is_lack_of_right(&self) -> bool {
        match self {
            Self::Access(error) => matches!(error, AccessError::Forbidden(_)),
            Self::Request(error) => {
                matches!(error, RequestError::Credential(CredentialError::MissingScope(_)))
            }
            _ => false,
        }
    }

    fn told(&self) -> Told {
        let told = |status, text: Cow<'static, str>, reason| Told { status, text, link: None, reason };
        match self {
            Self::NoPage => told(StatusCode::NOT_FOUND, NOT_FOUND.into(), "no such page".into()),
            Self::FromElsewhere => told(
                StatusCode::FORBIDDEN,
                "This form was not sent from a page of this server. Nothing was changed.".into(),
                "form of another site".into(),
            ),
            Self::Access(error) => of_access(error),
            Self::NoFile(folder) => Told {
                link: Some(folder.clone()),
                ..told(
                    StatusCode::NOT_FOUND,
                    "The archive of this job holds no such file or folder.".into(),
                    "entry is not in the archive".into(),
                )
            },
            Self::Unreadable(error, archive) => Told {
                link: Some(archive.clone()),
                ..told(
                    crate::http::error::status(error.kind()),
                    format!("This cannot be shown: {}.", error.public_message()).into(),
                    error.reason(),
                )
            },
            Self::Request(error) => {
                let status = match error.status() {
                    // GitLab's pages, too, do not tell what is there and may not be seen.
                    StatusCode::FORBIDDEN => StatusCode::NOT_FOUND,
                    status => status,
                };
                let text = match error {
                    RequestError::Domain(error) => of_domain(error),
                    _ => sentence(status).into(),
                };
                told(status, text, error.reason())
            }
        }
    }
}

fn of_access(error: &AccessError) -> Told {
    let told = |status, text: Cow<'static, str>| Told { status, text, link: None, reason: error.reason() };
    match error {
        AccessError::ArtifactExpired(time) => {
            told(StatusCode::GONE, format!("These artifacts expired at {time} and are gone.").into())
        }
        AccessError::ArtifactJustExpired => {
            told(StatusCode::GONE, "These artifacts have just expired.".into())
        }
        AccessError::ArtifactNotFound(_) => {
            told(StatusCode::NOT_FOUND, format!("There is nothing here: {}.", error.reason()).into())
        }
        AccessError::ArtifactOfRefNotFound { why, .. } => {
            told(StatusCode::NOT_FOUND, format!("There is nothing here: {why}.").into())
        }
        _ => told(StatusCode::NOT_FOUND, NOT_FOUND.into()),
    }
}

fn of_domain(error: &Error) -> Cow<'static, str> {
    match error.kind() {
        ErrorKind::Invalid | ErrorKind::Unprocessable | ErrorKind::TooLarge
            if !error.public_message().is_empty() =>
        {
            format!("This cannot be shown: {}.", error.public_message()).into()
        }
        kind => sentence(crate::http::error::status(kind)).into(),
    }
}

const NOT_FOUND: &str = "There is no such page, or it is not for you to see.";

/// Says what a status means.
fn sentence(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "The address or the form is not valid.",
        StatusCode::UNAUTHORIZED => "The token is not valid here.",
        StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => NOT_FOUND,
        StatusCode::GONE => "This has expired and is gone.",
        StatusCode::URI_TOO_LONG => "The address is too long.",
        StatusCode::PAYLOAD_TOO_LARGE => "This is larger than allowed.",
        StatusCode::UNPROCESSABLE_ENTITY => "This cannot be read.",
        StatusCode::TOO_MANY_REQUESTS => "Too many wrong tokens came from your address. Try again later.",
        StatusCode::SERVICE_UNAVAILABLE => {
            "The server is busy, or something that it needs is. Try again in a moment."
        }
        StatusCode::INSUFFICIENT_STORAGE => "The store is full.",
        status if status.is_server_error() => "Something went wrong in the server. Its log says what.",
        _ => "This is not possible.",
    }
}

/// The page of an error.
#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    layout: Layout,
    text: String,
    link: Option<Crumb>,
    request_id: Option<String>,
}

/// Renders a refusal.
pub(super) fn refuse(ctx: &RequestContext, error: PageError) -> HttpResponse {
    let error = match error {
        PageError::Request(error) => {
            let is_failure = error.is_failed_authentication();
            let error = ctx.limit_failures(error, is_failure);
            // Logs what is the server's own fault.
            drop(error.begin_response());
            PageError::Request(error)
        }
        other => other,
    };
    let visit = Visit::of(ctx);
    let Told { mut status, mut text, link, reason } = error.told();
    if ctx.request.method() == Method::POST && error.is_lack_of_right() {
        (status, text) = (StatusCode::FORBIDDEN, "You may not change this. Nothing was changed.".into());
    }
    let id = ctx.request.extensions().get::<RequestId>().map(|id| id.0.clone());
    let mut answer = HttpResponse::build(status);
    headers::describe(&mut answer, true);
    if let PageError::Request(RequestError::TooManyFailures { retry_after_seconds }) = &error {
        answer.insert_header((RETRY_AFTER, *retry_after_seconds));
    } else if status == StatusCode::SERVICE_UNAVAILABLE {
        answer.insert_header((RETRY_AFTER, crate::http::error::RETRY_AFTER_SECONDS));
    }
    let html = html(visit.root, status, text.into_owned(), link, id);
    with_reason(reason, answer.insert_header((CONTENT_TYPE, HTML)).body(html))
}

/// Writes the page of an error that has no sentence of its own.
pub(super) fn html_of_status(root: String, status: StatusCode, id: Option<String>) -> String {
    html(root, status, sentence(status).to_owned(), None, id)
}

fn html(root: String, status: StatusCode, text: String, link: Option<Crumb>, id: Option<String>) -> String {
    let words = status.canonical_reason().unwrap_or("Error");
    let layout = Layout::new(root, format!("{} {words}", status.as_u16()), Vec::new());
    let page = ErrorPage { layout, text, link, request_id: id };
    page.render().unwrap_or_else(|_| words.to_owned())
}
