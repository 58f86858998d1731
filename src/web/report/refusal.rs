//! Refusals of reports: to a person in a sentence, to a script by the status alone.

use std::borrow::Cow;

use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, LOCATION,
    REFERRER_POLICY,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, HttpResponseBuilder};
use askama::Template;

use super::super::layout::HTML;
use crate::access::AccessError;
use crate::domain::{Error, ErrorKind};
use crate::http::context::RequestContext;
use crate::http::error::{RequestError, with_reason};
use crate::metrics::ReportTokenOutcome;

const SEC_FETCH_MODE: &str = "sec-fetch-mode";
const SEC_FETCH_DEST: &str = "sec-fetch-dest";

/// Nothing of a refusal runs or loads anything.
const NOTHING: &str = "default-src 'none'; sandbox";

/// Why no report is sent.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Nothing is there for this address and method.
    NoSuch(StatusCode),
    /// The token is none of ours, or one of another origin.
    Forged,
    /// The token has ended, or whoever got it may not read the report any more; where a new one is to be had.
    Over {
        /// The address of the report among the pages.
        again: String,
        /// Why, for the log.
        why: Cow<'static, str>,
    },
    /// A script that would work in the background, which only an origin of its own can have.
    Background,
    /// The artifact has expired, or was deleted.
    Gone(AccessError),
    /// The report holds no such file.
    NoFile,
    /// An error that all answers share.
    Request(RequestError),
}

impl<E: Into<RequestError>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Request(error.into())
    }
}

/// A page that tells a person what is wrong.
#[derive(Template)]
#[template(path = "report_refused.html")]
struct RefusedPage {
    title: &'static str,
    text: Cow<'static, str>,
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoSuch(status) => *status,
            Self::Forged | Self::Over { .. } | Self::Background => StatusCode::FORBIDDEN,
            Self::Gone(AccessError::ArtifactExpired(_) | AccessError::ArtifactJustExpired) => {
                StatusCode::GONE
            }
            Self::Gone(_) | Self::NoFile => StatusCode::NOT_FOUND,
            Self::Request(error) => error.status(),
        }
    }

    fn text(&self) -> Cow<'static, str> {
        match self {
            Self::NoSuch(_) => "There is nothing at this address.".into(),
            Self::Forged => "This is not the address of a report.".into(),
            Self::Over { .. } => "The address of this report has ended. Open the report anew.".into(),
            Self::Background => "Background workers need reports to have a host of their own.".into(),
            Self::Gone(AccessError::ArtifactExpired(time)) => {
                format!("This report expired at {time} and is gone.").into()
            }
            Self::Gone(_) => "This report is not there any more.".into(),
            Self::NoFile => "The report holds no such file.".into(),
            Self::Request(RequestError::Domain(error)) if error.kind() == ErrorKind::Unprocessable => {
                format!("This cannot be shown: {}.", error.public_message()).into()
            }
            Self::Request(_) => "This cannot be shown now.".into(),
        }
    }

    fn reason(&self) -> Cow<'static, str> {
        match self {
            Self::NoSuch(_) => "no such address of reports".into(),
            Self::Forged => "token of a report is not valid".into(),
            Self::Over { why, .. } => why.clone(),
            Self::Background => "background worker in a sandboxed report".into(),
            Self::Gone(error) => error.reason(),
            Self::NoFile => "entry is not in the archive".into(),
            Self::Request(error) => error.reason().into_owned().into(),
        }
    }
}

/// Renders a refusal.
pub(super) fn refuse(ctx: &RequestContext, refusal: Refusal) -> HttpResponse {
    match refusal {
        Refusal::Forged => ctx.app.metrics.reports.count(ReportTokenOutcome::Refused),
        Refusal::Over { .. } => ctx.app.metrics.reports.count(ReportTokenOutcome::Ended),
        _ => {}
    }
    let headers = ctx.request.headers();
    let reason = refusal.reason();
    if let Refusal::Over { again, .. } = &refusal
        && reads(ctx)
        && is_navigation(headers)
        && !is_in_frame(headers)
    {
        return with_reason(reason, lead(again));
    }
    let status = refusal.status();
    let mut answer = match &refusal {
        // Logs what is the server's own fault.
        Refusal::Request(error) => error.begin_response(),
        _ => HttpResponse::build(status),
    };
    describe(&mut answer);
    // Scripts that try whether a file is there may be told that it is not.
    if matches!(refusal, Refusal::NoFile) {
        answer.insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, "*"));
    }
    if !(reads(ctx) && is_navigation(headers)) {
        return with_reason(reason, answer.finish());
    }
    let page = RefusedPage { title: status.canonical_reason().unwrap_or("Error"), text: refusal.text() };
    match page.render().map_err(Error::internal) {
        Ok(html) => with_reason(reason, answer.insert_header((CONTENT_TYPE, HTML)).body(html)),
        Err(_) => answer.finish(),
    }
}

/// Sends a browser on to another address, which it must ask for again the next time.
pub(super) fn lead(to: &str) -> HttpResponse {
    let mut answer = HttpResponse::Found();
    describe(&mut answer);
    answer.insert_header((LOCATION, to)).finish()
}

fn describe(answer: &mut HttpResponseBuilder) {
    answer
        .insert_header((CONTENT_SECURITY_POLICY, NOTHING))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((REFERRER_POLICY, "same-origin"));
}

fn reads(ctx: &RequestContext) -> bool {
    matches!(*ctx.request.method(), Method::GET | Method::HEAD)
}

/// Whether a browser opens the address as a page, as far as can be told.
fn is_navigation(headers: &HeaderMap) -> bool {
    headers.get(SEC_FETCH_MODE).is_none_or(|mode| mode.as_bytes() == b"navigate")
}

/// Whether a page inside of another one is opened.
fn is_in_frame(headers: &HeaderMap) -> bool {
    let dest = headers.get(SEC_FETCH_DEST).map(|dest| dest.as_bytes().to_vec());
    matches!(dest.as_deref(), Some(b"iframe" | b"frame" | b"embed" | b"object" | b"fencedframe"))
}
