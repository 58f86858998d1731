//! Layout: the frame of every page, with its title, the way back up, and the style sheet.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use askama::Template;
use bytes::Bytes;

use super::error::PageError;
use super::headers;
use super::visit::{Visit, asset_addresses};
use crate::domain::Error;
use crate::http::download::with_body;

/// The media type of pages.
pub(super) const HTML: &str = "text/html; charset=utf-8";

/// The frame of a page.
#[derive(Debug)]
pub(super) struct Layout {
    /// The path under which the pages are mounted, without a slash at its end.
    pub(super) root: String,
    /// The name of the page, its one heading.
    pub(super) heading: String,
    /// The pages above it, the uppermost first.
    pub(super) crumbs: Vec<Crumb>,
    /// The address of the style sheet.
    pub(super) style: String,
    /// The address of the icon.
    pub(super) icon: String,
    /// The name of who is signed in.
    pub(super) person: Option<String>,
    /// The address of the operators' page, for administrators.
    pub(super) operate: Option<String>,
    /// The address of the sign-in page, if nobody is signed in.
    pub(super) sign_in: Option<String>,
}

/// A page above another one.
#[derive(Debug, Clone)]
pub(super) struct Crumb {
    pub(super) name: String,
    pub(super) address: String,
}

impl Crumb {
    pub(super) fn new(name: impl Into<String>, address: impl Into<String>) -> Self {
        Self { name: name.into(), address: address.into() }
    }
}

impl Layout {
    pub(super) fn new(root: String, heading: String, crumbs: Vec<Crumb>) -> Self {
        let (style, icon) = asset_addresses(&root);
        Self { root, heading, crumbs, style, icon, person: None, operate: None, sign_in: None }
    }

    /// The title in the browser's tab: the page, then what it is part of.
    pub(super) fn title(&self) -> String {
        let above = self.crumbs.iter().rev().map(|crumb| crumb.name.as_str());
        let all: Vec<&str> = [self.heading.as_str()].into_iter().chain(above).chain(["artigate"]).collect();
        all.join(" – ")
    }

    /// The release of this program.
    pub(super) fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}

/// The pages of a list before and after the one that is shown.
#[derive(Debug, Default)]
pub(super) struct Pager {
    pub(super) previous: Option<String>,
    pub(super) next: Option<String>,
    /// Which part of the list is shown, in words.
    pub(super) words: String,
}

impl Pager {
    /// Describes a page of a list of `total` items, if that is known.
    pub(super) fn new(
        visit: &Visit<'_>,
        size: usize,
        shown: usize,
        total: Option<usize>,
        more: bool,
    ) -> Self {
        let number = visit.page_number();
        let first = (number - 1) * size;
        let words = match (shown, total) {
            (0, _) => String::new(),
            (_, Some(total)) => format!("{}–{} of {total}", first + 1, first + shown),
            (_, None) => format!("{}–{}", first + 1, first + shown),
        };
        let link = |number: usize| visit.with("page", &number.to_string());
        let more = more || total.is_some_and(|total| first + size < total);
        Self { previous: (number > 1).then(|| link(number - 1)), next: more.then(|| link(number + 1)), words }
    }

    /// Whether there is another page.
    pub(super) fn is_needed(&self) -> bool {
        self.previous.is_some() || self.next.is_some()
    }
}

/// Sends a page.
pub(super) fn page(visit: &Visit<'_>, template: &impl Template) -> Result<HttpResponse, PageError> {
    page_with_status(visit, StatusCode::OK, template)
}

/// Sends a page with another status than 200.
pub(super) fn page_with_status(
    visit: &Visit<'_>,
    status: StatusCode,
    template: &impl Template,
) -> Result<HttpResponse, PageError> {
    let text = template.render().map_err(Error::internal)?;
    let mut answer = HttpResponse::build(status);
    headers::describe(&mut answer, visit.is_signed_in());
    Ok(answer.insert_header((CONTENT_TYPE, HTML)).body(text))
}

/// Sends a page of about so many `bytes`. The memory of a long one is counted, and it is made on a thread of its own.
pub(super) async fn long_page(
    visit: &Visit<'_>,
    bytes: usize,
    render: impl FnOnce() -> askama::Result<String> + Send + 'static,
) -> Result<HttpResponse, PageError> {
    let capacity = visit.ctx.app.deliver.capacity();
    let share = capacity.count_text(bytes, visit.ctx.client_ip()).await?;
    let (text, share) = capacity.make_text(share, render).await?;
    let text = Bytes::from(text.map_err(Error::internal)?);
    let mut answer = HttpResponse::build(StatusCode::OK);
    headers::describe(&mut answer, visit.is_signed_in());
    answer.insert_header((CONTENT_TYPE, HTML));
    Ok(with_body(&mut answer, text.len() as u64, share.into_body(text)))
}
